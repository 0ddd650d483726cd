"""From a predictor's specification to its containers: custom ones as they are, or a ServingRuntime's adjusted to the
user's wishes (spec: kserve-control-plane sections 1.3, 1.6, 2.2-2.6).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mooring_api import names
from mooring_api.v1beta1 import ModelPredictor, Predictor
from mooring_operator.core.container_shape import check_shape
from mooring_operator.core.modelmesh import MLSERVER, has_mlserver_adapter, standalone
from mooring_operator.core.observed import Manifest, Meta, Runtime
from mooring_operator.core.placeholders import fill
from mooring_operator.core.refusal import INVALID_PREDICTOR, Refused
from mooring_operator.core.runtime_choice import lowest_protocol, named_runtime, selected_runtime
from mooring_operator.core.server_defaults import ServerDefaults, server_defaults
from mooring_operator.core.strategic_merge import merge_by, merge_container, merge_pod
from mooring_operator.settings import Resources

ANNOTATION_MODEL_FORMAT = "modelFormat"
_V2_FORMATS = frozenset({"triton", "vLLM"})
_RUNTIME_POD_FIELDS = (
    "volumes",
    "node_selector",
    "affinity",
    "tolerations",
    "image_pull_secrets",
    "scheduler_name",
    "resource_claims",
    "host_ipc",
)


@dataclass(frozen=True)
class Placement:
    """The containers of a predictor before Mooring adds its own."""

    main: Manifest
    """The model server, named kserve-container."""
    sidecars: tuple[Manifest, ...]
    pod: Manifest
    """The other pod-spec fields."""
    protocol: str
    """The inference protocol that status URLs show."""
    runtime: Runtime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the runtime."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the runtime."""

    @property
    def port(self) -> int:
        """The port that the model server listens on first."""
        ports = self.main.get("ports") or [{"containerPort": names.HTTP_PORT}]
        return int(ports[0]["containerPort"])

    @property
    def http_port(self) -> int:
        """The port of its HTTP API, where models are loaded: the first port that is not named for gRPC."""
        ports = [int(p["containerPort"]) for p in self.main.get("ports") or () if not names.is_grpc_port(p.get("name"))]
        return ports[0] if ports else names.HTTP_PORT


def place(
    meta: Meta, predictor: Predictor, runtimes: Iterable[Runtime], defaults: Resources, *, has_storage: bool
) -> Placement:
    """The predictor's containers.

    Raises:
        Refused: no runtime fits, or the containers cannot be put together.
    """
    model = predictor.effective_model()
    if model is None:
        return _custom(predictor, defaults)
    return _with_runtime(meta, predictor, model, tuple(runtimes), has_storage=has_storage)


def env_value(container: Manifest, name: str) -> str | None:
    """The literal value of an environment variable; None when it is absent or comes from elsewhere."""
    for entry in container.get("env") or ():
        if entry.get("name") == name:
            value = entry.get("value")
            return None if value is None else str(value)
    return None


def _custom(predictor: Predictor, defaults: Resources) -> Placement:
    pod = predictor.pod_spec()
    main, sidecars = _split(pod.pop("containers"))
    if not main.get("resources") and (wanted := defaults.model_dump(exclude_defaults=True)):
        main = {**main, "resources": wanted}
    return Placement(main, sidecars, pod, env_value(main, "PROTOCOL") or "v2")


def _split(containers: list[Manifest]) -> tuple[Manifest, tuple[Manifest, ...]]:
    named = [index for index, container in enumerate(containers) if container.get("name") == names.CONTAINER_MAIN]
    if not named and len(containers) > 1 and containers[0].get("name"):
        raise Refused(
            INVALID_PREDICTOR,
            f"None of the predictor's {len(containers)} containers is named {names.CONTAINER_MAIN}; name the model "
            "server's so.",
        )
    at = named[0] if named else 0
    rest = tuple(container for index, container in enumerate(containers) if index != at)
    return {**containers[at], "name": names.CONTAINER_MAIN}, rest


def _with_runtime(
    meta: Meta, predictor: Predictor, model: ModelPredictor, runtimes: tuple[Runtime, ...], *, has_storage: bool
) -> Placement:
    wanted = model.model_format
    protocol = model.protocol_version or ("v2" if wanted.name in _V2_FORMATS else None)
    if model.runtime:
        runtime = named_runtime(model.runtime, wanted, protocol, meta.namespace, runtimes)
    else:
        runtime = selected_runtime(wanted, protocol, meta.namespace, runtimes, has_storage=has_storage)
    defaults = server_defaults(runtime, meta.name, wanted.name, protocol, has_storage=has_storage)
    base = _runtime_main(runtime)
    others = [container for container in runtime.spec.containers if container is not base]
    if base["name"] != names.CONTAINER_MAIN:
        base = standalone(base, meta.name, has_storage=has_storage)
    main = _merged(base, model, defaults)
    implied = replace(
        meta,
        labels={**defaults.labels, **meta.labels},
        annotations={ANNOTATION_MODEL_FORMAT: wanted.name, **meta.annotations},
    )
    own_pod = predictor.pod_spec()
    own_pod.pop("containers", None)
    return Placement(
        main=fill(_with_tag(main, model.runtime_version), implied),
        sidecars=tuple(merge_by("name", others, predictor.containers or [])),
        pod=merge_pod(_runtime_pod(runtime), own_pod),
        protocol=protocol or defaults.protocol or lowest_protocol(runtime) or "v1",
        runtime=runtime,
        labels={**(runtime.spec.labels or {}), **defaults.labels},
        annotations=runtime.spec.annotations or {},
    )


def _runtime_main(runtime: Runtime) -> Manifest:
    for container in runtime.spec.containers:
        check_shape(container, f"runtime {runtime.meta.name}")
        if not container.get("name"):
            raise Refused(INVALID_PREDICTOR, f"A container of runtime {runtime.meta.name} has no name; give it one.")
    by_name = {container["name"]: container for container in runtime.spec.containers}
    adapted = by_name.get(MLSERVER) if has_mlserver_adapter(runtime) else None
    if main := by_name.get(names.CONTAINER_MAIN) or adapted:
        return main
    raise Refused(
        INVALID_PREDICTOR,
        f"Runtime {runtime.meta.name} has no container named {names.CONTAINER_MAIN}; name its model server so.",
    )


def _merged(base: Manifest, model: ModelPredictor, defaults: ServerDefaults) -> Manifest:
    main = merge_container(base, model.container())
    if env := merge_by("name", defaults.env_list(), main.get("env") or []):
        main = {**main, "env": env}
    if defaults.args:
        main = {**main, "args": [*(main.get("args") or []), *defaults.args]}
    return main


def _runtime_pod(runtime: Runtime) -> Manifest:
    return runtime.spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_RUNTIME_POD_FIELDS))


def _with_tag(container: Manifest, tag: str | None) -> Manifest:
    image = container.get("image", "")
    if not tag or "@" in image:
        return container
    path, slash, last = image.rpartition("/")
    return {**container, "image": f"{path}{slash}{last.partition(':')[0]}:{tag}"}
