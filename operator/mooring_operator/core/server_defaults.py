"""What well-known model servers need beside what their ServingRuntime says (spec: kserve-control-plane section 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring_api import names
from mooring_operator.core.modelmesh import MLSERVER, has_mlserver_adapter
from mooring_operator.core.observed import Manifest, Runtime

ANNOTATION_SERVER_TYPE = f"{names.GROUP}/server-type"
_WELL_KNOWN = {
    "kserve-mlserver": MLSERVER,
    "kserve-tritonserver": "tritonserver",
    "kserve-torchserve": "torchserve",
}
_MLSERVER_CLASSES = {
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "mlflow": "mlserver_mlflow.MLflowRuntime",
}


@dataclass(frozen=True)
class ServerDefaults:
    """Additions below the user's own words."""

    protocol: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def env_list(self) -> list[Manifest]:
        """`env` as a container has it."""
        return [{"name": name, "value": value} for name, value in self.env.items()]


def server_defaults(
    runtime: Runtime, service: str, model_format: str, protocol: str | None, *, has_storage: bool
) -> ServerDefaults:
    """The additions for `runtime`'s server; nothing for a server that is not known."""
    server = runtime.meta.annotations.get(ANNOTATION_SERVER_TYPE) or _WELL_KNOWN.get(runtime.meta.name)
    if server == MLSERVER or (server is None and has_mlserver_adapter(runtime)):
        return _mlserver(service, model_format, has_storage=has_storage)
    if server == "tritonserver":
        return ServerDefaults("v2", args=() if has_storage else ("--model-control-mode=explicit",))
    if server == "torchserve":
        envelope = "kservev2" if protocol == "v2" else "kserve"
        return ServerDefaults("v1", {"PROTOCOL_VERSION": protocol or "v1"}, labels={"serviceEnvelope": envelope})
    return ServerDefaults()


def _mlserver(service: str, model_format: str, *, has_storage: bool) -> ServerDefaults:
    single = {"MLSERVER_MODEL_NAME": service, "MLSERVER_MODEL_URI": names.MODEL_DIR}
    env = single if has_storage else {"MLSERVER_LOAD_MODELS_AT_STARTUP": "false"}
    known = _MLSERVER_CLASSES.get(model_format)
    return ServerDefaults("v2", env, labels={"modelClass": known} if known else {})
