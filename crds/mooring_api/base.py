"""What every contract type shares: camelCase on the wire, frozen values, docstrings that become `kubectl explain`."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A frozen value; Python names are snake_case, wire names camelCase, unknown wire fields are dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def to_wire(self) -> dict[str, Any]:
        """The JSON-ready form: wire names, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class CelRule:
    """A rule that the API server checks (Common Expression Language), and what it tells who breaks it."""

    rule: str
    """The expression; `self` is the value, `oldSelf` the one that is there already."""
    message: str
    """What is wrong and what to do about it."""
    field_path: str | None = None
    """The field to blame, relative to the value that the rule stands on, for example `.maxReplicas`."""

    def to_wire(self) -> dict[str, Any]:
        """One entry of `x-kubernetes-validations`."""
        path = {"fieldPath": self.field_path} if self.field_path else {}
        return {"rule": self.rule, "message": self.message, **path}


def cel(*rules: CelRule) -> dict[str, Any]:
    """`rules` as the `json_schema_extra` of a model or field; a subclass that gives its own must repeat these."""
    return {"x-kubernetes-validations": [rule.to_wire() for rule in rules]}


BY_TYPE: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
"""`json_schema_extra` of a list of conditions: one of each type, merged by it."""

PassThrough = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""An object of Kubernetes' own API that we hand on as it is; the API server checks it where it is used."""

PassThroughList = Annotated[
    list[dict[str, Any]],
    WithJsonSchema(
        {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    ),
]
"""A list of such objects."""

Containers = Annotated[
    list[dict[str, Any]],
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": 64,
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 63, "description": "Name of the container."}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
    ),
]
"""A list of `core/v1.Container` objects: rules may speak of their names, the rest is handed on."""

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
"""The Kubernetes resource quantity, as apimachinery's generated schemas spell it."""


def _number_to_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    BeforeValidator(_number_to_text),
    Field(pattern=QUANTITY_PATTERN),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "x-kubernetes-int-or-string": True,
        }
    ),
]
"""A resource quantity such as `256Mi` or `1`; a bare number is read as text."""


class Condition(ApiModel):
    """One observed aspect of an object, in the shape KServe writes (knative `apis.Condition`)."""

    type: str
    """Name of the aspect, in CamelCase."""
    status: str = Field(pattern="^(True|False|Unknown)$")
    """True, False or Unknown."""
    severity: str | None = None
    """Empty when Ready depends on it; Info when it only informs."""
    last_transition_time: str | None = None
    """When status last changed (RFC 3339)."""
    reason: str | None = None
    """One CamelCase word for programs."""
    message: str | None = None
    """What is the matter and what to do about it, for people."""
