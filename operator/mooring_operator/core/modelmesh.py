"""MLServer in a ServingRuntime that was written for ModelMesh, run without ModelMesh (spec: modelmesh section 1.3,
runtime section 4.2).

There the containers beside the server bring it models and requests: it is the one named after its adapter, listens on
localhost and declares no port. Here the agent brings models, and requests come from other pods.
"""

from mooring_api import names
from mooring_operator.core.observed import Manifest, Runtime
from mooring_operator.core.strategic_merge import merge_by

MLSERVER = "mlserver"
_PORTS = {"MLSERVER_HTTP_PORT": ("http", names.HTTP_PORT), "MLSERVER_GRPC_PORT": ("grpc", names.GRPC_PORT)}


def has_mlserver_adapter(runtime: Runtime) -> bool:
    """Whether ModelMesh's adapter for MLServer would stand beside the runtime's server."""
    adapter = runtime.spec.built_in_adapter
    return adapter is not None and adapter.server_type == MLSERVER


def standalone(server: Manifest, service: str, *, has_storage: bool) -> Manifest:
    """The adapter's server as the main container: reachable from other pods, with the models where ours are.

    With storage it serves that one model, by the name of the service unless the model's own settings name it, and is
    ready with it. Of several models, one that is not ready must not take the pod away from the others.
    """
    ports = _ports(server)
    env = {
        "MLSERVER_HOST": "0.0.0.0",  # noqa: S104 - a pod's address is not known beforehand
        "MLSERVER_MODELS_DIR": names.MODEL_DIR,
        "MLSERVER_LOAD_MODELS_AT_STARTUP": str(has_storage).lower(),
        **{variable: str(port) for variable, port in ports.items()},
    }
    made = {**server, "name": names.CONTAINER_MAIN}
    if has_storage:
        env["MLSERVER_MODEL_NAME"] = service
    if ports:
        made["ports"] = [{"name": name, "containerPort": ports[variable]} for variable, (name, _) in _PORTS.items()]
        if has_storage:
            handler = {"path": "/v2/health/ready", "port": ports["MLSERVER_HTTP_PORT"]}
            made.setdefault("readinessProbe", {"httpGet": handler, "periodSeconds": 1})
    written = [{"name": variable, "value": value} for variable, value in env.items()]
    return {**made, "env": merge_by("name", server.get("env") or [], written)}


def _ports(server: Manifest) -> dict[str, int]:
    """The ports to declare, by their variables; none where the server declares its own.

    All are written into the variables, since the image may have others.
    """
    if server.get("ports"):
        return {}
    told = {entry["name"]: str(entry.get("value")) for entry in server.get("env") or ()}
    return {
        variable: int(told[variable]) if told.get(variable, "").isdecimal() else default
        for variable, (_, default) in _PORTS.items()
    }
