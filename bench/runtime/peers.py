"""KServe in a virtual environment of its own, made once, with the torch that we run on."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ENVIRONMENTS = Path("/var/tmp/mooring-peers")
KSERVE = "kserve==0.21.*"


def kserve_python() -> str:
    """The interpreter that has KServe; makes its environment on first use (minutes, a gigabyte)."""
    folder = ENVIRONMENTS / "bench-kserve"
    python, done = str(folder / "bin" / "python"), folder / ".installed"
    shared = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "numpy", "pillow")]
    wanted = "\n".join([*shared, KSERVE])
    if done.exists() and done.read_text() == wanted:
        return python
    print(f"installing {KSERVE} under {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *shared], check=True)
    subprocess.run([*pip, "--no-deps", f"torchvision=={version('torchvision').partition('+')[0]}"], check=True)
    subprocess.run([*pip, KSERVE, *shared], check=True)
    done.write_text(wanted)
    return python


def kserve_version(python: str) -> str:
    """The release that was installed."""
    command = [python, "-c", "from importlib.metadata import version; print(version('kserve'))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
