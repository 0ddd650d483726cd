"""Names that more than one process must spell alike: labels, annotations, objects, containers, paths, ports.

Where KServe has a name for a thing, it is KServe's (spec: kserve-control-plane sections 1.5, 3.4 and 4).
"""

GROUP = "serving.kserve.io"
OUR_PREFIX = "mooring.dev"
"""Prefix of the annotations that only Mooring reads."""

# Labels
LABEL_INFERENCE_SERVICE = f"{GROUP}/inferenceservice"
LABEL_COMPONENT = "component"
LABEL_APP = "app"
LABEL_TRAINED_MODEL_PARENT = "inferenceservice"
"""On a TrainedModel: the InferenceService that it names."""

# Annotations that users set
ANNOTATION_DEPLOYMENT_MODE = f"{GROUP}/deploymentMode"
ANNOTATION_AUTOSCALER_CLASS = f"{GROUP}/autoscalerClass"
ANNOTATION_STOP = f"{GROUP}/stop"
ANNOTATION_STORAGE_SECRET = (f"{GROUP}/storageSecretName", f"{GROUP}/secretName")
"""Both spellings that KServe's two installers use; the first one present wins."""
LABEL_VISIBILITY = "networking.kserve.io/visibility"

# Annotations on pods
ANNOTATION_AGENT = f"internal.{GROUP}/agent"
ANNOTATION_CONFIG_VOLUME = f"internal.{GROUP}/configVolumeName"
ANNOTATION_CONFIG_MOUNT = f"internal.{GROUP}/configMountPath"
ANNOTATION_MODEL_DIR = f"internal.{GROUP}/modelDir"
ANNOTATION_MODELS_DIGEST = f"{OUR_PREFIX}/models-digest"
"""The nudge: patched on a running pod after its model list changed, so that kubelet refreshes the volume at once."""

# Environment of the containers
ENV_INFERENCE_SERVICE = "INFERENCE_SERVICE_NAME"
ENV_MULTI_MODEL = "MULTI_MODEL_SERVER"

# Containers and volumes
CONTAINER_MAIN = "kserve-container"
CONTAINER_TRANSFORMER = "transformer-container"
CONTAINER_AGENT = "agent"
CONTAINER_INITIALIZER = "storage-initializer"
VOLUME_MODEL_DIR = "model-dir"
VOLUME_MODEL_CONFIG = "model-config"
VOLUME_PROVISION = "kserve-provision-location"
VOLUME_PVC_SOURCE = "kserve-pvc-source"
PORT_AGENT_NAME = "agent-port"

# Paths and ports of the pod contract
MODEL_DIR = "/mnt/models"
CONFIG_DIR = "/mnt/configs"
PVC_DIR = "/mnt/pvc"
"""The agent finds `pvc://CLAIM/PATH` at `/mnt/pvc/CLAIM/PATH`; the operator mounts each claim there, read-only."""
MODELS_KEY = "models.json"
HTTP_PORT = 8080
GRPC_PORT = 8081
AGENT_PORT = 9081
AGENT_STATUS_PATH = "/v1/agent/models"
AGENT_READY_PATH = "/readyz"

MODEL_NAME_PATTERN = r"^[a-zA-Z0-9_-]+$"
"""TrainedModel names (KServe's webhook): no dots, since the name becomes a folder and a URL segment."""
SERVICE_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


def predictor_name(inference_service: str) -> str:
    """Name of the predictor's Deployment, Service and autoscaler."""
    return f"{inference_service}-predictor"


def model_config_map_name(inference_service: str, shard: int = 0) -> str:
    """Name of the ConfigMap that holds the model list; there is one shard, 0, as in KServe."""
    return f"modelconfig-{inference_service}-{shard}"


def inference_services_of(child: str) -> set[str]:
    """Names of the InferenceServices that would have an object of this name: the inverse of the functions above."""
    owners = {child, child.removesuffix("-predictor")}
    if child.startswith("modelconfig-"):
        owners.add(child.removeprefix("modelconfig-").rpartition("-")[0])
    return owners


def app_label(deployment: str) -> str:
    """Value of the `app` label, the only selector of Deployment and Service."""
    return f"isvc.{deployment}"


def is_grpc_port(name: str | None) -> bool:
    """Whether a container port's name says that it speaks gRPC (HTTP/2 without TLS), by KServe's rule."""
    return bool(name) and ("grpc" in str(name) or "h2c" in str(name))


def infer_path(model: str, protocol: str) -> str:
    """Path of a model's inference endpoint: v1 `:predict`, v2 `/infer`; gRPC protocols have no path."""
    return {"v1": f"/v1/models/{model}:predict", "v2": f"/v2/models/{model}/infer"}.get(protocol, "")
