"""KServe and MLServer, each in a virtual environment of its own, made once, with the torch that we run on."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from e2e.target import ROOT

ENVIRONMENTS = Path("/var/tmp/mooring-peers")
OPERATORS = ROOT / "runtime" / "mooring_runtime" / "torchvision_ops.py"
"""Why it is needed beside a CPU torch, its docstring says."""
DECLARE = "import torchvision_ops; torchvision_ops.declare_absent_operators()  # Mooring's bench\n"


@dataclass(frozen=True)
class Peer:
    """Another server, as pip knows it."""

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Its environment."""
        return ENVIRONMENTS / f"runtime-{self.name}"

    def program(self, name: str) -> str:
        """A command of its environment."""
        return str(self.folder / "bin" / name)

    def install(self) -> None:
        """Make its environment on first use (minutes, a gigabyte)."""
        shared = [f"{name}=={_release(name)}" for name in ("torch", "numpy", "pillow")]
        vision = f"torchvision=={_release('torchvision')}"
        done, wanted = self.folder / ".installed", "\n".join([*self.requirements, *shared, vision, DECLARE])
        if done.exists() and done.read_text() == wanted:
            return
        print(f"installing {' '.join(self.requirements)} under {self.folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder], check=True)
        pip = [self.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *shared], check=True)
        subprocess.run([*pip, "--no-deps", vision], check=True)
        subprocess.run([*pip, *self.requirements, *shared], check=True)
        self._declare_operators()
        done.write_text(wanted)

    def _declare_operators(self) -> None:
        """In the package itself: MLServer's worker processes import it too, and a model file is not to be edited."""
        package = next(self.folder.glob("lib/python*/site-packages/torchvision")) / "__init__.py"
        shutil.copy(OPERATORS, package.parents[1])
        package.write_text(DECLARE + package.read_text())

    def release(self) -> str:
        """What was installed."""
        code = f"from importlib.metadata import version; print(version({self.name!r}))"
        command = [self.program("python"), "-c", code]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _release(package: str) -> str:
    return version(package).partition("+")[0]


KSERVE = Peer("kserve", ("kserve==0.21.*",))
MLSERVER = Peer("mlserver", ("mlserver==1.7.1", "uvloop<0.22"))  # it uses a loop policy that uvloop 0.22 dropped
