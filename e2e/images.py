"""The images of a test run: built once for the same sources, and made known to the cluster. `make images` runs this.

A tag is the hash of what goes into the image, so a changed source gives a new tag, which Kubernetes rolls out, and an
unchanged one is not built again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

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

    def build(self, name: str, source: Source, *options: str) -> None:
        """Build the image with options of the program; its output goes to stderr."""
        print(f"building {name}", file=sys.stderr, flush=True)
        command = [*self.build_command, *options, "-f", source.dockerfile, "-t", name, source.context]
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
    node = node_command(environ)
    if not node.exists():
        raise SystemExit("no image builder: install docker or podman")
    return Builder((str(node), "build"), (*_buildah(environ), "images", "--noheading"))


def _home(environ: Mapping[str, str]) -> Path:
    """Where the test node keeps its state."""
    return Path(environ.get("KUBE_NODE_HOME", "/var/tmp/kube-node"))


def _buildah(environ: Mapping[str, str]) -> tuple[str, ...]:
    """buildah on the test node's images."""
    home = _home(environ)
    return "buildah", "--root", f"{home}/images", "--runroot", f"{home}/run/images", "--storage-driver", "overlay"


def _ctr(environ: Mapping[str, str], *args: str) -> str:
    """What `ctr` says of the test node's containerd."""
    command = ["ctr", "--address", str(_home(environ) / "run" / "containerd.sock"), "-n", "k8s.io", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


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
    known = _ctr(target.environ, "images", "ls", "-q").split()
    for image in images.values():
        if f"docker.io/{image}" not in known:
            subprocess.run([target.node, "load", image], check=True)
    return images


def load_layers(environ: Mapping[str, str], image: str) -> None:
    """Make an image known to the test node by the layers that the node lacks.

    For an image on top of one that is known: `node load` takes a minute to write all of it anew.
    """
    name = f"docker.io/{image}"
    if name in _ctr(environ, "images", "ls", "-q").split():
        return
    with TemporaryDirectory(dir="/var/tmp") as folder:  # on a disk: layers may have hundreds of megabytes
        layout, archive = Path(folder, "layout"), Path(folder, "image.tar")
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for digest in _ctr(environ, "content", "ls", "-q").split():
            (blobs / digest.removeprefix("sha256:")).touch()  # buildah does not write what it finds
        subprocess.run([*_buildah(environ), "push", "-q", image, f"oci:{layout}:{name}"], check=True)
        with tarfile.open(archive, "w") as tar:
            for file in (path for path in layout.rglob("*") if path.is_file() and path.stat().st_size):
                tar.add(file, file.relative_to(layout))
        _ctr(environ, "images", "import", "--base-name", name.rpartition(":")[0], str(archive))


def main() -> None:
    """Build our three images and print their sizes."""
    builder = find_builder()
    for image in build_all(builder, OURS).values():
        print(f"{image:<36} {builder.size(image)}")


if __name__ == "__main__":
    main()
