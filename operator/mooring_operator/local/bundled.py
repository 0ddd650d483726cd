"""The ClusterServingRuntimes that the chart installs (charts/mooring/templates/runtimes.yaml), for local mode."""

from typing import Any

from mooring_api import names
from mooring_operator.core.observed import Manifest

IMAGE = "mooring/runtime:0.1.0"
_FORMATS: list[dict[str, Any]] = [
    {"name": "pytorch", "version": "1", "autoSelect": True, "priority": 1},
    {"name": "pytorch", "version": "2", "autoSelect": True, "priority": 1},
    {"name": "torchscript", "autoSelect": True, "priority": 1},
    {"name": "torch-export", "autoSelect": True, "priority": 1},
    {"name": "alexnet", "autoSelect": True, "priority": 1},
]


def runtimes() -> tuple[Manifest, Manifest]:
    """`mooring-runtime` serves one model, `mooring-runtime-mms` the TrainedModels that name the service."""
    one = ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"]
    many = ["--model_dir=/mnt/models", "--http_port=8080", "--multi_model=true"]
    return _runtime("mooring-runtime", one), _runtime("mooring-runtime-mms", many, multiModel=True)


def _runtime(name: str, args: list[str], **spec: Any) -> Manifest:
    container = {
        "name": names.CONTAINER_MAIN,
        "image": IMAGE,
        "args": args,
        "ports": [
            {"name": "http1", "containerPort": names.HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": names.GRPC_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": names.HTTP_PORT}, "periodSeconds": 1},
    }
    return {
        "apiVersion": f"{names.GROUP}/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "supportedModelFormats": _FORMATS,
            "protocolVersions": ["v1", "v2", "grpc-v2"],
            "containers": [container],
        },
    }
