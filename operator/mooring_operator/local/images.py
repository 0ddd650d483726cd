"""Images as commands: ours are modules of this installation, others are mapped with `--image IMAGE=COMMAND`."""

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring_api import names
from mooring_operator.local.loopback import HOST
from mooring_operator.local.volumes import Mount, translate

ANNOTATION_COMMAND = f"{names.OUR_PREFIX}/local-command"
"""On an InferenceService: the command that stands for its model server in local mode, as in `--image`."""

_OURS = re.compile(r"(?:^|/)mooring[/-](runtime|agent)(?:[:@].*)?$")
_MODULES = {
    "mooring-runtime": "mooring_runtime",
    "mooring-agent": "mooring_agent.main",
    "mooring-storage-initializer": "mooring_agent.initializer",
}


class UnknownImage(Exception):
    """There is no command for the image; the message says how to give one."""


@dataclass(frozen=True)
class Place:
    """Where a container runs on this machine."""

    ports: Mapping[int, int]
    """Actual port of each port of the manifest, of the whole pod."""
    mounts: tuple[Mount, ...]
    scratch: Path
    """A folder of the pod, for what the container does not mount."""
    claims_dir: Path
    main_port: int = names.HTTP_PORT
    """The port (of the manifest) at which the pod's model server takes HTTP."""
    command: str | None = None
    """From the pod's annotation; for the model server alone."""

    def folder(self, container_path: str) -> str:
        """The host path of a container path; a folder of the pod's own when it is not mounted."""
        translated = translate(container_path, self.mounts)
        return translated if translated != container_path else str(self.scratch / container_path.strip("/"))


@dataclass(frozen=True)
class Launch:
    """What to run."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def is_grpc(port: Mapping[str, Any]) -> bool:
    """Whether a container port carries gRPC (KServe's rule: by its name)."""
    return names.is_grpc_port(port.get("name"))


def http_port(container: Mapping[str, Any]) -> int:
    """The port at which a model server's manifest says it takes HTTP: the first that is not gRPC, else 8080."""
    return next((p["containerPort"] for p in container.get("ports") or () if not is_grpc(p)), names.HTTP_PORT)


def grpc_port(container: Mapping[str, Any]) -> int:
    """The port at which a model server's manifest says it takes gRPC, else 8081."""
    return next((p["containerPort"] for p in container.get("ports") or () if is_grpc(p)), names.GRPC_PORT)


def wanted_ports(container: Mapping[str, Any]) -> tuple[int, ...]:
    """The ports (of the manifest) that a container needs real ports for."""
    declared = [port["containerPort"] for port in container.get("ports") or ()]
    if container["name"] == names.CONTAINER_AGENT:
        return tuple(dict.fromkeys([*declared, names.AGENT_PORT]))
    return tuple(dict.fromkeys([*declared, http_port(container), grpc_port(container)]))


@dataclass(frozen=True)
class Images:
    """The images that local mode can run; `mapped` is image -> command line."""

    mapped: Mapping[str, str] = field(default_factory=dict)

    def launch(self, container: Mapping[str, Any], place: Place, env: Mapping[str, str]) -> Launch:
        """The command of a container.

        `env` is the container's environment, already complete; it fills $(NAME) in the arguments, as kubelet does.

        Raises:
            UnknownImage: the image is neither ours nor mapped.
        """
        args = [translate(expand(arg, env), place.mounts) for arg in container.get("args") or ()]
        custom = place.command or self._mapped_command(container["image"])
        command = _own_command(container, env) if custom is None else _split(custom)
        module = _MODULES.get(command[0])
        if module is None:
            return _foreign(command, container, place, args)
        args = [*command[1:], *args]
        return Launch((sys.executable, "-P", "-m", module, *args, *_FLAGS[module](container, place, args)))

    def _mapped_command(self, image: str) -> str | None:
        return self.mapped.get(image) or self.mapped.get(re.sub(r"(?<=[^/]):[^/:]+$|@.*$", "", image))


def _own_command(container: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    """The command of a container with an image of ours; raises `UnknownImage` for other images."""
    image = container["image"]
    if (match := _OURS.search(image)) is None:
        raise UnknownImage(
            f"local mode runs only images that it knows (mooring/runtime, mooring/agent), not {image!r}; say which "
            f"command stands for it: --image '{image}=COMMAND' or annotation {ANNOTATION_COMMAND}"
        )
    return [expand(part, env) for part in container.get("command") or ()] or [f"mooring-{match[1]}"]


def _split(command: str) -> list[str]:
    try:
        parts = shlex.split(command)
    except ValueError as exc:
        raise UnknownImage(f"the command {command!r} cannot be read: {exc}; correct its quotes") from exc
    if not parts:
        raise UnknownImage(f"the command that stands for the image is empty ({command!r}); give one")
    return parts


def _foreign(command: list[str], container: Mapping[str, Any], place: Place, args: list[str]) -> Launch:
    """A command that is not ours: {port} and the like are filled in, and PORT is in its environment."""
    http, grpc = http_port(container), grpc_port(container)
    values = {
        "port": str(place.ports.get(http, http)),
        "grpc_port": str(place.ports.get(grpc, grpc)),
        "model_dir": place.folder(names.MODEL_DIR),
        "python": sys.executable,
    }
    parts = [re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), part) for part in command]
    program = sys.executable if parts[0] in ("python", "python3") else parts[0]
    return Launch((program, *parts[1:], *args), {"PORT": values["port"]})


def _runtime_flags(container: Mapping[str, Any], place: Place, args: list[str]) -> list[str]:
    return [
        *("--host", HOST),
        *("--http_port", str(place.ports[http_port(container)])),
        *("--grpc_port", str(place.ports[grpc_port(container)])),
        *_unless_given(args, "--model_dir", place.folder(names.MODEL_DIR)),
    ]


def _agent_flags(container: Mapping[str, Any], place: Place, args: list[str]) -> list[str]:
    return [
        *("--host", HOST),
        *("--port", str(place.ports[names.AGENT_PORT])),
        *("--component-port", str(place.ports[place.main_port])),
        *_unless_given(args, "--config-dir", place.folder(names.CONFIG_DIR)),
        *_unless_given(args, "--model-dir", place.folder(names.MODEL_DIR)),
        *("--pvc-dir", str(place.claims_dir)),
    ]


def _initializer_flags(container: Mapping[str, Any], place: Place, args: list[str]) -> list[str]:
    return []


# Appended, so that they win over what the manifest says of the same flag.
_FLAGS: Mapping[str, Callable[[Mapping[str, Any], Place, list[str]], list[str]]] = {
    "mooring_runtime": _runtime_flags,
    "mooring_agent.main": _agent_flags,
    "mooring_agent.initializer": _initializer_flags,
}


def _unless_given(args: list[str], flag: str, value: str) -> list[str]:
    spellings = {flag, flag.replace("_", "-")}
    return [] if any(arg.split("=")[0] in spellings for arg in args) else [flag, value]


def expand(text: str, env: Mapping[str, str]) -> str:
    """`text` with $(NAME) from `env`; $$(NAME) stands for itself, unknown names stay (Kubernetes' rule)."""
    return re.sub(
        r"\$\$\(|\$\(([A-Za-z_][\w.-]*)\)",
        lambda match: "$(" if match[1] is None else env.get(match[1], match[0]),
        text,
    )
