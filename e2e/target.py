"""Where the tests run: the environment of the commands, the ingress address and the storage servers.

With CI=true or MOORING_NODE=1 that is the test node of `../shared/kube`, which is started here; otherwise it is the
current kubectl context, and the addresses come from the same environment variables that `node env` prints.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "mooring"
"""Of every image name of ours."""
START_ATTEMPTS = 3
LOG_CHARACTERS = 2000


@dataclass(frozen=True)
class Target:
    """A cluster and what is around it."""

    environ: Mapping[str, str]
    """Environment of every command: KUBECONFIG, PATH."""
    node: Path | None
    """The test node's command; None on a cluster that somebody else runs."""

    @property
    def ingress_url(self) -> str:
        """Where the ingress controller listens."""
        return f"http://{self.need('INGRESS_HOST')}:{self.environ.get('INGRESS_PORT', '80')}"

    def need(self, variable: str) -> str:
        """The value of `variable`; the message says how to get one."""
        try:
            return self.environ[variable]
        except KeyError:
            raise LookupError(
                f"{variable} is not set: set it for your cluster, or run with MOORING_NODE=1 on the test node"
            ) from None


def node_command(environ: Mapping[str, str] = os.environ) -> Path:
    """The test node's command, `../shared/kube/node` unless MOORING_NODE_BIN says otherwise."""
    return Path(environ.get("MOORING_NODE_BIN", ROOT.parent / "shared" / "kube" / "node"))


def wants_node(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the tests are to run on the test node."""
    return environ.get("MOORING_NODE") == "1" or environ.get("CI") == "true"


def start_node(node: Path) -> None:
    """Start the test node and its storage servers; what is already up stays as it is.

    A second `up` is for a race within the first: the kubelet ends for good when it asks containerd too early ("server
    is not initialized yet" in `node logs kubelet`), and `up` starts whatever does not run.

    Raises:
        RuntimeError: with the end of the kubelet's log, when the node does not come up.
    """
    for _ in range(START_ATTEMPTS):
        if subprocess.run([node, "up"]).returncode == 0:
            subprocess.run([node, "storage"], check=True)
            return
    log = subprocess.run([node, "logs", "kubelet"], capture_output=True, text=True).stdout[-LOG_CHARACTERS:]
    raise RuntimeError(f"`{node} up` failed {START_ATTEMPTS} times; the kubelet's log ends with:\n{log}")


def open_target() -> Target:
    """The target as it is; starts the test node and its storage servers when they are wanted."""
    if not wants_node():
        return Target(dict(os.environ), None)
    node = node_command()
    start_node(node)
    shell = f'eval "$({node} env)" && env -0'
    printed = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True).stdout
    return Target(dict(line.split("=", 1) for line in printed.split("\0") if line), node)
