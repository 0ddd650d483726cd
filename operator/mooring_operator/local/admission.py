"""What an API server would say to an apply: created, configured, unchanged, or refused."""

from mooring_api import names
from mooring_api.quantity import parse_quantity
from mooring_operator.core.observed import Manifest
from mooring_operator.local.objects import Id, Objects, id_of

_PLURALS = {
    "InferenceService": f"inferenceservice.{names.GROUP}",
    "TrainedModel": f"trainedmodel.{names.GROUP}",
    "ServingRuntime": f"servingruntime.{names.GROUP}",
    "ClusterServingRuntime": f"clusterservingruntime.{names.GROUP}",
}


class Refused(Exception):
    """The object may not be changed so; the message says why and what to do."""


def title(key: Id) -> str:
    """An object as kubectl names it: `inferenceservice.serving.kserve.io/NAME`."""
    return f"{_PLURALS.get(key.kind, key.kind.lower())}/{key.name}"


def admit(objects: Objects, manifest: Manifest) -> str:
    """Apply; returns the word that kubectl prints.

    Raises:
        Refused: a rule of the CRD forbids the change.
    """
    key = id_of(manifest)
    live = objects.get(key)
    if live is not None and key.kind == "TrainedModel":
        before, after = (body["spec"]["model"]["memory"] for body in (live, manifest))
        if parse_quantity(str(before)) != parse_quantity(str(after)):
            raise Refused(
                f"{title(key)}: spec.model.memory cannot be changed (from {before} to {after}): "
                "delete the model and apply it again"
            )
    applied = objects.apply(manifest)
    if live is None:
        return "created"
    return "unchanged" if applied is live else "configured"
