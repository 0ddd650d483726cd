"""Everything the watches have shown, indexed by the InferenceService that it concerns.

One writer (the event loop that feeds it), no input/output. `put` and `forget` return the keys whose bell must ring.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from mooring_api import names
from mooring_api.base import ApiModel
from mooring_api.v1alpha1 import ServingRuntimeSpec, TrainedModel
from mooring_api.v1beta1 import InferenceService
from mooring_operator.observed import Key, Manifest, Meta, Parsed, Runtime

CHILD_KINDS = frozenset({"Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "ConfigMap"})
M = TypeVar("M", bound=ApiModel)


def meta_of(body: Mapping[str, Any]) -> Meta:
    """The part of an object's metadata that decisions need."""
    raw = body.get("metadata", {})
    return Meta(
        name=raw["name"],
        namespace=raw.get("namespace", ""),
        uid=raw.get("uid", ""),
        generation=raw.get("generation", 0),
        resource_version=raw.get("resourceVersion", ""),
        creation_timestamp=raw.get("creationTimestamp", ""),
        labels=raw.get("labels") or {},
        annotations=raw.get("annotations") or {},
        owner_uids=frozenset(owner["uid"] for owner in raw.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in raw,
    )


def parse(kind: type[M], body: Mapping[str, Any]) -> Parsed[M]:
    """A custom object as a value, or with the reason why it cannot be read."""
    status = body.get("status") or {}
    try:
        value = kind.model_validate({"spec": body.get("spec")})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Parsed(meta_of(body), None, f"{where}: {first['msg']}", status)
    return Parsed(meta_of(body), value, None, status)


class Store:
    """The last seen state of every watched object."""

    def __init__(self) -> None:
        self.services: dict[Key, Parsed[InferenceService]] = {}
        self.models: dict[Key, Parsed[TrainedModel]] = {}
        self._models_of: dict[Key, dict[str, Parsed[TrainedModel]]] = defaultdict(dict)
        self._parent_of: dict[Key, Key] = {}
        self._runtimes: dict[str, dict[str, Runtime]] = defaultdict(dict)
        self._children: dict[Key, dict[tuple[str, str], Manifest]] = defaultdict(dict)
        self._pods: dict[Key, dict[str, Manifest]] = defaultdict(dict)

    def put(self, body: Manifest) -> set[Key]:
        """Remember an added or changed object; returns the keys that it concerns."""
        return self._route(body, gone=False)

    def forget(self, body: Manifest) -> set[Key]:
        """Drop a deleted object; returns the keys that it concerns."""
        return self._route(body, gone=True)

    def _route(self, body: Manifest, *, gone: bool) -> set[Key]:
        table: dict[str, Callable[[Manifest, bool], set[Key]]] = {
            "InferenceService": self._service,
            "TrainedModel": self._model,
            "ServingRuntime": self._runtime,
            "ClusterServingRuntime": self._runtime,
            "Pod": self._pod,
        }
        return table.get(body["kind"], self._child)(body, gone)

    def _service(self, body: Manifest, gone: bool) -> set[Key]:
        parsed = parse(InferenceService, body)
        key = Key(parsed.meta.namespace, parsed.meta.name)
        if gone:
            self.services.pop(key, None)
        else:
            self.services[key] = parsed
        return {key}

    def _model(self, body: Manifest, gone: bool) -> set[Key]:
        parsed = parse(TrainedModel, body)
        me = Key(parsed.meta.namespace, parsed.meta.name)
        rung = set()
        if (before := self._parent_of.pop(me, None)) is not None:
            self._models_of[before].pop(me.name, None)
            rung.add(before)
        self.models.pop(me, None)
        parent = (body.get("spec") or {}).get("inferenceService")
        if not gone and isinstance(parent, str):
            key = Key(me.namespace, parent)
            self.models[me] = parsed
            self._parent_of[me] = key
            self._models_of[key][me.name] = parsed
            rung.add(key)
        return rung

    def _runtime(self, body: Manifest, gone: bool) -> set[Key]:
        meta, cluster_scoped = meta_of(body), body["kind"] == "ClusterServingRuntime"
        table = self._runtimes["" if cluster_scoped else meta.namespace]
        table.pop(meta.name, None)
        if not gone:
            try:
                spec = ServingRuntimeSpec.model_validate(body.get("spec"))
                table[meta.name] = Runtime(meta, spec, cluster_scoped)
            except ValidationError:
                pass  # an unreadable runtime is no runtime: naming it says "not found"
        return {
            key
            for key, service in self.services.items()
            if (cluster_scoped or key.namespace == meta.namespace) and _uses_runtimes(service)
        }

    def _pod(self, body: Manifest, gone: bool) -> set[Key]:
        meta = meta_of(body)
        if (name := meta.labels.get(names.LABEL_INFERENCE_SERVICE)) is None:
            return set()
        key = Key(meta.namespace, name)
        if gone:
            self._pods[key].pop(meta.uid, None)
        else:
            self._pods[key][meta.uid] = body
        return {key}

    def _child(self, body: Manifest, gone: bool) -> set[Key]:
        key = self.owner_key(body)
        if key is None:
            return set()
        if gone:
            self._children[key].pop((body["kind"], body["metadata"]["name"]), None)
        else:
            self._children[key][body["kind"], body["metadata"]["name"]] = body
        return {key}

    @staticmethod
    def owner_key(body: Manifest) -> Key | None:
        """The InferenceService that controls a child, from its owner references."""
        for owner in body["metadata"].get("ownerReferences") or ():
            if owner.get("kind") == "InferenceService" and owner.get("controller"):
                return Key(body["metadata"].get("namespace", ""), owner["name"])
        return None

    def models_of(self, key: Key) -> tuple[Parsed[TrainedModel], ...]:
        """The TrainedModels that name `key`, oldest first (creation, then name)."""
        return tuple(
            sorted(self._models_of.get(key, {}).values(), key=lambda m: (m.meta.creation_timestamp, m.meta.name))
        )

    def runtimes_for(self, namespace: str) -> tuple[Runtime, ...]:
        """The runtimes that a service of `namespace` may use."""
        return (*self._runtimes.get(namespace, {}).values(), *self._runtimes.get("", {}).values())

    def children_of(self, key: Key) -> dict[tuple[str, str], Manifest]:
        """Live children by (kind, name)."""
        return dict(self._children.get(key, {}))

    def pods_of(self, key: Key) -> tuple[Manifest, ...]:
        """Pods that carry the service's label, oldest first."""
        pods = self._pods.get(key, {}).values()
        return tuple(sorted(pods, key=lambda p: (p["metadata"].get("creationTimestamp", ""), p["metadata"]["name"])))

    def keys(self) -> Iterator[Key]:
        """Every InferenceService, and every name that a TrainedModel waits for."""
        yield from set(self.services) | {key for key, models in self._models_of.items() if models}


def _uses_runtimes(service: Parsed[InferenceService]) -> bool:
    return service.value is None or service.value.spec.predictor.effective_model() is not None
