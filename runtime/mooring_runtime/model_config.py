"""A model's declaration as Triton's model configuration extension tells it; pure."""

from typing import Any

from mooring_runtime.registry.servable import ModelMetadata, TensorMetadata


def config_of(name: str, metadata: ModelMetadata) -> dict[str, Any]:
    """The configuration as its JSON form has it.

    `max_batch_size` is 0, which says that shapes are whole: requests of ours carry their first dimension as declared.
    """
    return {
        "name": name,
        "platform": metadata.platform,
        "max_batch_size": 0,
        "input": [_tensor(tensor) for tensor in metadata.inputs],
        "output": [_tensor(tensor) for tensor in metadata.outputs],
    }


def _tensor(tensor: TensorMetadata) -> dict[str, Any]:
    kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{kind}", "dims": list(tensor.shape)}
