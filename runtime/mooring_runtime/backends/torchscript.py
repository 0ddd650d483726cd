"""TorchScript archives (torch.jit.save). Their own reader unpickles no Python objects, so loading one runs no code."""

from pathlib import Path

import torch

from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.program import Program, ProgramBackend
from mooring_runtime.errors import ModelLoadFailed


def load(path: Path, settings: ModelSettings, device: torch.device) -> ProgramBackend:
    """Load an archive onto `device`.

    Raises:
        ModelLoadFailed: it is corrupt, or made by an incompatible torch.
    """
    try:
        module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call] # torch's own
    except (RuntimeError, ValueError, OSError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelLoadFailed(
            f"{path.name} is not a TorchScript archive that torch {torch.__version__} can read: {reason}.",
            "Save it again with torch.jit.save and upload it whole.",
        ) from exc
    module.eval()
    arguments = tuple(argument.name for argument in module.forward.schema.arguments[1:])
    return ProgramBackend(Program(module, arguments, "pytorch_torchscript"), settings, device)
