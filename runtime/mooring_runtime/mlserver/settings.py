"""MLServer's settings: `settings.json`, `model-settings.json`, and the variables MLSERVER_* and MLSERVER_MODEL_*.

What a file says goes before the environment, and that before the defaults (spec: runtime.md section 4.2). Only what has
an effect here is a field; `no_effect` knows the rest.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from mooring_runtime.errors import ServingError
from mooring_runtime.mlserver import no_effect
from mooring_runtime.mlserver.no_effect import without_effect
from mooring_runtime.mlserver.types import MetadataTensor

SETTINGS_FILE = "settings.json"
MODEL_SETTINGS_FILE = "model-settings.json"
PREFIX = "MLSERVER_"
MODEL_PREFIX = "MLSERVER_MODEL_"
_STRUCTURED = frozenset({"parameters", "inputs", "outputs", "versions", "extra", "cors_settings"})
"""Fields whose variables hold JSON."""


class SettingsError(ServingError):
    """A settings file or variable is wrong; the text names it."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=(), validate_default=False)

    @classmethod
    def variables(cls, prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
        """The fields that the environment sets; an empty variable sets nothing.

        Raises:
            SettingsError: a variable that must hold JSON does not.
        """
        found: dict[str, Any] = {}
        for field in cls.model_fields:
            variable = f"{prefix}{field.upper()}"
            text = environ.get(variable)
            if not text:
                continue
            try:
                found[field] = json.loads(text) if field in _STRUCTURED else text
            except ValueError as exc:
                raise SettingsError(f"The environment variable {variable} holds no JSON: {exc}.") from None
        return found

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate; `where` is named in the error.

        Raises:
            SettingsError: a value is wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as exc:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors())
            raise SettingsError(f"{where}: {faults}.") from None


class CORSSettings(_Settings):
    """Which pages of other origins may ask from a browser; lists may hold "*"."""

    allow_origins: list[str] = []
    allow_origin_regex: str | None = None
    allow_credentials: bool = False
    allow_methods: list[str] = ["GET"]
    allow_headers: list[str] = []
    expose_headers: list[str] = []
    max_age: int = 600
    """Seconds that a browser may remember it."""


class Settings(_Settings):
    """How the server is to run."""

    debug: bool = False
    """Log at level DEBUG, and write an access log."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
    http_port: int = Field(8080, ge=0, le=65535)
    grpc_port: int = Field(8081, ge=0, le=65535)
    grpc_max_message_length: int | None = Field(None, ge=-1)
    """Bytes, in both directions; -1 is no limit."""
    load_models_at_startup: bool = True
    parallel_workers: int = 1
    """Processes that serve, each with a copy of every model; below 2, one."""
    root_path: str = ""
    """The path below which a proxy in front serves; requests may come with it or without."""
    cors_settings: CORSSettings | None = None
    gzip_enabled: bool = False
    """Compress answers of more than 500 bytes for clients that take it."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Where to tell the metrics besides the REST port."""
    metrics_endpoint: str | None = "/metrics"
    """None opens no port for metrics."""
    logging_settings: dict[str, Any] | str | None = None
    """A configuration for Python's logging, or the path of a file with one; as JSON in the variable."""
    use_structured_logging: bool = False
    """Write lines as JSON objects."""
    _without_effect: list[str] = PrivateAttr(default_factory=list)

    @property
    def without_effect(self) -> list[str]:
        """What is set, and changes nothing here."""
        return self._without_effect

    @classmethod
    def load(cls, folder: Path, environ: Mapping[str, str]) -> Self:
        """The settings for a folder of models.

        Raises:
            SettingsError: file or variable is wrong.
        """
        file = folder / SETTINGS_FILE
        document = read_document(file) if file.is_file() else {}
        settings = cls.parse(cls.variables(PREFIX, environ) | document, f"{file} or the variables {PREFIX}*")
        settings._without_effect = without_effect(no_effect.SERVER, PREFIX, environ, document)
        return settings

    @field_validator("logging_settings", mode="before")
    @classmethod
    def _json_or_path(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value


class ModelParameters(_Settings):
    """Where the model's data is, and whatever else the model wants to know."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    uri: str | None = None
    """Path or URL of the data; a relative path starts at the folder of model-settings.json."""
    version: str | None = None
    format: str | None = None
    content_type: str | None = None
    """How to decode inputs that do not say it."""
    extra: dict[str, Any] = {}


class ModelSettings(_Settings):
    """One model."""

    implementation: str
    """Import path of its class; a class stands for its path."""
    name: str = ""
    platform: str = ""
    versions: list[str] = []
    inputs: list[MetadataTensor] = []
    outputs: list[MetadataTensor] = []
    max_batch_size: int = Field(0, ge=0)
    """How many requests run through `predict` together at most; 0 and 1 are no batches."""
    max_batch_time: float = Field(0.0, ge=0)
    """Seconds that a request may wait for others; 0 is no batches."""
    parameters: ModelParameters | None = None
    _source: str | None = PrivateAttr(None)
    _without_effect: list[str] = PrivateAttr(default_factory=list)

    @property
    def without_effect(self) -> list[str]:
        """What is set, and changes nothing here."""
        return self._without_effect

    @field_validator("implementation", mode="before")
    @classmethod
    def _path_of(cls, value: object) -> object:
        return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else value

    @property
    def version(self) -> str | None:
        """The version that the parameters name."""
        return self.parameters.version if self.parameters else None

    @classmethod
    def load(cls, file: Path | None, environ: Mapping[str, str], folder: Path, name: str | None = None) -> Self:
        """The settings of one model: from its file, or from the environment alone when `file` is None.

        A `name` that is given goes before all.

        Raises:
            SettingsError: file or variable is wrong.
        """
        document = read_document(file) if file else {}
        parameters = ModelParameters.variables(MODEL_PREFIX, environ)
        parameters = {"uri": str(folder)} | parameters | (document.get("parameters") or {})
        values = {"name": folder.name} | cls.variables(MODEL_PREFIX, environ) | document
        if isinstance(values.get("parameters"), dict) and "parameters" not in document:
            parameters |= values["parameters"]  # the variable MLSERVER_MODEL_PARAMETERS
        forced = {"parameters": parameters} | ({"name": name} if name else {})
        settings = cls.parse(values | forced, f"{file or folder} or the variables {MODEL_PREFIX}*")
        settings._source = str(file) if file else None
        told = document.get("parameters") or {}
        settings._without_effect = without_effect(no_effect.MODEL, MODEL_PREFIX, environ, document, told)
        return settings


def read_document(file: Path) -> dict[str, Any]:
    """The JSON object in a settings file.

    Raises:
        SettingsError: there is none.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{file} cannot be read: {exc}.") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{file} must hold a JSON object.")
    if not isinstance(document.get("parameters") or {}, dict):
        raise SettingsError(f"{file}: parameters must be an object.")
    return document
