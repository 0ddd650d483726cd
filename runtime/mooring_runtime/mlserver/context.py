"""Which model the code that runs now belongs to: what `mlserver.log` labels its values with, and lines of logs name."""

from contextvars import ContextVar

from mooring_runtime.mlserver.settings import ModelSettings

model_name_var: ContextVar[str] = ContextVar("model_name")
model_version_var: ContextVar[str] = ContextVar("model_version")


def enter(settings: ModelSettings) -> None:
    """From here on, in this context, the model of these settings runs. A call of a model has a context of its own."""
    model_name_var.set(settings.name)
    model_version_var.set(settings.version or "")
