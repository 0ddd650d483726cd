"""What a tensor of MLServer's holds."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from pydantic import PrivateAttr, RootModel

from mooring_runtime.infer_tensor import InferTensor


class TensorData(RootModel[Any]):
    """The elements of a tensor: a list, flat or nested.

    Of a tensor that came as raw bytes, or was encoded from an array, the list is made when somebody first reads it.
    """

    _tensor: InferTensor | None = PrivateAttr(None)

    @classmethod
    def of(cls, tensor: InferTensor) -> "TensorData":
        """The elements of `tensor`, which nobody may change any more."""
        data = cls.model_construct(None)
        del data.__dict__["root"]  # `__getattr__` is asked for what is not there
        data._tensor = tensor
        return data

    @property
    def tensor(self) -> InferTensor | None:
        """What the elements are read from, for an array without a list between; None once the list was read.

        From then on the list counts: the model may have written into it.
        """
        return None if "root" in self.__dict__ else self._tensor

    def __getattr__(self, name: str) -> Any:
        if name == "root" and self._tensor is not None:
            self.__dict__["root"] = self._tensor.data
            return self.__dict__["root"]
        return super().__getattr__(name)  # type: ignore[misc] # pydantic hides its own from type checkers

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # the elements, as MLServer's, not pydantic's fields
        return iter(self.root)

    def __getitem__(self, index: int) -> Any:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorData) and bool(self.root == other.root)

    __hash__ = None  # type: ignore[assignment] # mutable

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "TensorData":
        return TensorData(deepcopy(self.root, memo))

    def __reduce__(self) -> tuple[type["TensorData"], tuple[Any]]:
        return TensorData, (self.root,)
