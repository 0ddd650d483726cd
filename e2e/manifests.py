"""Manifests of the tests; the walk-through takes the user's own from `examples/`."""

from typing import Any

from e2e.kube import Manifest

SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
"""The test node has two CPUs in all."""


def inference_service(name: str, image: str, predictor: Manifest | None = None, **container: Any) -> Manifest:
    """An InferenceService with one custom container; keywords are container fields, `predictor` its neighbours."""
    main = {"name": "kserve-container", "image": image, "resources": SMALL} | container
    return service(name, {"containers": [main]} | (predictor or {}))


def service(name: str, predictor: Manifest) -> Manifest:
    """An InferenceService with this predictor."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"predictor": predictor},
    }


def trained_model(name: str, service: str, storage_uri: str, memory: str = "1Mi") -> Manifest:
    """A TrainedModel of the service."""
    model = {"storageUri": storage_uri, "framework": "custom", "memory": memory}
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "TrainedModel",
        "metadata": {"name": name},
        "spec": {"inferenceService": service, "model": model},
    }


def environment(**variables: str) -> list[Manifest]:
    """Container environment."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def host_path_claim(name: str, path: str) -> tuple[Manifest, Manifest]:
    """A PersistentVolume on the node's disk and the claim that is bound to it, both of this name."""
    size = {"storage": "1Gi"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": size,
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": name,
            "resources": {"requests": size},
        },
    }
    return volume, claim


def client_pod(name: str, image: str, claim: str | None = None) -> Manifest:
    """A pod to run curl in; with a claim, it writes there as root under /claim."""
    container: Manifest = {"name": "client", "image": image, "command": ["sleep", "infinity"], "resources": SMALL}
    spec: Manifest = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if claim is not None:
        container["securityContext"] = {"runAsUser": 0}
        container["volumeMounts"] = [{"name": "claim", "mountPath": "/claim"}]
        spec["volumes"] = [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
