"""The images of a test run: built once for the same sources, and made known to the cluster. `make images` runs this.

A tag is the hash of what goes into the image, so a changed source gives a new tag, which Kubernetes rolls out, and an
unchanged one is not built again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.target import ROOT, Target, node_command, wants_node


@dataclass(frozen=True)
class Source:
    """What one image is made of."""

    dockerfile: str
    inputs: tuple[str, ...]
    """Folders and files, from the repository's root, that go into it."""
    context: str = "."


COMMON = ("pyproject.toml", "constraints.txt", "crds/mooring_api")
OURS = {
    "operator": Source("Dockerfile.operator", ("operator", *COMMON)),
    "agent": Source("Dockerfile.agent", ("agent", *COMMON)),
    "runtime": Source("Dockerfile.runtime", ("runtime", *COMMON)),
}
TINY = {"tiny-server": Source("e2e/tiny_server/Dockerfile", ("e2e/tiny_server",), "e2e/tiny_server")}


def tag(source: Source) -> str:
    """A hash over the image's inputs as they are in the working tree; ignored files do not count."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
    command = [*listing, source.dockerfile, *source.inputs]
    paths = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    whole = hashlib.sha256()
    for path in sorted({path for path in paths if (ROOT / path).is_file()}):
        whole.update(f"{path}\0".encode() + hashlib.sha256((ROOT / path).read_bytes()).digest())
    return whole.hexdigest()[:12]


@dataclass(frozen=True)
class Builder:
    """A command that builds images and one that lists them: of the test node, docker or podman."""

    build_command: tuple[str, ...]
    list_command: tuple[str, ...]

    def build(self, name: str, source: Source) -> None:
        """Build the image; its output goes to stderr."""
        print(f"building {name}", file=sys.stderr, flush=True)
        command = [*self.build_command, "-f", source.dockerfile, "-t", name, source.context]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-6000:]}")

    def size(self, name: str) -> str | None:
        """The image's size, as the program prints it; None when there is no such image."""
        command = [*self.list_command, "--format", "{{.Size}}", name]
        done = subprocess.run(command, capture_output=True, text=True)
        return next(iter(done.stdout.split("\n")), "").strip() or None if done.returncode == 0 else None


def find_builder(environ: Mapping[str, str] = os.environ) -> Builder:
    """The test node's builder when it is wanted or nothing else is there, else docker or podman."""
    programs = [] if wants_node(environ) else [p for p in ("docker", "podman") if _works(p)]
    if programs:
        return Builder((programs[0], "build"), (programs[0], "images"))
    node, home = node_command(environ), environ.get("KUBE_NODE_HOME", "/var/tmp/kube-node")
    if not node.exists():
        raise SystemExit("no image builder: install docker or podman")
    storage = ("--root", f"{home}/images", "--runroot", f"{home}/run/images", "--storage-driver", "overlay")
    return Builder((str(node), "build"), ("buildah", *storage, "images", "--noheading"))


def _works(program: str) -> bool:
    """Whether the program is there, and its daemon runs."""
    return shutil.which(program) is not None and subprocess.run([program, "info"], capture_output=True).returncode == 0


def build_all(builder: Builder, sources: Mapping[str, Source]) -> dict[str, str]:
    """Build what is not built yet; image names by component."""
    names = {component: f"mooring/{component}:{tag(source)}" for component, source in sources.items()}
    for component, source in sources.items():
        if builder.size(names[component]) is None:
            builder.build(names[component], source)
    return names


def provide(target: Target) -> dict[str, str]:
    """The images' names by component, all known to the target's cluster.

    Off the test node they are not built: MOORING_IMAGE_OPERATOR, _AGENT, _RUNTIME and _TINY_SERVER name them.
    """
    sources = OURS | TINY
    if target.node is None:
        return {name: target.need(f"MOORING_IMAGE_{name.upper().replace('-', '_')}") for name in sources}
    images = build_all(find_builder(target.environ), sources)
    known = _known_to_containerd(target.environ)
    for image in images.values():
        if f"docker.io/{image}" not in known:
            subprocess.run([target.node, "load", image], check=True)
    return images


def _known_to_containerd(environ: Mapping[str, str]) -> set[str]:
    socket = Path(environ.get("KUBE_NODE_HOME", "/var/tmp/kube-node")) / "run" / "containerd.sock"
    command = ["ctr", "--address", str(socket), "-n", "k8s.io", "images", "ls", "-q"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def main() -> None:
    """Build our three images and print their sizes."""
    builder = find_builder()
    for image in build_all(builder, OURS).values():
        print(f"{image:<36} {builder.size(image)}")


if __name__ == "__main__":
    main()
