"""MLServer's functions for models, under the name that its users import."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from mooring_runtime.mlserver.errors import InvalidModelURI
from mooring_runtime.mlserver.settings import ModelSettings
from mooring_runtime.mlserver.types import InferenceRequest, InferenceResponse, Parameters


async def get_model_uri(settings: ModelSettings, wellknown_filenames: Sequence[str] = ()) -> str:
    """Where the model's data is: a URL as it stands, or an absolute path.

    Args:
        settings: Of the model.
        wellknown_filenames: Looked for, in this order, where the settings name a folder.

    Raises:
        InvalidModelURI: the settings name nothing, or what is not there.
    """
    uri = settings.parameters.uri if settings.parameters else None
    if not uri:
        raise InvalidModelURI(settings.name)
    url = urlsplit(uri)
    if url.scheme not in ("", "file"):
        return uri
    return _existing(settings, unquote(url.path) if url.scheme else uri, wellknown_filenames)


def _existing(settings: ModelSettings, uri: str, wellknown_filenames: Sequence[str]) -> str:
    path = Path(to_absolute_path(settings, uri))
    if path.is_dir():
        return str(next((path / name for name in wellknown_filenames if (path / name).is_file()), path))
    if not path.is_file():
        raise InvalidModelURI(settings.name, str(path))
    return str(path)


def to_absolute_path(settings: ModelSettings, uri: str) -> str:
    """A path; a relative one starts at the folder of the model's settings file, where it has one."""
    start = Path(settings._source).parent if settings._source else Path()
    return str((start / uri).resolve()) if not Path(uri).is_absolute() else uri


def generate_uuid() -> str:
    """A new request id."""
    return str(uuid4())


def insert_headers(inference_request: InferenceRequest, headers: dict[str, str]) -> InferenceRequest:
    """The request, with `headers` among its parameters in place of what was there."""
    inference_request.parameters = inference_request.parameters or Parameters()
    inference_request.parameters.headers = headers
    return inference_request


def extract_headers(inference_response: InferenceResponse) -> dict[str, str] | None:
    """The headers among the response's parameters, taken out of them; None when there are none."""
    parameters = inference_response.parameters
    if parameters is None or parameters.headers is None:
        return None
    headers, parameters.headers = parameters.headers, None
    return headers
