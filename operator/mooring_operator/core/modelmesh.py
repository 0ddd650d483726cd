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

    With storage it serves that one model, by the name of the service unless the model's own settings name it.
    """
    env = {
        "MLSERVER_HOST": "0.0.0.0",  # noqa: S104 - a pod's address is not known beforehand
        "MLSERVER_MODELS_DIR": names.MODEL_DIR,
        "MLSERVER_LOAD_MODELS_AT_STARTUP": str(has_storage).lower(),
    }
    if has_storage:
        env["MLSERVER_MODEL_NAME"] = service
    declared = list(server.get("ports") or ())
    if not declared:  # both are told, since the image may have ports of its own
        written = {entry["name"]: str(entry.get("value")) for entry in server.get("env") or ()}
        for variable, (name, default) in _PORTS.items():
            env[variable] = written[variable] if written.get(variable, "").isdecimal() else str(default)
            declared.append({"name": name, "containerPort": int(env[variable])})
    return {
        **server,
        "name": names.CONTAINER_MAIN,
        "env": merge_by("name", server.get("env") or [], [{"name": key, "value": env[key]} for key in env]),
        "ports": declared,
    }
