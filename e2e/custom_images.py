"""Images of users' own: the Dockerfiles of `examples/` with the programs of the documents, on our runtime's image."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from e2e import alexnet
from e2e.images import Source, find_builder, load_layers
from e2e.target import ROOT, Target

KSERVE = "examples/custom-model/Dockerfile"
MLSERVER = "examples/mlserver-model/Dockerfile"
"""Of `examples/`, as its readers build them."""


@dataclass(frozen=True)
class Workshop:
    """Builds images on top of the runtime's, for the test node alone: on another cluster the tests are skipped."""

    target: Target
    runtime_image: str

    def kserve(self, name: str, program: str) -> str:
        """The image of a program in KServe's SDK that serves AlexNet."""
        files = {"model.py": program.encode(), f"torch/{alexnet.WEIGHTS}": alexnet.checkpoint()}
        return self._image(name, KSERVE, files)

    def mlserver(self, name: str, program: str) -> str:
        """The image of a class in MLServer's SDK."""
        return self._image(name, MLSERVER, {"custom_model.py": program.encode()})

    def _image(self, name: str, dockerfile: str, files: Mapping[str, bytes]) -> str:
        """Build the image and make it known to the node, unless the same one is."""
        if self.target.node is None:
            pytest.skip("images of the documents' programs are built for the test node only (MOORING_NODE=1)")
        whole = hashlib.sha256(self.runtime_image.encode() + (ROOT / dockerfile).read_bytes())
        for path in sorted(files):
            whole.update(path.encode() + hashlib.sha256(files[path]).digest())
        image = f"mooring/{name}:{whole.hexdigest()[:12]}"
        builder = find_builder(self.target.environ)
        if builder.size(image) is None:
            with TemporaryDirectory(dir="/var/tmp") as context:
                _write(Path(context), files)
                builder.build(image, Source(dockerfile, (), context), "--build-arg", f"RUNTIME={self.runtime_image}")
        load_layers(self.target.environ, image)
        return image


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, all of one age, so that a layer of the same files is the same layer."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
