"""The house stands as docs/architecture.md draws it: who imports whom, and where no package may be."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent

BLOCKER = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED or name in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not in this image", name=name)

sys.meta_path.insert(0, Blocker())
package = importlib.import_module(PACKAGE)
for module in pkgutil.walk_packages(package.__path__, PACKAGE + "."):
    if not any(module.name.startswith(skip) for skip in SKIPPED):
        importlib.import_module(module.name)
"""

OPERATOR_ONLY = {"kopf", "kubernetes", "yaml"}
AGENT_ONLY = {"boto3", "botocore", "google"}
RUNTIME_ONLY = {"torch", "torchvision", "fastapi", "uvicorn", "grpc", "numpy", "orjson", "safetensors", "PIL"}


def test_imports_keep_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        pytest.param("mooring_api", OPERATOR_ONLY | AGENT_ONLY | RUNTIME_ONLY | {"aiohttp"}, id="api"),
        pytest.param("mooring_operator", AGENT_ONLY | RUNTIME_ONLY - {"orjson"}, id="operator"),
        pytest.param("mooring_agent", OPERATOR_ONLY | RUNTIME_ONLY - {"grpc"}, id="agent"),
        pytest.param("mooring_runtime", OPERATOR_ONLY | (AGENT_ONLY - {"google"}) | {"aiohttp", "ray"}, id="runtime"),
    ],
)
def test_a_component_imports_without_the_other_images_modules(package: str, blocked: set[str]) -> None:
    # What begins with these: the extra `ray` is in none of the images.
    skipped = [f"{package}.__main__", "mooring_runtime.ray", "mooring_runtime.sdk.ray_deployment"]
    script = f"BLOCKED, PACKAGE, SKIPPED = {blocked!r}, {package!r}, {skipped!r}\n{BLOCKER}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_local_mode_needs_neither_kopf_nor_the_cluster_client() -> None:
    script = f"BLOCKED, PACKAGE, SKIPPED = {{'kopf', 'kubernetes'}}, 'mooring_operator.local', []\n{BLOCKER}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["operator", "agent", "runtime", "crds", "tests"])
def test_no_folder_shadows_the_standard_library(folder: str) -> None:
    top = [ROOT / folder / "__init__.py"]
    found = list((ROOT / folder).rglob("__init__.py")) if folder == "tests" else [p for p in top if p.exists()]
    assert not found, "a package here breaks the interpreter or pytest's importlib mode"


def test_only_one_module_uses_the_kubernetes_client() -> None:
    users = {
        path.name
        for path in (ROOT / "operator").rglob("*.py")
        if any(line.startswith(("import kubernetes", "from kubernetes")) for line in path.read_text().splitlines())
    }
    assert users == {"cluster.py"}


def test_every_lower_bound_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = {
        want.partition(">")[0].partition("[")[0].lower().replace("_", "-")
        for wants in [project["dependencies"], *project["optional-dependencies"].values()]
        for want in wants
    }
    assert wanted <= pinned, f"not pinned in constraints.txt: {sorted(wanted - pinned)}"
