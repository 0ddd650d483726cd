"""Where a transformer or explainer finds the predictor that it stands in front of."""

from dataclasses import dataclass
from enum import StrEnum


class PredictorProtocol(StrEnum):
    """What a predictor speaks."""

    REST_V1 = "v1"
    REST_V2 = "v2"
    GRPC_V2 = "grpc-v2"


PROTOCOLS = tuple(protocol.value for protocol in PredictorProtocol)


@dataclass(frozen=True)
class PredictorConfig:
    """Names and defaults are KServe's (spec: runtime.md section 3.6)."""

    predictor_host: str | None = None
    """HOST or HOST:PORT; None when there is no predictor."""
    predictor_protocol: str = PredictorProtocol.REST_V1.value
    predictor_use_ssl: bool = False
    predictor_request_timeout_seconds: int = 600
    predictor_request_retries: int = 0
    predictor_health_check: bool = False
    """Whether to be ready only while the predictor is."""

    @property
    def predictor_base_url(self) -> str:
        """The root of its REST API."""
        return f"{'https' if self.predictor_use_ssl else 'http'}://{self.predictor_host}"

    @property
    def protocol(self) -> str:
        """Short for `predictor_protocol`."""
        return self.predictor_protocol

    @property
    def timeout(self) -> int:
        """Short for `predictor_request_timeout_seconds`."""
        return self.predictor_request_timeout_seconds

    @property
    def retries(self) -> int:
        """Short for `predictor_request_retries`."""
        return self.predictor_request_retries

    @property
    def use_ssl(self) -> bool:
        """Short for `predictor_use_ssl`."""
        return self.predictor_use_ssl
