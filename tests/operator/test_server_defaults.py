from collections.abc import Callable

import pytest

from mooring_operator.core.observed import Runtime
from mooring_operator.core.server_defaults import ServerDefaults, server_defaults

MLSERVER = {"metadata": {"annotations": {"serving.kserve.io/server-type": "mlserver"}}}


def test_mlserver_is_told_its_model_or_to_wait_for_models(runtime: Callable[..., Runtime]) -> None:
    single = server_defaults(runtime("any", **MLSERVER), "svc", "sklearn", None, has_storage=True)
    many = server_defaults(runtime("kserve-mlserver"), "svc", "unknown", None, has_storage=False)
    assert single.env_list() == [
        {"name": "MLSERVER_MODEL_NAME", "value": "svc"},
        {"name": "MLSERVER_MODEL_URI", "value": "/mnt/models"},
    ]
    assert single.labels == {"modelClass": "mlserver_sklearn.SKLearnModel"}
    assert (many.protocol, many.env, many.labels) == ("v2", {"MLSERVER_LOAD_MODELS_AT_STARTUP": "false"}, {})


def test_triton_without_storage_loads_explicitly(runtime: Callable[..., Runtime]) -> None:
    triton = runtime("kserve-tritonserver")
    assert server_defaults(triton, "svc", "onnx", None, has_storage=False).args == ("--model-control-mode=explicit",)
    assert server_defaults(triton, "svc", "onnx", None, has_storage=True).args == ()


@pytest.mark.parametrize(("protocol", "envelope"), [(None, "kserve"), ("v2", "kservev2")], ids=["default", "v2"])
def test_torchserve_gets_its_envelope(runtime: Callable[..., Runtime], protocol: str | None, envelope: str) -> None:
    made = server_defaults(runtime("kserve-torchserve"), "svc", "pytorch", protocol, has_storage=True)
    assert made.labels == {"serviceEnvelope": envelope}
    assert made.env == {"PROTOCOL_VERSION": protocol or "v1"}


def test_an_unknown_server_gets_nothing(runtime: Callable[..., Runtime]) -> None:
    assert server_defaults(runtime("mine"), "svc", "pytorch", None, has_storage=True) == ServerDefaults()
