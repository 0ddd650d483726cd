"""JSON schemas (2020-12) of what goes over REST, by name: the components of the OpenAPI document; pure.

They say what is answered, and what a request must be so as not to be refused for its form. Members beside those that
are named are let through, by the server too.
"""

from typing import Any

from mooring_api.v2 import Datatype, RepositoryState

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema, **more: Any) -> Schema:
    """A list of `items`."""
    return {"type": "array", "items": items, **more}


def record(required: Schema, optional: Schema | None = None, description: str = "") -> Schema:
    """An object with members that are always there, and others that may be."""
    told = {"description": description} if description else {}
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required), **told}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PARAMETERS: Schema = {"type": "object", "description": "Values by name."}
DATA: Schema = array({}, description="The elements in row-major order; `null` is NaN.")
SHAPE: Schema = array(COUNT, maxItems=32)
DECLARED_SHAPE: Schema = array({"type": "integer", "minimum": -1}, description="-1 stands for any size.")


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


_TENSOR = {"name": TEXT, "shape": SHAPE, "datatype": ref("Datatype")}
_TALLY = record({"count": COUNT, "ns": COUNT})

_INFERENCE: dict[str, Schema] = {
    "Datatype": {"type": "string", "enum": [str(datatype) for datatype in Datatype]},
    "RequestInput": record(
        _TENSOR,
        {
            "parameters": or_null(
                record({}, {"binary_data_size": COUNT}, "`binary_data_size`: bytes, behind the JSON.")
            ),
            "data": array({}, description="Flat or nested; needed unless the tensor is raw."),
        },
    ),
    "RequestedOutput": record(
        {"name": TEXT},
        {
            "parameters": or_null(
                record(
                    {},
                    {"binary_data": FLAG, "classification": COUNT},
                    "`binary_data`: whether it is to be raw. `classification`: so many of the largest, as text.",
                )
            )
        },
    ),
    "InferRequest": record(
        {"inputs": array(ref("RequestInput"))},
        {
            "id": or_null(TEXT),
            "parameters": or_null(
                record(
                    {},
                    {"binary_data_output": FLAG, "priority": COUNT, "timeout": COUNT},
                    "`binary_data_output`: raw outputs. `priority`: 1 is the most urgent. `timeout`: microseconds.",
                )
            ),
            "outputs": or_null(array(ref("RequestedOutput"))),
        },
    ),
    "ResponseOutput": record({**_TENSOR, "parameters": or_null(PARAMETERS)}, {"data": DATA}),
    "InferResponse": record(
        {
            "model_name": TEXT,
            "model_version": or_null(TEXT),
            "id": or_null(TEXT),
            "parameters": or_null(PARAMETERS),
            "outputs": array(ref("ResponseOutput")),
        },
    ),
    "GenerateRequest": record(
        {},
        {"id": {}, "parameters": or_null(PARAMETERS)},
        "Members, and those of `parameters`, are the inputs of their names where the model declares such, else "
        "parameters. Or an InferRequest.",
    ),
    "GenerateResponse": record(
        {"model_name": TEXT, "model_version": or_null(TEXT)}, description="Outputs, and parameters, by their names."
    ),
    "V1Request": {"description": "What the model takes; where there are `instances`, they are a list."},
    "V1Response": {"description": "What the model answered."},
}

_SERVER: dict[str, Schema] = {
    "Error": record({"error": TEXT}),
    "Alive": record({"status": {"const": "alive"}}),
    "ServerLive": record({"live": {"const": True}}),
    "ServerReady": record({"ready": {"const": True}}),
    "ServerMetadata": record({"name": TEXT, "version": TEXT, "extensions": array(TEXT)}),
    "LogSettings": record(
        {},
        {
            "log_verbose_level": {**COUNT, "maximum": 2**32 - 1},
            "log_info": FLAG,
            "log_warning": FLAG,
            "log_error": FLAG,
            "log_file": {"const": ""},
            "log_format": {"const": "default"},
        },
    )
    | {"additionalProperties": False},
}

_MODELS: dict[str, Schema] = {
    "ModelNames": record({"models": array(TEXT)}),
    "ModelReady": record({"name": TEXT, "ready": {"const": True}}),
    "TensorMetadata": record({"name": TEXT, "datatype": TEXT, "shape": DECLARED_SHAPE}),
    "ModelMetadata": record(
        {
            "name": TEXT,
            "versions": or_null(array(TEXT)),
            "platform": TEXT,
            "inputs": array(ref("TensorMetadata")),
            "outputs": array(ref("TensorMetadata")),
        }
    ),
    "ConfiguredTensor": record({"name": TEXT, "data_type": TEXT, "dims": DECLARED_SHAPE}),
    "ModelConfig": record(
        {
            "name": TEXT,
            "platform": TEXT,
            "max_batch_size": COUNT,
            "input": array(ref("ConfiguredTensor")),
            "output": array(ref("ConfiguredTensor")),
        }
    ),
    "ModelStatistics": record(
        {
            "model_stats": array(
                record(
                    {
                        "name": TEXT,
                        "version": TEXT,
                        "last_inference": COUNT,
                        "inference_count": COUNT,
                        "execution_count": COUNT,
                        "inference_stats": record({"success": _TALLY, "fail": _TALLY}),
                    }
                )
            )
        }
    ),
    "IndexRequest": record({}, {"ready": FLAG}, "`ready`: only models that can answer."),
    "Index": array(
        record(
            {
                "name": TEXT,
                "version": or_null(TEXT),
                "state": {"type": "string", "enum": [str(state) for state in RepositoryState]},
                "reason": TEXT,
            }
        )
    ),
    "Loaded": record({"name": TEXT, "load": {"const": True}}),
    "Unloaded": record({"name": TEXT, "unload": {"const": True}}),
}

_EXAMPLES: dict[str, Any] = {
    "Error": {"error": "Model with name cats does not exist."},
    "InferResponse": {
        "model_name": "cats",
        "model_version": "1",
        "id": "7",
        "parameters": None,
        "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "parameters": None, "data": [0.5, 1.5]}],
    },
    "GenerateResponse": {"model_name": "cats", "model_version": "1", "text_output": "Meow"},
    "ModelMetadata": {
        "name": "cats",
        "versions": ["1", "2"],
        "platform": "pytorch_torchscript",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    },
    "Index": [{"name": "cats", "version": "1", "state": "READY", "reason": ""}],
    "V1Response": {"predictions": [0.5, 1.5]},
}

SCHEMAS: dict[str, Schema] = {
    name: {**schema, "examples": [_EXAMPLES[name]]} if name in _EXAMPLES else schema
    for name, schema in {**_INFERENCE, **_MODELS, **_SERVER}.items()
}
