"""The agent beside a multi-model server (spec: kserve-control-plane section 4.7, kserve-agent section 1.3)."""

import hashlib

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.core.render.blueprint import Blueprint
from mooring_operator.core.render.containers import PodParts, sidecar
from mooring_operator.core.render.credentials import Access
from mooring_operator.core.strategic_merge import merge_by
from mooring_operator.settings import Sidecar

_VOLUME_PREFIX = "model-pvc-"
_MAX_VOLUME_NAME = 63


def with_agent(parts: PodParts, blueprint: Blueprint, settings: Sidecar, access: Access) -> PodParts:
    """The pod with the agent, the folder it shares with the model server, the model list and the claims of the
    models.
    """
    claims = [_claim(claim) for claim in blueprint.claims]
    claim_mounts = [{"name": c["name"], "mountPath": _claim_dir(c), "readOnly": True} for c in claims]
    models = _models_mount(parts.main)
    config = {"name": names.VOLUME_MODEL_CONFIG, "mountPath": names.CONFIG_DIR, "readOnly": True}
    agent = _agent(blueprint, [models, config, *claim_mounts, *access.mounts])
    return PodParts(
        main={
            **parts.main,
            "volumeMounts": merge_by("mountPath", parts.main.get("volumeMounts") or [], [models, *claim_mounts]),
        },
        sidecars=(*parts.sidecars, sidecar(agent, settings, parts.pod, access)),
        initializers=parts.initializers,
        pod={**parts.pod, "volumes": _volumes(parts.pod, blueprint, claims, access)},
        annotations={
            **parts.annotations,
            names.ANNOTATION_AGENT: "true",
            names.ANNOTATION_CONFIG_VOLUME: names.model_config_map_name(blueprint.meta.name),
            names.ANNOTATION_CONFIG_MOUNT: names.CONFIG_DIR,
            names.ANNOTATION_MODEL_DIR: names.MODEL_DIR,
        },
    )


def _agent(blueprint: Blueprint, mounts: list[Manifest]) -> Manifest:
    folders = ["--config-dir", names.CONFIG_DIR, "--model-dir", names.MODEL_DIR]
    return {
        "name": names.CONTAINER_AGENT,
        "args": ["--enable-puller", *folders, "--component-port", str(blueprint.placement.http_port)],
        "ports": [{"name": names.PORT_AGENT_NAME, "containerPort": names.AGENT_PORT, "protocol": "TCP"}],
        "readinessProbe": {
            # a slow agent must not take a serving pod out of its Service, so many failures are allowed
            "httpGet": {"path": names.AGENT_READY_PATH, "port": names.AGENT_PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 30,
        },
        "volumeMounts": mounts,
    }


def _models_mount(main: Manifest) -> Manifest:
    # A volume that the user mounts at the models' folder (a larger or a persistent one) is shared instead of ours.
    for mount in main.get("volumeMounts") or ():
        if mount.get("mountPath") == names.MODEL_DIR:
            return dict(mount)
    return {"name": names.VOLUME_MODEL_DIR, "mountPath": names.MODEL_DIR}


def _volumes(pod: Manifest, blueprint: Blueprint, claims: list[Manifest], access: Access) -> list[Manifest]:
    config = {
        "name": names.VOLUME_MODEL_CONFIG,
        "configMap": {"name": names.model_config_map_name(blueprint.meta.name), "optional": False},
    }
    own = pod.get("volumes") or []
    shared = merge_by("name", [{"name": names.VOLUME_MODEL_DIR, "emptyDir": {}}], own)
    return merge_by("name", shared, [config, *claims, *access.volumes])


def mounted_claims(deployment: Manifest) -> frozenset[str]:
    """The claims of models that a live Deployment mounts."""
    volumes = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("volumes") or ()
    ours = (volume for volume in volumes if volume["name"].startswith(_VOLUME_PREFIX))
    return frozenset(volume["persistentVolumeClaim"]["claimName"] for volume in ours)


def _claim(claim: str) -> Manifest:
    return {"name": _volume_name(claim), "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}


def _volume_name(claim: str) -> str:
    # A claim's name may hold dots and 253 characters, a volume's name neither.
    if "." not in claim and len(claim) <= _MAX_VOLUME_NAME - len(_VOLUME_PREFIX):
        return _VOLUME_PREFIX + claim
    return _VOLUME_PREFIX + hashlib.sha256(claim.encode()).hexdigest()[:16]


def _claim_dir(volume: Manifest) -> str:
    return f"{names.PVC_DIR}/{volume['persistentVolumeClaim']['claimName']}"
