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
    """Not used in a Deployment; kept because the pod spec has it."""
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
    """Gates that keep the pods from being scheduled until they are removed."""
    priority_class_name: str | None = None
    """Priority class."""
    priority: int | None = None
    """Priority of the pods; normally given by priorityClassName."""
    preemption_policy: str | None = None
    """PreemptLowerPriority or Never."""
    security_context: PassThrough | None = None
    """Security attributes of the pod."""
    restart_policy: str | None = None
    """Always, in a Deployment."""
    termination_grace_period_seconds: int | None = None
    """Seconds between the request to stop and the kill."""
    active_deadline_seconds: int | None = None
    """Seconds that a pod may run."""
    dns_policy: str | None = None
    """ClusterFirst, ClusterFirstWithHostNet, Default or None."""
    dns_config: PassThrough | None = None
    """Name servers, search domains and options beside those of dnsPolicy."""
    host_aliases: PassThroughList | None = None
    """Lines added to /etc/hosts."""
    hostname: str | None = None
    """Host name of the pods."""
    hostname_override: str | None = None
    """Host name that the pods see, whatever the cluster calls them."""
    subdomain: str | None = None
    """Subdomain of the pods' host names."""
    host_network: bool | None = None
    """Whether the pod uses the host's network."""
    host_pid: bool | None = Field(default=None, alias="hostPID")
    """Whether the pod uses the host's process namespace."""
    host_ipc: bool | None = Field(default=None, alias="hostIPC")
    """Whether the pod uses the host's IPC namespace."""
    host_users: bool | None = None
    """Whether the pod uses the host's user namespace."""
    set_hostname_as_fqdn: bool | None = Field(default=None, alias="setHostnameAsFQDN")
    """Whether the host name is the fully qualified one."""
    share_process_namespace: bool | None = None
    """Whether the containers see each other's processes."""
    enable_service_links: bool | None = None
    """Whether services of the namespace appear in the environment."""
    readiness_gates: PassThroughList | None = None
    """Further conditions of readiness."""
    runtime_class_name: str | None = None
    """RuntimeClass that runs the containers."""
    resource_claims: PassThroughList | None = None
    """Claims of dynamic resources."""
    resources: PassThrough | None = None
    """Resources of the whole pod."""
    overhead: PassThrough | None = None
    """Resources that the RuntimeClass itself needs."""
    os: PassThrough | None = None
    """Operating system of the containers."""

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
    """Working directory of the command."""
    env: PassThroughList | None = None
    """Environment, merged with the runtime's by name."""
    env_from: PassThroughList | None = None
    """ConfigMaps and secrets whose keys become environment variables."""
    ports: PassThroughList | None = None
    """Ports, merged with the runtime's by containerPort."""
    resources: PassThrough | None = None
    """Compute resources."""
    resize_policy: PassThroughList | None = None
    """Whether the container restarts when its resources change."""
    volume_mounts: PassThroughList | None = None
    """Mounts, merged with the runtime's by mountPath."""
    volume_devices: PassThroughList | None = None
    """Block devices of the container."""
    liveness_probe: PassThrough | None = None
    """Liveness probe."""
    readiness_probe: PassThrough | None = None
    """Readiness probe; by default a TCP probe of the first port every second."""
    startup_probe: PassThrough | None = None
    """Startup probe."""
    lifecycle: PassThrough | None = None
    """Hooks after start and before stop."""
    termination_message_path: str | None = None
    """File whose content becomes the message of a terminated container."""
    termination_message_policy: str | None = None
    """File, or FallbackToLogsOnError."""
    image_pull_policy: str | None = None
    """Always, Never or IfNotPresent."""
    security_context: PassThrough | None = None
    """Security attributes of the container."""
    restart_policy: str | None = None
    """Restart policy of the container."""
    stdin: bool | None = None
    """Whether the container has a standard input."""
    stdin_once: bool | None = None
    """Whether the standard input is closed after the first client."""
    tty: bool | None = None
    """Whether the container has a terminal."""

    def container(self) -> dict[str, Any]:
        """The container part alone, as Kubernetes spells it, without the fields that are not set."""
        names = set(ContainerFields.model_fields)
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=names)
