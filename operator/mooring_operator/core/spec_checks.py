"""What an InferenceService must satisfy before anything of it is applied (spec: kserve-control-plane section 1.4).

One ordered tuple of small checks. What KServe has and Mooring does not is refused with a clear message, never
ignored.
"""

import posixpath
import re
from collections.abc import Callable, Iterator

from mooring_api import names
from mooring_api.v1beta1 import FRAMEWORKS, InferenceServiceSpec, Predictor
from mooring_operator.core.container_shape import check_shape
from mooring_operator.core.observed import Manifest, Meta
from mooring_operator.core.placement import env_value
from mooring_operator.core.refusal import INVALID_PREDICTOR, NOT_SUPPORTED, Refused
from mooring_operator.core.storage_sources import ENV_STORAGE_URI

Check = Callable[[Meta, InferenceServiceSpec], Refused | None]
MAX_NAME = 48
"""The label value `isvc.<name>-predictor` may have 63 characters."""
_MODES = {"Standard": True, "RawDeployment": True, "Knative": False, "Serverless": False, "ModelMesh": False}
_SCALERS = {"hpa": True, "none": True, "external": True, "keda": False}
_PROTOCOLS = frozenset({"v1", "v2"})


def check_spec(meta: Meta, spec: InferenceServiceSpec) -> None:
    """Run every check in order.

    Raises:
        Refused: of the first check that fails.
    """
    for check in CHECKS:
        if refused := check(meta, spec):
            raise refused


def _name_is_legal(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    if re.fullmatch(names.SERVICE_NAME_PATTERN, meta.name) and len(meta.name) <= MAX_NAME:
        return None
    return Refused(
        "InvalidName",
        f"The name {meta.name!r} cannot be the name of a Service: use at most {MAX_NAME} lower-case letters, digits "
        "and '-', starting with a letter. Create the InferenceService under another name.",
    )


def _mode_is_known(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    mode = meta.annotations.get(names.ANNOTATION_DEPLOYMENT_MODE, "Standard")
    if _MODES.get(mode):
        return None
    return Refused(
        "DeploymentModeNotSupported" if mode in _MODES else INVALID_PREDICTOR,
        f"Annotation {names.ANNOTATION_DEPLOYMENT_MODE} says {mode!r}; Mooring runs services as Deployments: set it to "
        "Standard or remove it.",
    )


def _features_are_supported(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    predictor, model = spec.predictor, spec.predictor.effective_model()
    containers = predictor.containers or []
    used = {
        "transformer": spec.transformer is not None,
        "explainer": spec.explainer is not None,
        "canary": bool(spec.canary),
        "predictor.workerSpec": predictor.worker_spec is not None,
        "predictor.logger": predictor.logger is not None,
        "predictor.batcher": predictor.batcher is not None,
        "predictor.name": predictor.name is not None,
        "predictor.model.storage": model is not None and model.storage is not None,
        "predictor.model.confidential": model is not None and model.confidential is not None,
        f"a container named {names.CONTAINER_TRANSFORMER}": any(
            container.get("name") == names.CONTAINER_TRANSFORMER for container in containers
        ),
    }
    found = [what for what, present in used.items() if present]
    if not found:
        return None
    return Refused(
        NOT_SUPPORTED,
        f"The specification uses {', '.join(found)}, which Mooring does not run (yet). Remove it; "
        "a model's location is written as storageUri.",
    )


def _one_implementation(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    predictor = spec.predictor
    given = [name for name in ("model", *FRAMEWORKS) if getattr(predictor, name) is not None]
    containers = predictor.containers or []
    if containers and (not given or any(entry.get("name") == names.CONTAINER_MAIN for entry in containers)):
        given.append("containers")
    if len(given) == 1:
        return None
    return Refused(
        INVALID_PREDICTOR,
        f"spec.predictor gives {' and '.join(given) or 'no implementation'}; give exactly one of model, "
        f"{', '.join(FRAMEWORKS)} or containers.",
    )


def _containers_are_readable(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    for container in _containers(spec.predictor):
        try:
            check_shape(container, "spec.predictor")
        except Refused as refused:
            return refused
    listed = (spec.predictor.containers or [], spec.predictor.init_containers or [])
    unnamed = [entry for entries in listed for entry in entries if not entry.get("name")]
    alone = spec.predictor.effective_model() is None and unnamed == (spec.predictor.containers or [])[:1]
    if unnamed and not alone:
        return Refused(INVALID_PREDICTOR, "A container of spec.predictor has no name; only the first custom one may.")
    return None


def _env_is_allowed(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    for container in _containers(spec.predictor):
        label = container.get("name") or names.CONTAINER_MAIN
        if label == names.CONTAINER_AGENT:
            return Refused(INVALID_PREDICTOR, f"The container name {label!r} is Mooring's own; choose another.")
        if any(entry.get("name") == "PYTHONPATH" for entry in container.get("env") or ()):
            return Refused(INVALID_PREDICTOR, f"Container {label} sets env PYTHONPATH, which is forbidden; remove it.")
        protocol = env_value(container, "PROTOCOL")
        if protocol is not None and protocol not in _PROTOCOLS:
            return Refused(INVALID_PREDICTOR, f"Container {label} sets env PROTOCOL to {protocol!r}; use v1 or v2.")
    return None


def _containers(predictor: Predictor) -> Iterator[Manifest]:
    if model := predictor.effective_model():
        yield model.container()
    yield from predictor.containers or ()
    yield from predictor.init_containers or ()


def _replicas_make_sense(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    low, high = spec.predictor.min_replicas, spec.predictor.max_replicas
    if low is not None and high and low > high:
        return Refused(INVALID_PREDICTOR, f"minReplicas {low} is more than maxReplicas {high}; swap or correct them.")
    return None


def _autoscaler_is_supported(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    scaler = meta.annotations.get(names.ANNOTATION_AUTOSCALER_CLASS, "hpa")
    if not _SCALERS.get(scaler):
        return Refused(
            NOT_SUPPORTED if scaler in _SCALERS else INVALID_PREDICTOR,
            f"Annotation {names.ANNOTATION_AUTOSCALER_CLASS} says {scaler!r}; use hpa, external or none.",
        )
    predictor = spec.predictor
    if scaler == "hpa" and predictor.scale_metric in ("concurrency", "rps"):
        return Refused(NOT_SUPPORTED, f"scaleMetric {predictor.scale_metric} needs Knative; use cpu or memory.")
    if predictor.scale_metric_type == "Value":
        return Refused(
            INVALID_PREDICTOR, "scaleMetricType Value does not fit cpu or memory; use Utilization or AverageValue."
        )
    metrics = predictor.auto_scaling.metrics if predictor.auto_scaling else ()
    if scaler == "hpa" and any(metric.type != "Resource" or metric.resource is None for metric in metrics):
        return Refused(NOT_SUPPORTED, "autoScaling.metrics has entries that are not of type Resource; use Resource.")
    return None


def _storage_is_consistent(meta: Meta, spec: InferenceServiceSpec) -> Refused | None:
    predictor = spec.predictor
    if not predictor.storage_uris:
        return None
    model = predictor.effective_model()
    alone = model is None or model.storage_uri is None
    if not alone or any(env_value(c, ENV_STORAGE_URI) is not None for c in predictor.containers or ()):
        return Refused(INVALID_PREDICTOR, "storageUri and storageUris are both given; keep one of them.")
    paths = [posixpath.normpath(entry.mount_path) for entry in predictor.storage_uris]
    if ".." in " ".join(entry.mount_path for entry in predictor.storage_uris) or "/" in paths:
        return Refused(INVALID_PREDICTOR, "storageUris: mountPath must be a folder below / without '..'.")
    remote = [p for p, entry in zip(paths, predictor.storage_uris, strict=True) if not entry.uri.startswith("pvc://")]
    if remote and posixpath.commonpath(remote) == "/":
        return Refused(
            INVALID_PREDICTOR, f"storageUris: {', '.join(remote)} have no common folder; use one below /mnt."
        )
    claimed = [p for p, entry in zip(paths, predictor.storage_uris, strict=True) if entry.uri.startswith("pvc://")]
    if len(set(claimed)) < len(claimed) or set(claimed) & set(remote):
        return Refused(INVALID_PREDICTOR, "storageUris: two entries have the same mountPath; give each its own.")
    return None


CHECKS: tuple[Check, ...] = (
    _name_is_legal,
    _mode_is_known,
    _features_are_supported,
    _one_implementation,
    _containers_are_readable,
    _env_is_allowed,
    _replicas_make_sense,
    _autoscaler_is_supported,
    _storage_is_consistent,
)
"""In this order; the first that fails names the reason."""
