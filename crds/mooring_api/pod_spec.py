"""The pod-spec fields that KServe inlines into a component: handed on to the Deployment as they are.

Listed by name (Kubernetes 1.34 `core/v1.PodSpec`), so that a misspelt field is an error at `kubectl apply`, while the
content of each stays Kubernetes' own business.
"""

from typing import Any

from pydantic import Field

from mooring_api.base import ApiModel, Containers, PassThrough, PassThroughList


class PodSpecFields(ApiModel):
    """Kubernetes pod-spec fields, passed through."""

    containers: Containers | None = None
    """Containers of the pod. In a predictor without `model`, the first one is the model server."""
    init_containers: PassThroughList | None = None
    """Containers that run to completion before the others start."""
    ephemeral_containers: PassThroughList | None = None
    """As in a pod."""
    volumes: PassThroughList | None = None
    """Volumes that the containers mount."""
    service_account_name: str | None = None
    """Service account of the pods; the secrets listed on it hold storage credentials."""
    service_account: str | None = None
    """Deprecated form of serviceAccountName."""
    automount_service_account_token: bool | None = None
    """Whether the service account's token is mounted."""
    image_pull_secrets: PassThroughList | None = None
    """Secrets for pulling the images."""
    node_selector: dict[str, str] | None = None
    """Labels that the node must have."""
    node_name: str | None = None
    """The node to run on."""
    affinity: PassThrough | None = None
    """Scheduling constraints."""
    tolerations: PassThroughList | None = None
    """Taints that the pod tolerates."""
    topology_spread_constraints: PassThroughList | None = None
    """How pods spread over the cluster."""
    scheduler_name: str | None = None
    """The scheduler."""
    scheduling_gates: PassThroughList | None = None
    """As in a pod."""
    priority_class_name: str | None = None
    """Priority class."""
    priority: int | None = None
    """As in a pod."""
    preemption_policy: str | None = None
    """As in a pod."""
    security_context: PassThrough | None = None
    """Security attributes of the pod."""
    restart_policy: str | None = None
    """Always, in a Deployment."""
    termination_grace_period_seconds: int | None = None
    """Seconds between the request to stop and the kill."""
    active_deadline_seconds: int | None = None
    """As in a pod."""
    dns_policy: str | None = None
    """As in a pod."""
    dns_config: PassThrough | None = None
    """As in a pod."""
    host_aliases: PassThroughList | None = None
    """Lines added to /etc/hosts."""
    hostname: str | None = None
    """As in a pod."""
    hostname_override: str | None = None
    """As in a pod."""
    subdomain: str | None = None
    """As in a pod."""
    host_network: bool | None = None
    """Whether the pod uses the host's network."""
    host_pid: bool | None = Field(default=None, alias="hostPID")
    """As in a pod."""
    host_ipc: bool | None = Field(default=None, alias="hostIPC")
    """As in a pod."""
    host_users: bool | None = None
    """As in a pod."""
    set_hostname_as_fqdn: bool | None = Field(default=None, alias="setHostnameAsFQDN")
    """As in a pod."""
    share_process_namespace: bool | None = None
    """Whether the containers see each other's processes."""
    enable_service_links: bool | None = None
    """As in a pod."""
    readiness_gates: PassThroughList | None = None
    """Further conditions of readiness."""
    runtime_class_name: str | None = None
    """As in a pod."""
    resource_claims: PassThroughList | None = None
    """Claims of dynamic resources."""
    resources: PassThrough | None = None
    """Resources of the whole pod."""
    overhead: PassThrough | None = None
    """As in a pod."""
    os: PassThrough | None = None
    """As in a pod."""

    def pod_spec(self) -> dict[str, Any]:
        """The pod-spec part alone, as Kubernetes spells it, without the fields that are not set."""
        names = set(PodSpecFields.model_fields)
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=names)


class ContainerFields(ApiModel):
    """Kubernetes container fields (`core/v1.Container`), passed through into the runtime's kserve-container."""

    name: str | None = None
    """Must be kserve-container or absent."""
    image: str | None = None
    """Image instead of the runtime's."""
    command: tuple[str, ...] | None = None
    """Command instead of the runtime's."""
    args: tuple[str, ...] | None = None
    """Arguments added behind the runtime's."""
    working_dir: str | None = None
    """As in a container."""
    env: PassThroughList | None = None
    """Environment, merged with the runtime's by name."""
    env_from: PassThroughList | None = None
    """As in a container."""
    ports: PassThroughList | None = None
    """Ports, merged with the runtime's by containerPort."""
    resources: PassThrough | None = None
    """Compute resources."""
    resize_policy: PassThroughList | None = None
    """As in a container."""
    volume_mounts: PassThroughList | None = None
    """Mounts, merged with the runtime's by mountPath."""
    volume_devices: PassThroughList | None = None
    """As in a container."""
    liveness_probe: PassThrough | None = None
    """Liveness probe."""
    readiness_probe: PassThrough | None = None
    """Readiness probe; by default a TCP probe of the first port every second."""
    startup_probe: PassThrough | None = None
    """Startup probe."""
    lifecycle: PassThrough | None = None
    """Hooks after start and before stop."""
    termination_message_path: str | None = None
    """As in a container."""
    termination_message_policy: str | None = None
    """As in a container."""
    image_pull_policy: str | None = None
    """As in a container."""
    security_context: PassThrough | None = None
    """Security attributes of the container."""
    restart_policy: str | None = None
    """As in a container."""
    stdin: bool | None = None
    """As in a container."""
    stdin_once: bool | None = None
    """As in a container."""
    tty: bool | None = None
    """As in a container."""

    def container(self) -> dict[str, Any]:
        """The container part alone, as Kubernetes spells it, without the fields that are not set."""
        names = set(ContainerFields.model_fields)
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=names)
