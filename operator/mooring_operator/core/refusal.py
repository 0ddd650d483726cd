"""Why an InferenceService cannot be run as it is written: raised anywhere in the pure core, caught once in `decide`."""

INVALID_PREDICTOR = "InvalidPredictorSpec"
NOT_SUPPORTED = "NotSupported"
INVALID_STORAGE_URI = "InvalidStorageUri"
RECONCILE_FAILED = "ReconcileFailed"


class Refused(ValueError):
    """The specification cannot be carried out; nothing of it is applied.

    Args:
        reason: One CamelCase word, the reason of the condition PredictorReady.
        message: What is wrong, what exists instead, and what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
