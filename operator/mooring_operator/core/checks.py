"""Whether a TrainedModel may be loaded: one ordered tuple of small pure checks.

The first check that fails names the condition, its reason, and a message that says what to do. Models are admitted
first come, first served; a model that fails is left out of models.json and looked at again on every reconcile.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from mooring_api import names, storage_uri
from mooring_api.model_config import ModelConfig, dumps
from mooring_api.quantity import format_bytes, parse_quantity
from mooring_api.v1alpha1 import ModelSpec, TrainedModel
from mooring_operator.core.observed import Parsed
from mooring_operator.core.storage_sources import claim_of

SERVICE_READY = "InferenceServiceReady"
IS_MULTI_MODEL = "IsMMSPredictor"
MEMORY_AVAILABLE = "MemoryResourceAvailable"
MODEL_LOADED = "ModelLoaded"
SERVICE_NOT_FOUND = "InferenceServiceNotFound"
MAX_LIST_BYTES = 1_000_000
"""A ConfigMap holds at most 1 MiB (Kubernetes), metadata included."""
_LISTED = 3


@dataclass(frozen=True)
class Rejection:
    """Why a model is not loaded."""

    condition: str
    """The condition that says so."""
    reason: str
    message: str


@dataclass(frozen=True)
class Host:
    """What the checks need to know of the InferenceService that a model names."""

    namespace: str
    name: str
    exists: bool = True
    refusal: str | None = None
    """Why the InferenceService cannot run; None when it can."""
    multi_model: bool = True
    memory_limit_bytes: Fraction | None = None
    """Of the model server's container; None when it has no limit."""
    missing_claims: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Admission:
    """Who may be loaded and who may not."""

    admitted: tuple[ModelConfig, ...] = ()
    """In the order of admission."""
    rejected: Mapping[str, Rejection] = field(default_factory=dict)
    """By the TrainedModel's name."""

    @property
    def claims(self) -> tuple[str, ...]:
        """PersistentVolumeClaims that the admitted models come from, sorted."""
        found = {claim_of(entry.model_spec.storage_uri) for entry in self.admitted}
        return tuple(sorted(claim for claim in found if claim))


@dataclass(frozen=True)
class Candidate:
    """A readable TrainedModel in front of the checks."""

    name: str
    spec: ModelSpec
    host: Host
    admitted: Mapping[str, ModelConfig]
    """Those that came before it, by name."""
    used_bytes: Fraction
    """The memory that they need."""
    list_bytes: int
    """The size of their entries in models.json."""


Check = Callable[[Candidate], Rejection | None]


def admit(models: tuple[Parsed[TrainedModel], ...], host: Host) -> Admission:
    """Run the checks over `models`, which are given oldest first."""
    admitted: dict[str, ModelConfig] = {}
    rejected: dict[str, Rejection] = {}
    used, listed = Fraction(), 0
    for model in models:
        name = model.meta.name
        if model.value is None:
            rejected[name] = Rejection(
                MODEL_LOADED, "InvalidSpec", f"The TrainedModel cannot be read: {model.error}. Correct its spec."
            )
            continue
        spec = model.value.spec.model
        candidate = Candidate(name, spec, host, admitted, used, listed)
        if rejection := next(filter(None, (check(candidate) for check in CHECKS)), None):
            rejected.setdefault(name, rejection)
        else:
            admitted[name] = ModelConfig(model_name=name, model_spec=spec)
            used += memory_bytes(spec.memory)
            listed += _list_bytes(name, spec)
    return Admission(tuple(admitted.values()), rejected)


# Every model is looked at on every reconcile, and few values differ.
memory_bytes = lru_cache(maxsize=4096)(parse_quantity)


def _service_exists(candidate: Candidate) -> Rejection | None:
    host = candidate.host
    if host.exists:
        return None
    return Rejection(
        SERVICE_READY,
        SERVICE_NOT_FOUND,
        f"There is no InferenceService {host.name!r} in namespace {host.namespace}; create it, or correct "
        "spec.inferenceService. The model waits for it.",
    )


def _service_can_run(candidate: Candidate) -> Rejection | None:
    host = candidate.host
    if host.refusal is None:
        return None
    return Rejection(
        SERVICE_READY, "InferenceServiceNotReady", f"InferenceService {host.name} cannot run: {host.refusal}"
    )


def _service_is_multi_model(candidate: Candidate) -> Rejection | None:
    host = candidate.host
    if host.multi_model:
        return None
    return Rejection(
        IS_MULTI_MODEL,
        "IsNotMMSPredictor",
        f"InferenceService {host.name} serves the single model of its storageUri; remove storageUri from its "
        "predictor, or name an InferenceService without one.",
    )


def _uri_can_be_fetched(candidate: Candidate) -> Rejection | None:
    try:
        storage_uri.parse(candidate.spec.storage_uri)
    except ValueError as exc:
        return Rejection(MODEL_LOADED, "InvalidStorageUri", f"{exc}. Correct spec.model.storageUri.")
    return None


def _claim_exists(candidate: Candidate) -> Rejection | None:
    claim = claim_of(candidate.spec.storage_uri)
    if claim is None or claim not in candidate.host.missing_claims:
        return None
    return Rejection(
        MODEL_LOADED,
        "StorageNotFound",
        f"There is no PersistentVolumeClaim {claim!r} in namespace {candidate.host.namespace}; create it, or correct "
        "spec.model.storageUri.",
    )


def _name_is_legal(candidate: Candidate) -> Rejection | None:
    if re.fullmatch(names.MODEL_NAME_PATTERN, candidate.name):
        return None
    return Rejection(
        MODEL_LOADED,
        "InvalidName",
        f"The name {candidate.name!r} cannot be a folder and a part of a URL: use only letters, digits, '-' and '_'. "
        "Create the TrainedModel under another name.",
    )


def _name_is_free(candidate: Candidate) -> Rejection | None:
    if candidate.name not in candidate.admitted:
        return None
    return Rejection(
        MODEL_LOADED,
        "DuplicateName",
        f"InferenceService {candidate.host.name} already has a model {candidate.name!r}; give this one another name.",
    )


def _memory_is_readable(candidate: Candidate) -> Rejection | None:
    try:
        size = memory_bytes(candidate.spec.memory)
    except ValueError as exc:
        return Rejection(MEMORY_AVAILABLE, "InvalidMemory", f"spec.model.memory: {exc}.")
    if size < 0:
        return Rejection(MEMORY_AVAILABLE, "InvalidMemory", "spec.model.memory is negative; write for example 256Mi.")
    return None


def _memory_fits(candidate: Candidate) -> Rejection | None:
    host, limit, used = candidate.host, candidate.host.memory_limit_bytes, candidate.used_bytes
    if limit is None or used + memory_bytes(candidate.spec.memory) <= limit:
        return None
    first = list(candidate.admitted.values())[:_LISTED]
    by = ", ".join(f"{entry.model_name} {entry.model_spec.memory}" for entry in first)
    more = f" and {len(candidate.admitted) - _LISTED} more" if len(candidate.admitted) > _LISTED else ""
    return Rejection(
        MEMORY_AVAILABLE,
        "MemoryResourceNotAvailable",
        f"The model needs {candidate.spec.memory}; {format_bytes(max(limit - used, Fraction()))} of the "
        f"{format_bytes(limit)} memory limit of InferenceService {host.name} is free, {format_bytes(used)} is used by "
        f"{by or 'no model'}{more}. Raise resources.limits.memory of {names.CONTAINER_MAIN}, lower spec.model.memory, "
        "or delete another TrainedModel.",
    )


def _list_has_room(candidate: Candidate) -> Rejection | None:
    if candidate.list_bytes + _list_bytes(candidate.name, candidate.spec) <= MAX_LIST_BYTES:
        return None
    return Rejection(
        MODEL_LOADED,
        "TooManyModels",
        f"The model list of InferenceService {candidate.host.name} is full (1 MB); use a further InferenceService.",
    )


def _list_bytes(name: str, spec: ModelSpec) -> int:
    return len(dumps([ModelConfig(model_name=name, model_spec=spec)]).encode())


CHECKS: tuple[Check, ...] = (
    _service_exists,
    _service_can_run,
    _service_is_multi_model,
    _uri_can_be_fetched,
    _claim_exists,
    _name_is_legal,
    _name_is_free,
    _memory_is_readable,
    _memory_fits,
    _list_has_room,
)
"""In this order."""
