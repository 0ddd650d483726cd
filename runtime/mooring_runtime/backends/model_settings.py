"""`mooring.json`: what an author may say about a model beside its file. All of it optional; so is the file itself."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mooring_api.v2 import Datatype
from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.registry.servable import TensorMetadata

FILE_NAME = "mooring.json"


class TensorSettings(BaseModel):
    """An input or output as the author declares it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """Name in requests and answers."""
    datatype: Datatype
    """Type of the elements."""
    shape: tuple[int, ...]
    """Sizes; -1 for any."""

    def metadata(self) -> TensorMetadata:
        """The same, in the words of the protocol."""
        return TensorMetadata(self.name, self.datatype, self.shape)


class ModelSettings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())

    versions: Literal["latest", "all"] | tuple[Annotated[int, Field(ge=1)], ...] = "latest"
    """Which numbered subfolders to serve, where the model has such: the newest one, all of them, or those of a list."""
    backend: str | None = None
    """`alexnet`, `torchscript` or `torch_export`; told from the file when left out."""
    model_file: str | None = None
    """The file to load, where the folder holds several."""
    inputs: tuple[TensorSettings, ...] = ()
    """Inputs in the order of the model's arguments: requests are checked against them and the model is warmed up with
    zeros of these shapes (-1 counts as 1)."""
    outputs: tuple[TensorSettings, ...] = ()
    """Names of the outputs, in order."""
    max_batch_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows of several requests that may run together. Only for models whose rows do not depend on each other, which is
    why it is 1 for programs and 32 for AlexNet."""
    max_waiting: Annotated[int, Field(ge=1)] | None = None
    """Requests that may wait before more are refused; the server's `--max_waiting` when left out."""
    max_queue_delay_ms: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """How long a batch that is not full may wait for more rows; the server's `--max_queue_delay_ms` when left out."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    """Batches that run at once; when left out 2 for AlexNet on several CPUs, else 1."""
    profile: Literal["exact", "fast"] | None = None
    """AlexNet: `exact` computes as torchvision does; `fast` in int8 or bfloat16, whichever the processor multiplies,
    on images that are scaled quickly. The server's `--profile` when left out."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 5
    """AlexNet: how many of the largest logits to answer."""
    class_names: tuple[str, ...] = ()
    """AlexNet: the classes' names by index; adds the output `class_names`."""


def read_settings(folder: Path) -> ModelSettings:
    """Read the folder's `mooring.json`; all defaults when there is none.

    Raises:
        ModelLoadFailed: it is not valid; the text names the field.
    """
    try:
        text = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return ModelSettings()
    try:
        return ModelSettings.model_validate_json(text)
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in exc.errors())
        raise ModelLoadFailed(f"{FILE_NAME} is not valid: {faults}.", "Correct it and load the model again.") from exc
