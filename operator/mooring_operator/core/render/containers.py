"""Parts of a pod, and the containers that Mooring adds to users' pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring_operator.core.observed import Manifest
from mooring_operator.core.render.credentials import Access
from mooring_operator.core.strategic_merge import merge_by
from mooring_operator.settings import Sidecar


@dataclass(frozen=True)
class PodParts:
    """A pod template under construction."""

    main: Manifest
    sidecars: tuple[Manifest, ...]
    pod: Manifest
    """The other pod-spec fields."""
    initializers: tuple[Manifest, ...] = ()
    """Init containers behind the user's own."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the template beside the InferenceService's."""


def sidecar(container: Manifest, settings: Sidecar, pod: Manifest, access: Access) -> Manifest:
    """A container of ours: the configured image and resources, the credentials, and no privilege."""
    made = {
        **container,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": merge_by("name", access.env, container.get("env") or []),
        "securityContext": _security(pod),
    }
    if resources := settings.resources.model_dump(exclude_defaults=True):
        made["resources"] = resources
    return {name: value for name, value in made.items() if value != []}


def _security(pod: Manifest) -> Manifest:
    made: Manifest = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    # kubelet refuses runAsNonRoot where the pod's own security context asks for root
    if (pod.get("securityContext") or {}).get("runAsUser") != 0:
        made["runAsNonRoot"] = True
    return made
