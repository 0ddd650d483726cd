"""Compiled programs, TorchScript or torch.export: tensors in, tensors out, names from the file or `mooring.json`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from mooring_api.v2 import Datatype
from mooring_runtime.backends.base import Job, TypedArray, batch_key, holds_long_lists
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.torch_setup import from_torch, to_torch, use_threads
from mooring_runtime.datatypes import NUMPY_TYPES
from mooring_runtime.errors import InferenceError, InvalidInput
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from mooring_runtime.registry.servable import ModelMetadata, TensorMetadata


@dataclass(frozen=True)
class Program:
    """What a file gives."""

    call: Callable[..., Any]
    arguments: tuple[str, ...]
    """Names of the positional arguments."""
    platform: str
    inputs: tuple[TensorMetadata, ...] = ()
    """What the file itself declares; `mooring.json` goes before it."""


class ProgramBackend:
    """Runs a program on one device."""

    concurrency = 1

    def __init__(self, program: Program, settings: ModelSettings, device: torch.device) -> None:
        self._program = program
        self._device = device
        self._output_names = tuple(output.name for output in settings.outputs)
        declared = tuple(tensor.metadata() for tensor in settings.inputs)
        self.max_batch_rows = settings.max_batch_rows or 1
        self.metadata = ModelMetadata(
            program.platform, declared or program.inputs, tuple(tensor.metadata() for tensor in settings.outputs)
        )

    def is_heavy(self, request: InferRequest) -> bool:
        """Where lists are to be read; other tensors are views of the request."""
        return holds_long_lists(request)

    def prepare(self, request: InferRequest) -> Job:
        """Order the inputs as the program's arguments, by name where all names are known, and check them.

        Raises:
            InvalidInput: a wrong number of inputs, or one that is not as declared.
        """
        inputs = self._ordered(request.inputs)
        for position, tensor in enumerate(inputs):
            if position < len(self.metadata.inputs):
                _check(tensor, self.metadata.inputs[position])
        arrays = tuple(TypedArray(tensor.datatype, tensor.as_numpy()) for tensor in inputs)
        key, rows = batch_key(request, arrays) if self.max_batch_rows > 1 else (None, 1)
        return Job(request, arrays, key, rows)

    def _ordered(self, inputs: Sequence[InferInput]) -> Sequence[InferInput]:
        arguments = self._program.arguments
        if not inputs or len(inputs) > len(arguments):
            takes = f"{len(arguments)} input{'s' * (len(arguments) != 1)} ({', '.join(arguments)})"
            raise InvalidInput(f"the model takes {takes}, the request has {len(inputs)}")
        for names in ([tensor.name for tensor in self.metadata.inputs], arguments):
            by_name = {tensor.name: tensor for tensor in inputs}
            if by_name.keys() == set(names):
                return [by_name[name] for name in names]
        return inputs

    def use_cpus(self, count: int) -> None:
        """As torch's threads of this thread."""
        use_threads(count)

    def forward(self, inputs: Sequence[TypedArray]) -> tuple[TypedArray, ...]:
        """Run the program."""
        with torch.inference_mode():
            result = self._program.call(*(to_torch(tensor, self._device) for tensor in inputs))
        return tuple(_typed(name, value) for name, value in _named(result))

    def finish(self, job: Job, outputs: tuple[TypedArray, ...]) -> list[InferOutput]:
        """Name the outputs and keep those that the client asked for."""
        names = [self._output_name(index, output.name) for index, output in enumerate(outputs)]
        every = {
            name: InferOutput.from_numpy(name, output.array, output.datatype)
            for name, output in zip(names, outputs, strict=True)
        }
        return requested(every, job.request)

    def _output_name(self, index: int, own: str) -> str:
        return self._output_names[index] if index < len(self._output_names) else own or f"output-{index}"

    def from_v1(self, body: Any) -> InferRequest:
        """Read `{"instances": [...]}` as one tensor of the first input's type (FP32 when it declares none).

        Raises:
            InvalidInput: instances are missing, ragged or not numbers.
        """
        instances = body.get("instances") if isinstance(body, dict) else None
        if not isinstance(instances, list):
            raise InvalidInput('Expected "instances" to be a list')
        declared = self.metadata.inputs[0] if self.metadata.inputs else TensorMetadata("input-0", Datatype.FP32, ())
        try:
            array = np.asarray(instances, dtype=NUMPY_TYPES[Datatype(declared.datatype)])
        except (ValueError, TypeError, OverflowError):
            raise InvalidInput("instances are ragged or hold values that are not numbers") from None
        return InferRequest("", [InferInput(declared.name, array.shape, declared.datatype, data=array)])

    def to_v1(self, response: InferResponse) -> Any:
        """Write `{"predictions": [...]}`: one row per instance, by output name where there are several outputs."""
        outputs = {output.name: output.as_numpy().tolist() for output in response.outputs}
        return {"predictions": next(iter(outputs.values())) if len(outputs) == 1 else outputs}

    def warm_up(self) -> None:
        """Run on zeros twice, which is when TorchScript's profiling executor has compiled; needs declared inputs.

        Programs may refuse zeros of guessed sizes (-1 taken as 1); a warm-up that fails is not a failed load.
        """
        if not self.metadata.inputs:
            return
        arrays = [
            TypedArray(
                Datatype(tensor.datatype),
                np.zeros([max(size, 1) for size in tensor.shape], NUMPY_TYPES[Datatype(tensor.datatype)]),
            )
            for tensor in self.metadata.inputs
        ]
        for _ in range(2):
            try:
                self.forward(arrays)
            except (RuntimeError, ValueError, InvalidInput, InferenceError):
                return


def requested(every: Mapping[str, InferOutput], request: InferRequest) -> list[InferOutput]:
    """The outputs that the client asked for, in its order; all when it did not say.

    Raises:
        InvalidInput: it asked for one that is not there.
    """
    if not request.request_outputs:
        return list(every.values())
    for wish in request.request_outputs:
        if wish.name not in every:
            raise InvalidInput(f"Unexpected inference output '{wish.name}' for model '{request.model_name}'")
    return [every[wish.name] for wish in request.request_outputs]


def _check(tensor: InferInput, declared: TensorMetadata) -> None:
    if tensor.datatype != declared.datatype:
        raise InvalidInput(f"input '{tensor.name}': datatype must be {declared.datatype}, got {tensor.datatype}")
    fits = len(tensor.shape) == len(declared.shape) and all(
        want in (-1, got) for want, got in zip(declared.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidInput(f"input '{tensor.name}': shape must be {list(declared.shape)}, got {list(tensor.shape)}")


def _named(result: Any) -> list[tuple[str, Any]]:
    """What a program answered: a tensor, a sequence of tensors, or a dict of them, which alone has names."""
    if isinstance(result, Mapping):
        return [(str(name), value) for name, value in result.items()]
    return [("", value) for value in (result if isinstance(result, list | tuple) else [result])]


def _typed(name: str, value: Any) -> TypedArray:
    if not isinstance(value, torch.Tensor):
        raise InferenceError(f"the model answered a {type(value).__name__}: it must answer tensors")
    return replace(from_torch(value), name=name)
