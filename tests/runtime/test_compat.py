import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mooring_runtime import InferRequest, InferResponse
from mooring_runtime.errors import InvalidInput
from mooring_runtime.predict_response import get_predict_response

RUN = (sys.executable, "-m", "mooring_runtime", "run")

PROGRAMS = Path(__file__).parent.parent / "golden" / "kserve_programs"
"""Seeds 000 and 003 as they stand."""

SHOW_ARGUMENTS = "import sys; print(__name__, sys.argv[1:], sys.path[0])"

ALIASES = """
import sys
import kserve, kserve.utils.utils
from kserve.model_server import ModelServer
import mooring_runtime
from mooring_runtime.compat import finder, kserve as ours
finder.install()
assert kserve is ours and kserve.Model is mooring_runtime.Model and ModelServer is mooring_runtime.ModelServer
assert sys.modules["kserve.utils"] is ours.utils
assert ours.__name__ == ours.__spec__.name == "mooring_runtime.compat.kserve"
assert sum(isinstance(found, finder.AliasFinder) for found in sys.meta_path) == 1
try:
    import kserve.stranger
except ModuleNotFoundError as exc:
    print("absent", exc.name)
"""

KSERVE_PROGRAM = """
import argparse
import kserve
from fastapi.middleware.cors import CORSMiddleware
from kserve import Model, ModelServer, logging
from kserve.model_server import app
from kserve.utils.utils import generate_uuid

class Doubler(Model):
    def __init__(self, name):
        super().__init__(name, return_response_headers=True)
        self.load()

    async def predict(self, payload, headers=None, response_headers=None):
        response_headers.update({"prediction-id": generate_uuid()})
        return {"predictions": [2 * x for x in payload["instances"]]}

parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
parser.add_argument("--greeting")
args, _ = parser.parse_known_args()

@app.get("/greeting")
def greet():
    return args.greeting

if __name__ == "__main__":
    if args.configure_logging:
        logging.configure_logging(args.log_config_file)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    ModelServer().start([Doubler(args.model_name)])
"""

LOG_CONFIG = """
version: 1
disable_existing_loggers: false
handlers: {{file: {{class: logging.FileHandler, filename: {}}}}}
root: {{handlers: [file], level: INFO}}
"""


def finished(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def served(program: Path, *arguments: str) -> Iterator[str]:
    """The address of a program's server that is ready; its log tells it."""
    common = ("--host", "127.0.0.1", "--http_port", "0", "--grpc_port", "0", "--lame_duck_seconds", "0")
    with subprocess.Popen([*RUN, str(program), *common, *arguments], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        lines: list[str] = []
        try:
            for line in child.stderr:
                lines.append(line)
                if "Listening on http://" in line:
                    break
            assert lines, "no log"
            assert "Listening on http://" in lines[-1], "".join(lines)
            url = lines[-1].split("Listening on ")[1].strip()
            deadline = time.monotonic() + 20
            while httpx.get(f"{url}/v2/health/ready").status_code != 200:
                assert time.monotonic() < deadline, "not ready"
                time.sleep(0.02)
            yield url
        finally:
            child.terminate()
            child.communicate(timeout=30)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(KSERVE_PROGRAM)
    return path


def test_a_file_runs_as_main_with_its_own_arguments_and_folder(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW_ARGUMENTS)
    done = finished(str(tmp_path / "show.py"), "--mine", "-m")
    assert done.stdout.strip() == f"__main__ ['--mine', '-m'] {tmp_path}"


def test_a_module_runs_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "folder"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "show.py").write_text(SHOW_ARGUMENTS)
    monkeypatch.setenv("PYTHONPATH", ":".join(str(Path(entry).resolve()) for entry in sys.path if entry))
    monkeypatch.chdir(tmp_path)
    assert finished("-m", "folder.show", "x").stdout.strip() == f"__main__ ['x'] {tmp_path}"


@pytest.mark.parametrize("words", [(), ("--flag",), ("-m",), ("/nowhere/model.py",)], ids=str)
def test_nothing_to_run_is_an_error_that_says_how(words: tuple[str, ...]) -> None:
    done = finished(*words)
    assert done.returncode == 1
    assert "mooring-runtime run" in done.stderr


def test_names_of_kserve_are_our_own_objects(tmp_path: Path) -> None:
    (tmp_path / "aliases.py").write_text(ALIASES)
    done = finished(str(tmp_path / "aliases.py"))
    assert (done.stdout.strip(), done.stderr) == ("absent kserve.stranger", "")


def test_importing_the_runtime_installs_no_hook() -> None:
    script = "import sys; before = list(sys.meta_path); import mooring_runtime; print(sys.meta_path == before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"


def test_a_kserve_program_serves_with_its_flags_routes_middleware_and_headers(program: Path) -> None:
    with served(program, "--model_name", "m", "--greeting=hi") as url, httpx.Client(base_url=url) as http:
        assert http.get("/greeting").json() == "hi"
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/stranger").status_code == 404
        answer = http.post("/v1/models/m:predict", json={"instances": [1, 2]}, headers={"origin": "http://there"})
        assert answer.json() == {"predictions": [2, 4]}
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["prediction-id"]


@pytest.mark.parametrize("text", ["", "version: 1\nhandlers: 3\n", "{"], ids=["empty", "nonsense", "no yaml"])
def test_a_log_config_that_is_none_names_its_flag(program: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "log.yaml").write_text(text)
    done = finished(str(program), "--log_config_file", str(tmp_path / "log.yaml"))
    assert done.returncode == 1
    assert "--log_config_file" in done.stderr


def test_a_log_config_of_the_user_s_takes_the_lines(program: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    (tmp_path / "log.yaml").write_text(LOG_CONFIG.format(log))
    done = finished(str(program), "--log_config_file", str(tmp_path / "log.yaml"), "--host", "203.0.113.1")
    assert done.returncode == 1  # no such address here: the server says so, where its user wants to read it
    assert log.read_text()
    assert done.stderr == ""


def test_a_v1_answer_wraps_predictions() -> None:
    assert get_predict_response({"instances": []}, [[1.5], [2.0]], "m") == {"predictions": [[1.5], [2.0]]}


@pytest.mark.parametrize(
    ("result", "datatype", "data"),
    [
        (np.array([[1.5, 2.0]], np.float32), "FP32", [1.5, 2.0]),
        ([[3, 4]], "INT64", [3, 4]),
        (np.array([["a", "b"]]), "BYTES", ["a", "b"]),
    ],
    ids=["floats", "list", "text"],
)
def test_a_v2_answer_is_one_output_with_the_request_s_id(result: Any, datatype: str, data: list[Any]) -> None:
    answer = get_predict_response(InferRequest("m", [], "7"), result, "m")
    assert isinstance(answer, InferResponse)
    (output,) = answer.outputs
    assert (answer.id, output.name, output.datatype, output.shape) == ("7", "output-0", datatype, (1, 2))
    assert list(output.as_numpy().ravel()) == data


def test_a_v2_answer_of_no_datatype_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no datatype"):
        get_predict_response(InferRequest("m", []), [{"a": 1}], "m")


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory, alexnet_weights: Path) -> Path:
    """A cache of torch's as it is after a download, since `pretrained=True` asks for a hub that tests cannot reach."""
    import torch
    from safetensors.torch import load_file

    home = tmp_path_factory.mktemp("torch")
    (home / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(
        load_file(alexnet_weights / "model.safetensors"), home / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    )
    return home


@pytest.mark.parametrize("seed", ["000", "003"])
def test_an_alexnet_program_answers_an_image(
    seed: str, torch_home: Path, jpeg: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    image = jpeg(300, 260)
    raw = len(image).to_bytes(4, "little") + image
    tensor = {"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    program = PROGRAMS / f"seed_{seed}_model_grpc.py"
    with served(program, "--model_name", "custom-model") as url, httpx.Client(base_url=url, timeout=30) as http:
        answer = http.post("/v2/models/custom-model/infer", content=head + raw, headers=headers)
        assert answer.status_code == 200, answer.text
        (output,) = answer.json()["outputs"]
        assert (output["name"], output["shape"]) == ("output-0", [1, 5])
        assert output["data"] == sorted(output["data"], reverse=True)
