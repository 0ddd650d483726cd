"""Where a single-model predictor's files come from: its storage URIs, read from every place that may hold one."""

from dataclasses import dataclass
from functools import lru_cache

from mooring_api import names, storage_uri
from mooring_api.v1beta1 import Predictor
from mooring_operator.core.placement import env_value
from mooring_operator.core.refusal import INVALID_STORAGE_URI, Refused

ENV_STORAGE_URI = "STORAGE_URI"


@dataclass(frozen=True)
class Source:
    """One storage URI and the folder in the model server that its files appear in."""

    uri: storage_uri.StorageUri
    mount_path: str


def sources(predictor: Predictor) -> tuple[Source, ...]:
    """The predictor's sources in the order of its specification; none for a predictor of TrainedModels.

    Raises:
        Refused: a URI cannot be fetched.
    """
    return tuple(Source(_parsed(uri), path) for uri, path in _written(predictor))


@lru_cache(maxsize=4096)
def claim_of(text: str) -> str | None:
    """The claim of a pvc:// URI; None for any other text."""
    try:
        uri = storage_uri.parse(text)
    except ValueError:
        return None
    return uri.bucket if uri.scheme == "pvc" else None


def _written(predictor: Predictor) -> list[tuple[str, str]]:
    several = [(entry.uri, entry.mount_path) for entry in predictor.storage_uris]
    model = predictor.effective_model()
    given = (env_value(container, ENV_STORAGE_URI) for container in predictor.containers or ())
    single = model.storage_uri if model else next(filter(None, given), None)
    return several + ([(single, names.MODEL_DIR)] if single else [])


def _parsed(text: str) -> storage_uri.StorageUri:
    try:
        return storage_uri.parse(text)
    except ValueError as exc:
        raise Refused(INVALID_STORAGE_URI, f"{exc}.") from exc
