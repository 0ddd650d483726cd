"""How one server is to run; parsed once, by `cli` or the SDK."""

from dataclasses import dataclass
from pathlib import Path

from mooring_api import names
from mooring_runtime.predictor_config import PredictorConfig
from mooring_runtime.rest_api.cloud_events import Attributes
from mooring_runtime.tls import TlsFiles

EIGHT_MIB = 8 * 1024 * 1024
ONE_GIB = 1024**3
EVENT_LOOPS = ("auto", "asyncio", "uvloop")
STREAM_SHAPES = ("triton", "mlserver")
PROFILES = ("exact", "fast")
NO_PREDICTOR = PredictorConfig()
KSERVES_EVENTS = Attributes()


@dataclass(frozen=True)
class Settings:
    """Defaults are KServe's where it has the flag (spec: runtime.md section 3.1)."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
    http_port: int = names.HTTP_PORT
    """0 takes any free port."""
    grpc_port: int = names.GRPC_PORT
    enable_grpc: bool = True
    enable_docs_url: bool = False
    event_loop: str = "auto"
    """One of EVENT_LOOPS; auto is uvloop."""
    configure_logging: bool = True
    log_config_file: str | None = None
    """A json, yaml or ini file for Python's logging; ours when None."""
    enable_latency_logging: bool = True
    """Whether models of user code log what each of their handlers took."""
    access_log_format: str | None = None
    """None writes no access log."""
    timeout_keep_alive_s: int = 65
    """Longer than the idle timeout of the proxies in front."""
    client_timeout_s: int = 30
    """How long a client may take to send a request's headers, and may pause within its body."""
    max_body_bytes: int = ONE_GIB
    """How long a REST request's body may be, decompressed."""
    grpc_max_send_message_length: int = EIGHT_MIB
    grpc_max_receive_message_length: int = EIGHT_MIB
    grpc_stream_shape: str = "triton"
    """How ModelStreamInfer answers unless a call says so: "triton" wraps every answer, "mlserver" does not."""
    max_threads: int = 4
    """Threads of the gRPC server; handlers of models never run in them."""
    max_asyncio_workers: int | None = None
    """Threads of the default executor of a model's loop; None is min(32, CPU limit + 4)."""
    model_name: str = "model"
    model_dir: Path = Path(names.MODEL_DIR)
    multi_model: bool = False
    strict_readiness: bool | None = None
    """Whether to be ready only while every model that should be loaded is; None: unless models come and go."""
    device: str = "auto"
    profile: str = "exact"
    """How models from files compute: "exact" as their authors do, "fast" as `backends.fast` says."""
    workers: int = 1
    """Processes that serve, each with a copy of every model."""
    concurrency: int | None = None
    """Batches, or calls of user code, of one model that run at once in one process; None is the model's own default."""
    worker_timeout_s: int = 30
    """How long a worker's event loop may stand still before the worker is ended and replaced."""
    shares_ports: bool = False
    """Whether other processes listen on the same ports: so in a worker, and no flag's to say."""
    max_waiting: int = 256
    """Requests that may wait for one model."""
    max_queue_delay_ms: float = 0.0
    """How long a batch that is not full may wait for more rows."""
    lame_duck_s: float = 1.0
    """How long a server that is told to stop still accepts: endpoints are withdrawn while it is told."""
    grace_period_s: int = 30
    """How long requests in flight may take after that."""
    tls: TlsFiles | None = None
    """Serve REST by TLS with these."""
    predictor: PredictorConfig = NO_PREDICTOR
    """What this server stands in front of, if anything."""
    trace_exporters: tuple[str, ...] | None = ()
    """Names of OpenTelemetry's exporters, as `tracing.trace_exporters` tells; None traces nothing at all."""
    events: Attributes = KSERVES_EVENTS
    """What answers to CloudEvents say of themselves."""
