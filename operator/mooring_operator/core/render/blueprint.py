"""What an InferenceService is to become, decided before any manifest is written."""

from dataclasses import dataclass
from typing import Any

from mooring_api import names
from mooring_api.v1beta1 import Predictor
from mooring_operator.core.observed import Manifest, Meta
from mooring_operator.core.placement import Placement
from mooring_operator.core.storage_sources import Source

API_VERSION = f"{names.GROUP}/v1beta1"
COMPONENT = "predictor"
_NOT_PROPAGATED = frozenset(
    {
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/max-scale",
        "internal.serving.kserve.io/storage-initializer-sourceuri",
        "kubectl.kubernetes.io/last-applied-configuration",
        "modelFormat",
        names.ANNOTATION_STOP,
    }
)
"""Annotations of the InferenceService that its objects do not get (spec: kserve-control-plane section 1.5)."""


@dataclass(frozen=True)
class Blueprint:
    """The decisions that all manifests of one InferenceService are written from."""

    meta: Meta
    predictor: Predictor
    placement: Placement
    sources: tuple[Source, ...]
    """Of a single-model predictor."""
    multi_model: bool
    claims: tuple[str, ...] = ()
    """PersistentVolumeClaims of the admitted TrainedModels, sorted."""
    models_json: str = "[]"
    in_place: bool = False
    """Whether a rollout must free an old pod's resources before it starts the new one."""
    live_replicas: int | None = None
    """Replicas that the Deployment has now."""

    @property
    def name(self) -> str:
        """Name of the Deployment, its Service and its autoscaler."""
        return names.predictor_name(self.meta.name)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object; later origins win."""
        return {
            **self.placement.labels,
            **self.meta.labels,
            **(self.predictor.labels or {}),
            names.LABEL_INFERENCE_SERVICE: self.meta.name,
            names.LABEL_COMPONENT: COMPONENT,
            names.LABEL_APP: names.app_label(self.name),
        }

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of every object; later origins win."""
        merged = {**self.placement.annotations, **self.meta.annotations, **(self.predictor.annotations or {})}
        return {key: value for key, value in merged.items() if key not in _NOT_PROPAGATED}

    @property
    def selector(self) -> dict[str, str]:
        """The only selector of Deployment and Services."""
        return {names.LABEL_APP: names.app_label(self.name)}

    @property
    def replicas(self) -> int:
        """Pods that are wanted at least."""
        low = self.predictor.min_replicas
        return 1 if low is None else low

    @property
    def autoscaled(self) -> bool:
        """Whether a HorizontalPodAutoscaler is wanted."""
        scaler = self.meta.annotations.get(names.ANNOTATION_AUTOSCALER_CLASS, "hpa")
        return scaler == "hpa" and 0 < self.replicas < (self.predictor.max_replicas or 0)

    @property
    def scaled_by_others(self) -> bool:
        """Whether somebody else decides the number of pods."""
        external = self.meta.annotations.get(names.ANNOTATION_AUTOSCALER_CLASS) == "external"
        return self.replicas > 0 and (external or self.autoscaled)

    @property
    def routed(self) -> bool:
        """Whether the service's own labels ask for a route from outside."""
        return self.meta.labels.get(names.LABEL_VISIBILITY) != "cluster-local"


def owner_reference(meta: Meta) -> Manifest:
    """The owner reference that children and TrainedModels carry."""
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def manifest(blueprint: Blueprint, api_version: str, kind: str, name: str, **content: Any) -> Manifest:
    """An object of the InferenceService with the metadata that all of them have."""
    metadata: Manifest = {
        "name": name,
        "namespace": blueprint.meta.namespace,
        "labels": blueprint.labels,
        "ownerReferences": [owner_reference(blueprint.meta)],
    }
    if annotations := blueprint.annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
