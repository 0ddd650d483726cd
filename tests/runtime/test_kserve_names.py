"""Every name that programs import from KServe (spec: runtime.md section 3.4) is there under the launcher."""

import subprocess
import sys

import pytest

NAMES = {
    "kserve": """InferInput InferOutput InferRequest InferResponse InferenceGRPCClient
        InferenceRESTClient Model ModelRepository ModelServer PredictorConfig RESTConfig constants errors logging
        model_server utils""",
    "kserve.constants": "KSERVE_LOGLEVEL constants",
    "kserve.constants.constants": """DEFAULT_GRPC_PORT DEFAULT_HTTPS_PORT DEFAULT_HTTP_PORT EXPLAINER_BASE_URL_FORMAT
        FASTAPI_APP_IMPORT_STRING INFERENCESERVICE_CONFIG_MAP_NAME INFERENCE_CONTENT_LENGTH_HEADER KSERVE_GROUP
        KSERVE_KIND_INFERENCESERVICE KSERVE_KIND_TRAINEDMODEL KSERVE_LOGLEVEL KSERVE_MODEL_SERVER_NAME
        KSERVE_PLURAL_INFERENCESERVICE KSERVE_PLURAL_TRAINEDMODEL KSERVE_TLS_CERT_FILE_ENV KSERVE_TLS_KEY_FILE_ENV
        KSERVE_V1ALPHA1 KSERVE_V1ALPHA1_VERSION KSERVE_V1BETA1 KSERVE_V1BETA1_VERSION MAX_GRPC_MESSAGE_LENGTH
        PredictorProtocol V1_ROUTE_PREFIX V2_ROUTE_PREFIX""",
    "kserve.errors": """InferenceError InvalidInput ModelMissingError ModelNotFound ModelNotReady NoModelReady
        ServerNotLive ServerNotReady UnsupportedProtocol""",
    "kserve.inference_client": "InferenceGRPCClient InferenceRESTClient RESTConfig",
    "kserve.logging": "KSERVE_LOG_CONFIG configure_logging logger trace_logger",
    "kserve.metrics": "LLMStats PROM_LABELS get_labels",
    "kserve.model": """BaseKServeModel InferRequest InferenceModel InferenceVerb Model PredictorConfig
        PredictorProtocol""",
    "kserve.model_repository": "ModelRepository",
    "kserve.model_server": "ModelServer app parser",
    "kserve.predictor_config": "PredictorConfig",
    "kserve.protocol.dataplane": "DataPlane",
    "kserve.protocol.grpc": "grpc_predict_v2_pb2 grpc_predict_v2_pb2_grpc",
    "kserve.protocol.grpc.grpc_predict_v2_pb2": """InferParameter InferTensorContents ModelInferRequest
        ModelInferResponse ModelMetadataRequest ModelReadyRequest RepositoryModelLoadRequest ServerLiveRequest
        ServerMetadataRequest ServerReadyRequest""",
    "kserve.protocol.grpc.grpc_predict_v2_pb2_grpc": "GRPCInferenceServiceStub",
    "kserve.protocol.infer_type": """InferInput InferOutput InferRequest InferResponse RequestedOutput
        deserialize_bytes_tensor serialize_byte_tensor""",
    "kserve.protocol.model_repository_extension": "ModelRepositoryExtension",
    "kserve.ray": "RayModel",
    "kserve.storage": "Storage",
    "kserve.utils": "generate_uuid utils",
    "kserve.utils.numpy_codec": "from_np_dtype to_np_dtype",
    "kserve.utils.utils": """cpu_count create_response_cloudevent from_np_dtype generate_uuid
        get_current_k8s_namespace get_default_target_namespace get_predict_input get_predict_response is_running_in_k8s
        is_structured_cloudevent is_v1 is_v2 strtobool to_headers""",
    "kserve_storage": "Storage",
}

MEMBERS = {
    "Model": """engine explainer_host get_input_types get_output_types healthy load start start_engine stop
        stop_engine preprocess validate predict explain postprocess""",
    "ModelServer": "start stop register_model register_exception_handler default_exception_handler",
    "ModelRepository": """get_model get_models is_model_ready load load_model load_models set_models_dir unload
        update""",
    "InferRequest": "as_dataframe from_bytes from_grpc get_input_by_name to_dict to_grpc to_rest use_binary_outputs",
    "InferResponse": "from_bytes from_grpc from_rest get_output_by_name to_dict to_grpc to_rest",
    "InferInput": "as_numpy as_string set_data_from_numpy to_dict data",
    "InferOutput": "as_numpy set_data_from_numpy to_dict data",
    "InferenceRESTClient": "close explain infer is_model_ready is_server_live is_server_ready",
    "InferenceGRPCClient": "close infer is_model_ready is_server_live is_server_ready",
    "PredictorConfig": "predictor_base_url protocol retries timeout use_ssl",
}

SCRIPT = """
import importlib, sys
from mooring_runtime.sdk import aliases
aliases.install()
for line in sys.stdin:
    module, name = line.split()
    try:
        exec(f"from {module} import {name}")
    except ImportError as exc:
        print(f"{module} {name}: {exc}")
import kserve
for line in MEMBERS:
    kind, name = line.split()
    if not hasattr(getattr(kserve, kind), name):
        print(f"{kind}.{name}")
"""


def lines(table: dict[str, str]) -> list[str]:
    return [f"{place} {name}" for place, names in table.items() for name in names.split()]


def test_every_name_is_there() -> None:
    script = f"MEMBERS = {lines(MEMBERS)!r}\n{SCRIPT}"
    names = "\n".join(lines(NAMES))
    done = subprocess.run([sys.executable, "-c", script], input=names, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@pytest.mark.parametrize("name", ["KServeClient", "V1beta1InferenceService", "V1alpha1TrainedModel", "ApiException"])
def test_names_of_the_client_for_clusters_tell_where_they_are(name: str) -> None:
    import mooring_runtime

    with pytest.raises(ImportError, match=f"{name} belongs to KServe's client for clusters.*pip install kserve"):
        getattr(mooring_runtime, name)


def test_other_names_are_not_there() -> None:
    import mooring_runtime

    assert not hasattr(mooring_runtime, "V1")
