"""Which codec: by content type, by value, or by annotation."""

from typing import Any, Generic, TypeVar

from mooring_runtime.mlserver.codecs.base import Codec, InputCodec, RequestCodec

C = TypeVar("C", bound=Codec)


class Codecs(Generic[C]):
    """Codecs of one kind, in the order of their registration; each of the finders answers the first that fits."""

    def __init__(self) -> None:
        self._codecs: dict[str, type[C]] = {}

    def register(self, codec: type[C]) -> type[C]:
        """Add a codec, in the place of the one of its content type if there is one."""
        self._codecs[codec.ContentType] = codec
        return codec

    def of_content_type(self, content_type: str | None) -> type[C] | None:
        """The codec of a content type."""
        return self._codecs.get(content_type) if content_type else None

    def of_value(self, payload: Any) -> type[C] | None:
        """The codec that can encode a value."""
        return next((codec for codec in self._codecs.values() if codec.can_encode(payload)), None)

    def of_hint(self, hint: Any) -> type[C] | None:
        """The codec whose values an annotation names."""
        return next((codec for codec in self._codecs.values() if codec.is_for(hint)), None)


# The whole process's, as MLServer's: a model registers its codecs by a decorator, which knows no model.
INPUT_CODECS: Codecs[InputCodec] = Codecs()
REQUEST_CODECS: Codecs[RequestCodec] = Codecs()

I = TypeVar("I", bound=type[InputCodec])  # noqa: E741 - I and R are the two kinds
R = TypeVar("R", bound=type[RequestCodec])


def register_input_codec(codec: I) -> I:
    """A class decorator: tensors of the class's content type are decoded and encoded by it."""
    INPUT_CODECS.register(codec)
    return codec


def register_request_codec(codec: R) -> R:
    """A class decorator: requests of the class's content type are decoded and encoded by it."""
    REQUEST_CODECS.register(codec)
    return codec
