"""The Kubernetes resources that the operator works with, and their URLs."""

from dataclasses import dataclass

from mooring_api import names


@dataclass(frozen=True)
class Resource:
    """A kind and where the API server has it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    label_selector: str = ""
    """Server-side selector of the watch; empty watches all."""

    @property
    def api_version(self) -> str:
        """As manifests spell it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection, of an object or of its subresource; an empty namespace means all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return "/".join(part for part in (f"{root}{where}/{self.plural}", name, subresource) if part)


_G = names.GROUP
INFERENCE_SERVICES = Resource(_G, "v1beta1", "InferenceService", "inferenceservices")
TRAINED_MODELS = Resource(_G, "v1alpha1", "TrainedModel", "trainedmodels")
SERVING_RUNTIMES = Resource(_G, "v1alpha1", "ServingRuntime", "servingruntimes")
CLUSTER_SERVING_RUNTIMES = Resource(_G, "v1alpha1", "ClusterServingRuntime", "clusterservingruntimes", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
SERVICES = Resource("", "v1", "Service", "services")
INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
AUTOSCALERS = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", label_selector=names.LABEL_INFERENCE_SERVICE)
PODS = Resource("", "v1", "Pod", "pods", label_selector=names.LABEL_INFERENCE_SERVICE)
EVENTS = Resource("", "v1", "Event", "events")
SECRETS = Resource("", "v1", "Secret", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts")
CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")

WATCHED = (
    CLUSTER_SERVING_RUNTIMES,
    SERVING_RUNTIMES,
    TRAINED_MODELS,
    DEPLOYMENTS,
    SERVICES,
    INGRESSES,
    AUTOSCALERS,
    CONFIG_MAPS,
    PODS,
    INFERENCE_SERVICES,
)
"""What the store follows."""

BY_KIND = {resource.kind: resource for resource in (*WATCHED, EVENTS, SECRETS, SERVICE_ACCOUNTS, CLAIMS)}
