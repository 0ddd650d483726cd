"""What the agent is told: flags (KServe's names and defaults, `cmd/agent/main.go`) and environment, parsed once.

The storage environment is what KServe's credential secrets produce (spec: kserve-agent section 3.1). Nothing else
in the agent reads the environment; SDKs read their own variables where a credential chain is theirs (web identity).
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mooring_agent.errors import InvalidSettings
from mooring_agent.plan import Backoff
from mooring_api import names


@dataclass(frozen=True)
class S3Settings:
    """How S3 is reached; None leaves the choice to the SDK's own chain."""

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    is_anonymous: bool = False
    addressing: str = "auto"
    """botocore's addressing_style: auto, path or virtual."""
    use_accelerate: bool = False
    verify: bool | str = True
    """Whether certificates are checked, or the file of the authorities to trust."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "S3Settings":
        """From the variables that KServe's secrets and annotations become."""
        endpoint = _s3_endpoint(environ)
        virtual = environ.get("S3_USER_VIRTUAL_BUCKET")
        by_default = "path" if endpoint else "auto"
        is_verified = _is_true(environ.get("S3_VERIFY_SSL", "1"))
        return cls(
            endpoint=endpoint,
            region=environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or None,
            access_key=environ.get("AWS_ACCESS_KEY_ID") or None,
            secret_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
            session_token=environ.get("AWS_SESSION_TOKEN") or None,
            is_anonymous=_is_true(environ.get("awsAnonymousCredential", "")),
            addressing=by_default if not virtual else "virtual" if _is_true(virtual) else "path",
            use_accelerate=_is_true(environ.get("S3_USE_ACCELERATE", "")),
            verify=(environ.get("AWS_CA_BUNDLE") or True) if is_verified else False,
        )


@dataclass(frozen=True)
class GcsSettings:
    """How Google Cloud Storage is reached."""

    emulator: str | None = None
    """URL of an emulator; it is spoken to without credentials."""
    credentials_file: Path | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "GcsSettings":
        """From the SDK's own variables; an emulator without scheme means http."""
        emulator = environ.get("STORAGE_EMULATOR_HOST") or None
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        file = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        return cls(emulator, Path(file) if file else None)


@dataclass(frozen=True)
class HttpSettings:
    """How http(s) sources are reached."""

    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Host name -> headers sent to it."""
    ca_file: str | None = None
    """File of the authorities to trust; None for the system's."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "HttpSettings":
        """From `<host>-headers` (a JSON object of headers) and the usual names of a CA bundle.

        Raises:
            InvalidSettings: a `<host>-headers` variable is no JSON object.
        """
        suffix = "-headers"
        headers = {
            name.removesuffix(suffix).lower(): _headers(name, text)
            for name, text in environ.items()
            if name.endswith(suffix)
        }
        ca_file = environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE") or None
        return cls(headers, ca_file)


@dataclass(frozen=True)
class StorageSettings:
    """How every kind of storage is reached."""

    s3: S3Settings = S3Settings()
    gcs: GcsSettings = GcsSettings()
    http: HttpSettings = HttpSettings()
    pvc_dir: Path = Path(names.PVC_DIR)
    """Where claims are mounted, one folder each."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], pvc_dir: Path = Path(names.PVC_DIR)) -> "StorageSettings":
        """From the environment.

        Raises:
            InvalidSettings: names the variable.
        """
        return cls(
            S3Settings.from_environ(environ),
            GcsSettings.from_environ(environ),
            HttpSettings.from_environ(environ),
            pvc_dir,
        )


@dataclass(frozen=True)
class Settings:
    """Everything the agent is told."""

    host: str = "0.0.0.0"  # noqa: S104 - the operator and kubelet reach the agent by the pod's address
    port: int = names.AGENT_PORT
    component_port: int = names.HTTP_PORT
    is_pulling: bool = True
    config_dir: Path = Path(names.CONFIG_DIR)
    model_dir: Path = Path(names.MODEL_DIR)
    max_downloads: int = 4
    max_loads: int = 4
    load_timeout_s: float = 600.0
    config_poll_s: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)
    storage: StorageSettings = field(default_factory=StorageSettings)

    @classmethod
    def parse(cls, argv: Sequence[str], environ: Mapping[str, str]) -> "Settings":
        """From the command line (without the program's name) and the environment.

        Raises:
            InvalidSettings: names the flag or variable.
        """
        given = _parser().parse_args(argv)
        return cls(
            host=given.host,
            port=given.port,
            component_port=given.component_port,
            is_pulling=given.enable_puller,
            config_dir=given.config_dir,
            model_dir=given.model_dir,
            max_downloads=given.max_downloads,
            max_loads=given.max_loads,
            load_timeout_s=given.load_timeout,
            config_poll_s=given.config_poll,
            backoff=Backoff(given.retry_first, given.retry_max),
            storage=StorageSettings.from_environ(environ, given.pvc_dir),
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidSettings(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mooring-agent", description="Keeps the models of one pod as models.json says.")
    add = parser.add_argument
    add("--host", default=Settings.host, help="address to listen on")
    add("--port", type=_port, default=Settings.port, help="port of status, probes and metrics; 0 picks a free one")
    add("--component-port", type=_port, default=Settings.component_port, help="HTTP port of the model server")
    add(
        "--enable-puller",
        type=_flag,
        nargs="?",
        const=True,
        default=True,
        help="follow the model list (=false: do not)",
    )
    add("--config-dir", type=Path, default=Settings.config_dir, help="folder that holds models.json")
    add("--model-dir", type=Path, default=Settings.model_dir, help="folder that the model server reads")
    add("--pvc-dir", type=Path, default=Path(names.PVC_DIR), help="folder of the mounted claims")
    add("--max-downloads", type=_positive_int, default=Settings.max_downloads, help="models fetched at once")
    add("--max-loads", type=_positive_int, default=Settings.max_loads, help="load calls at once")
    add("--load-timeout", type=_positive, default=Settings.load_timeout_s, help="seconds that one load may take")
    add("--config-poll", type=_positive, default=Settings.config_poll_s, help="seconds between looks at the model list")
    add("--retry-first", type=_positive, default=Backoff.first_s, help="seconds before the first retry; doubles")
    add("--retry-max", type=_positive, default=Backoff.cap_s, help="most seconds between retries")
    return parser


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return _is_true(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _is_true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes"}


def _s3_endpoint(environ: Mapping[str, str]) -> str | None:
    """AWS_ENDPOINT_URL is complete; S3_ENDPOINT is a host, and S3_USE_HTTPS=0 means http."""
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or environ.get("S3_ENDPOINT")
    if not endpoint or "://" in endpoint:
        return endpoint or None
    return f"{'https' if _is_true(environ.get('S3_USE_HTTPS', '1')) else 'http'}://{endpoint}"


def _headers(name: str, text: str) -> dict[str, str]:
    try:
        headers = json.loads(text)
    except ValueError as exc:
        raise InvalidSettings(f"environment variable {name} is not JSON: {exc}") from exc
    if not isinstance(headers, dict):
        raise InvalidSettings(f"environment variable {name} is not a JSON object of headers")
    return {str(key): str(value) for key, value in headers.items()}
