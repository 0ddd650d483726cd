"""Everything the watches have shown, indexed by the InferenceService that it concerns.

One writer (the event loop that feeds it), no input/output. `put` and `forget` return the keys whose bell must ring.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from mooring_api import names
from mooring_api.base import ApiModel
from mooring_api.v1alpha1 import ServingRuntimeSpec, TrainedModel
from mooring_api.v1beta1 import InferenceService
from mooring_operator.core.observed import Key, Manifest, Meta, Parsed, Runtime

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
        self._service_of_pod: dict[str, Key] = {}
        self._strangers: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._seen: dict[tuple[str, str, str], tuple[str, int]] = {}

    def put(self, body: Manifest) -> set[Key]:
        """Remember an added or changed object; returns the keys that it concerns.

        A version that is not newer than the one held (our own write came back, or a watch lags behind it) changes
        nothing and concerns nobody.
        """
        place, version = _place(body), _version(body)
        uid = body["metadata"].get("uid", "")
        held_uid, held_version = self._seen.get(place, ("", -1))
        if version is not None and held_uid == uid and version <= held_version:
            return set()
        self._seen[place] = (uid, version or 0)
        return self._route(body, gone=False)

    def forget(self, body: Manifest) -> set[Key]:
        """Drop a deleted object; returns the keys that it concerns. A successor of the same name stays."""
        place = _place(body)
        if self._seen.get(place, ("", 0))[0] != body["metadata"].get("uid", ""):
            return set()
        del self._seen[place]
        return self._route(body, gone=True)

    def vanished(self, kind: str, live: Iterable[Manifest], version: int) -> list[Manifest]:
        """Stand-ins for the held objects of `kind` that are not among `live`: what a paused watch missed.

        `live` is a whole list as of `version`; what was seen later than that is not missing.
        """
        uids = {body["metadata"].get("uid", "") for body in live}
        return [
            {"kind": kind, "metadata": {"namespace": namespace, "name": name, "uid": uid}}
            for (held_kind, namespace, name), (uid, seen) in self._seen.items()
            if held_kind == kind and uid not in uids and seen <= version
        ]

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
        meta, rung = meta_of(body), set()
        if (before := self._service_of_pod.pop(meta.uid, None)) is not None:
            self._pods[before].pop(meta.uid, None)
            rung.add(before)
        if not gone and (name := meta.labels.get(names.LABEL_INFERENCE_SERVICE)) is not None:
            key = self._service_of_pod[meta.uid] = Key(meta.namespace, name)
            self._pods[key][meta.uid] = body
            rung.add(key)
        return rung

    def _child(self, body: Manifest, gone: bool) -> set[Key]:
        """Objects that an InferenceService controls, and the names that others hold."""
        kind, namespace, name = _place(body)
        holders = {key for key in self._holders(namespace, name) if (kind, name) in self._children.get(key, {})}
        before = [self._children[key].pop((kind, name)) for key in holders]
        self._strangers[namespace].discard((kind, name))
        if gone:
            return holders | self._claimants(namespace, name)
        owner = self.owner_key(body)
        if owner is not None:
            self._children[owner][kind, name] = body
            return holders | {owner} if not before or _gist(before[0]) != _gist(body) else set()
        self._strangers[namespace].add((kind, name))
        return holders

    def _holders(self, namespace: str, child: str) -> set[Key]:
        """Keys whose child may have this name."""
        return {Key(namespace, name) for name in names.inference_services_of(child)}

    def _claimants(self, namespace: str, child: str) -> set[Key]:
        """Existing services that would have a child of this name: it is free now."""
        return {key for key in self._holders(namespace, child) if key in self.services}

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

    def children_of(self, key: Key) -> tuple[dict[tuple[str, str], Manifest], frozenset[tuple[str, str]]]:
        """Live children by (kind, name), and the children's names that belong to somebody else.

        A child of an earlier InferenceService of the same name counts as somebody else's until it is collected.
        """
        service = self.services.get(key)
        uid = service.meta.uid if service is not None else ""
        held = self._children.get(key, {})
        ours = {place: body for place, body in held.items() if uid in meta_of(body).owner_uids}
        strangers = self._strangers.get(key.namespace, set())
        foreign = {(kind, name) for kind, name in strangers if key.name in names.inference_services_of(name)}
        return ours, frozenset(foreign | (held.keys() - ours.keys()))

    def pods_of(self, key: Key) -> tuple[Manifest, ...]:
        """Pods that carry the service's label, oldest first."""
        pods = self._pods.get(key, {}).values()
        return tuple(sorted(pods, key=lambda p: (p["metadata"].get("creationTimestamp", ""), p["metadata"]["name"])))

    def keys(self) -> Iterator[Key]:
        """Every InferenceService, and every name that a TrainedModel waits for."""
        yield from set(self.services) | {key for key, models in self._models_of.items() if models}


def _place(body: Manifest) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _version(body: Manifest) -> int | None:
    """Resource versions of one resource are numbers that grow (Kubernetes KEP-5504); None when there is none."""
    text = body["metadata"].get("resourceVersion")
    return int(text) if text else None


def _gist(child: Manifest) -> Manifest:
    """What of a child concerns its service: only a Deployment's status, and no bookkeeping of the API server."""
    meta = {part: v for part, v in child["metadata"].items() if part not in ("resourceVersion", "managedFields")}
    parts = {part: v for part, v in child.items() if part != "status" or child["kind"] == "Deployment"}
    return parts | {"metadata": meta}


def _uses_runtimes(service: Parsed[InferenceService]) -> bool:
    return service.value is None or service.value.spec.predictor.effective_model() is not None
