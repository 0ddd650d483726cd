"""The operator's configuration, parsed once into a frozen value.

Source: one YAML/JSON document, the `config.yaml` key of the chart's ConfigMap (the `config:` block of its values),
mounted as a file. Errors name the key. Nothing else reads the environment or files.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

_PLACEHOLDERS = frozenset({"{name}", "{namespace}", "{domain}"})


class InvalidSettings(ValueError):
    """The configuration is wrong; the message lists every wrong key with its fault."""


class _Block(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class Ingress(_Block):
    """Routes from outside."""

    enabled: bool = True
    """Whether Ingress objects are made."""
    class_name: str | None = None
    """ingressClassName; empty for the cluster's default class."""
    domain: str = Field(default="example.com", min_length=1)
    """Domain of the services."""
    domain_template: str = "{name}.{namespace}.{domain}"
    """Host of a service; {name}, {namespace} and {domain} are filled in."""
    url_scheme: Literal["http", "https"] = "http"
    """Scheme of status.url."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of every Ingress."""

    @field_validator("domain_template")
    @classmethod
    def _has_known_placeholders(cls, template: str) -> str:
        if set(re.findall(r"{[^}]*}?", template)) - _PLACEHOLDERS or "{name}" not in template:
            raise ValueError("must hold {name}, may hold {namespace} and {domain}, and nothing else in braces")
        return template


class Resources(_Block):
    """Requests and limits of a container."""

    requests: dict[str, str] = Field(default_factory=dict)
    """Requested resources."""
    limits: dict[str, str] = Field(default_factory=dict)
    """Limits."""


class Sidecar(_Block):
    """An image of ours in users' pods."""

    image: str = "mooring/agent:0.1.0"
    """The image."""
    image_pull_policy: str = "IfNotPresent"
    """Pull policy."""
    resources: Resources = Resources(requests={"cpu": "10m", "memory": "64Mi"}, limits={"cpu": "1", "memory": "1Gi"})
    """Requests and limits."""


class Predictor(_Block):
    """Defaults of custom predictor containers."""

    resources: Resources = Resources()
    """Requests and limits of a custom container that gives none."""


class Settings(_Block):
    """All of it."""

    ingress: Ingress = Ingress()
    """Routes from outside."""
    agent: Sidecar = Sidecar()
    """The agent sidecar."""
    storage_initializer: Sidecar = Sidecar(
        resources=Resources(requests={"cpu": "10m", "memory": "64Mi"}, limits={"cpu": "1", "memory": "1Gi"})
    )
    """The init container that fetches a single model."""
    predictor: Predictor = Predictor()
    """Defaults of custom predictor containers."""
    s3: dict[str, str] = Field(default_factory=dict)
    """Cluster-wide S3 settings under a secret's own: endpoint, region, useHttps, verifySSL, useVirtualBucket,
    useAnonymousCredential, useAccelerate, caBundle."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment added to the agent and the storage-initializer, for example STORAGE_EMULATOR_HOST or HTTPS_PROXY."""
    workers: int = Field(default=8, ge=1, le=64)
    """Keys that are reconciled at once."""
    resync_s: float = Field(default=600.0, gt=0)
    """Seconds after which a key is looked at again even if nothing rang."""

    @classmethod
    def parse(cls, document: object) -> "Settings":
        """Settings from a parsed document (None and an empty mapping mean the defaults).

        Raises:
            InvalidSettings: names every wrong key.
        """
        try:
            return cls.model_validate(document if document is not None else {})
        except ValidationError as exc:
            faults = "; ".join(_fault(error) for error in exc.errors(include_url=False))
            raise InvalidSettings(f"operator configuration: {faults}") from exc


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the document"
    hint = " (unknown key)" if error["type"] == "extra_forbidden" else f": {error['msg']}, not {error['input']!r}"
    return f"{where}{hint}"
