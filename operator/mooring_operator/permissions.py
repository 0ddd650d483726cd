"""What the operator may do in a cluster: every verb that its code uses, and why. Pure data.

`charts/mooring` grants exactly this (tests/test_charts.py compares them). Server-side apply of an object that does not
exist yet is checked as `create` besides `patch`.
"""

from dataclasses import dataclass

from mooring_operator import resources
from mooring_operator.resources import Resource


@dataclass(frozen=True)
class Permission:
    """Verbs on one resource."""

    group: str
    resource: str
    """Plural, with the subresource behind a slash."""
    verbs: tuple[str, ...]
    reason: str


_WATCH = ("list", "watch")
_APPLY = ("list", "watch", "create", "patch", "delete")


def _on(resource: Resource, verbs: tuple[str, ...], reason: str, subresource: str = "") -> Permission:
    plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
    return Permission(resource.group, plural, verbs, reason)


PERMISSIONS: tuple[Permission, ...] = (
    _on(resources.INFERENCE_SERVICES, _WATCH, "the wish"),
    _on(resources.INFERENCE_SERVICES, ("patch",), "writes what was observed", "status"),
    _on(
        resources.INFERENCE_SERVICES,
        ("update",),
        "children carry blockOwnerDeletion; where the admission plugin OwnerReferencesPermissionEnforcement is on, "
        "that needs this verb on the owner",
        "finalizers",
    ),
    _on(resources.TRAINED_MODELS, (*_WATCH, "patch"), "the wish; patched with its label and owner reference"),
    _on(resources.TRAINED_MODELS, ("patch",), "writes what was observed", "status"),
    _on(resources.SERVING_RUNTIMES, _WATCH, "runtimes of a namespace"),
    _on(resources.CLUSTER_SERVING_RUNTIMES, _WATCH, "runtimes of the cluster"),
    _on(resources.DEPLOYMENTS, _APPLY, "the servers"),
    _on(resources.SERVICES, _APPLY, "their addresses inside the cluster"),
    _on(resources.INGRESSES, _APPLY, "their addresses outside"),
    _on(resources.AUTOSCALERS, _APPLY, "made when maxReplicas is larger than minReplicas"),
    _on(resources.CONFIG_MAPS, _APPLY, "the model lists"),
    _on(resources.PODS, (*_WATCH, "patch"), "readiness and failures; the annotation that makes kubelet sync at once"),
    _on(resources.EVENTS, ("create",), "transitions"),
    _on(resources.SECRETS, ("get",), "which storage credentials exist, by name; values of credentials are not kept"),
    _on(resources.SERVICE_ACCOUNTS, ("get",), "which secrets a service account lists"),
    _on(resources.CLAIMS, ("get",), "whether the claim of a pvc:// URI exists"),
    Permission("kopf.dev", "clusterkopfpeerings", (*_WATCH, "patch"), "which of the operators is the active one"),
    Permission("apiextensions.k8s.io", "customresourcedefinitions", _WATCH, "kopf learns when a kind is installed"),
)
