"""torch.export archives (torch.export.save).

torch reads parts of them by unpickling and by looking up functions that the file names, so an archive could run code.
`pt2_safety` looks at it first and refuses what needs either.
"""

from pathlib import Path

import torch
from torch.export.passes import move_to_device_pass

from mooring_api.v2 import Datatype
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.program import Program, ProgramBackend
from mooring_runtime.backends.pt2_safety import check_archive
from mooring_runtime.datatypes import datatype_of
from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.registry.servable import TensorMetadata


def load(path: Path, settings: ModelSettings, device: torch.device) -> ProgramBackend:
    """Load an archive onto `device`.

    Raises:
        ModelLoadFailed: it is corrupt, unsafe, or made by an incompatible torch.
    """
    check_archive(path)
    try:
        program = torch.export.load(str(path))
        if device.type != "cpu":  # constants and factory calls in the graph name the device that it was exported on
            program = move_to_device_pass(program, device)
        module = program.module(check_guards=False).to(device)  # guards are code; inputs are checked by shape
    except Exception as exc:  # torch's reader raises whatever its parts raise, assertions included
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelLoadFailed(
            f"{path.name} is not a torch.export archive that torch {torch.__version__} can read: {reason}.",
            "Save it again with torch.export.save, with the same version of torch, and upload it whole.",
        ) from exc
    inputs = _declared_inputs(program)
    names = tuple(tensor.name for tensor in inputs)
    return ProgramBackend(Program(module, names, "pytorch_export", inputs), settings, device)


def _declared_inputs(program: torch.export.ExportedProgram) -> tuple[TensorMetadata, ...]:
    """The program's tensor arguments; a size that it leaves open is -1."""
    user_inputs = set(program.graph_signature.user_inputs)
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in user_inputs]
    values = {node.name: node.meta.get("val") for node in placeholders}
    return tuple(
        TensorMetadata(
            name, _datatype(value.dtype), tuple(int(size) if type(size) is int else -1 for size in value.shape)
        )
        for name, value in values.items()
        if isinstance(value, torch.Tensor)
    )


def _datatype(dtype: torch.dtype) -> Datatype:
    if dtype is torch.bfloat16:
        return Datatype.BF16
    return datatype_of(torch.empty(0, dtype=dtype).numpy())
