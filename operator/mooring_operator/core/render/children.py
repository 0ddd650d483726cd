"""All objects of an InferenceService, in the order in which they are applied."""

from mooring_api import names
from mooring_operator.core.observed import Credentials, Manifest
from mooring_operator.core.render.blueprint import Blueprint, manifest
from mooring_operator.core.render.deployment import autoscaler, deployment
from mooring_operator.core.render.routes import ingress, services
from mooring_operator.settings import Settings


def children(blueprint: Blueprint, credentials: Credentials, settings: Settings) -> tuple[Manifest, ...]:
    """The model list first, since pods wait for it; then Services, Deployment and what depends on them."""
    made = list(services(blueprint))
    if blueprint.multi_model:
        made.insert(0, config_map(blueprint))
    made.append(deployment(blueprint, credentials, settings))
    if settings.ingress.enabled and blueprint.routed:
        made.append(ingress(blueprint, settings.ingress))
    if blueprint.autoscaled:
        made.append(autoscaler(blueprint))
    return tuple(made)


def config_map(blueprint: Blueprint) -> Manifest:
    """The model list that the agents follow."""
    name = names.model_config_map_name(blueprint.meta.name)
    return manifest(blueprint, "v1", "ConfigMap", name, data={names.MODELS_KEY: blueprint.models_json})
