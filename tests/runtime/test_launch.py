import base64
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.launched import launched
from tests.runtime.seeds import grpc_program_003, program, rest_program_003

from mooring_runtime import InferenceServerClient, InferInput, InferRequest

FORGOTTEN = "import base64, io\nfrom PIL import Image\nfrom torchvision import transforms\n"
"""Imports that document 000's first program uses and leaves out."""


@pytest.fixture(scope="session")
def torch_home(alexnet_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """torch's cache, with the file in it that `alexnet(pretrained=True)` would download."""
    import torch
    from safetensors.torch import load_file

    home = tmp_path_factory.mktemp("torch")
    checkpoints = home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(load_file(alexnet_weights / "model.safetensors"), checkpoints / "alexnet-owt-7be5be79.pth")
    return str(home)


@pytest.fixture(scope="session")
def picture(jpeg: Callable[[int, int], bytes]) -> bytes:
    return jpeg(320, 280)


@pytest.fixture(scope="session")
def five_values(alexnet_weights: Path, picture: bytes) -> list[float]:
    """What the documents' pipeline makes of the picture."""
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    from mooring_runtime.torchvision_ops import declare_absent_operators

    declare_absent_operators()
    from torchvision import models, transforms

    network = models.alexnet(weights=None).eval()
    network.load_state_dict(load_file(alexnet_weights / "model.safetensors"))
    pipeline = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    with torch.inference_mode():
        output = network(pipeline(Image.open(io.BytesIO(picture))).unsqueeze(0))
    values: list[float] = torch.topk(output, 5).values.flatten().tolist()
    return values


def image_body(picture: bytes) -> dict[str, object]:
    return {"instances": [{"image": {"b64": base64.b64encode(picture).decode()}}]}


def test_document_000_s_rest_model_runs_as_it_stands(
    tmp_path: Path, torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        FORGOTTEN + "from kserve.utils.utils import generate_uuid\n" + program("000", 'payload["instances"]')
    )
    with launched(file, TORCH_HOME=torch_home) as server:
        answer = server.http.post("/v1/models/custom-model:predict", json=image_body(picture))
        np.testing.assert_allclose(answer.json()["predictions"], five_values, rtol=1e-5)


def test_document_003_s_rest_model_runs_with_its_headers_flags_and_middleware(
    tmp_path: Path, torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    file = tmp_path / "model.py"
    file.write_text(rest_program_003())
    with launched(file, "--model_name", "pictures", "--mine", "x", TORCH_HOME=torch_home) as server:
        headers = {"Origin": "http://elsewhere", "X-Request-Id": "r-1"}
        answer = server.http.post("/v1/models/pictures:predict", json=image_body(picture), headers=headers)
        np.testing.assert_allclose(answer.json()["predictions"], five_values, rtol=1e-5)
        assert float(answer.headers["prediction-time-latency"]) > 0
        assert answer.headers["access-control-allow-credentials"] == "true"
    trace = re.compile(r"kserve.trace requestId: r-1, preprocess_ms: [\d.e-]+, explain_ms: 0, ")
    assert any(map(trace.search, server.log))


def test_document_003_s_grpc_model_answers_its_client(
    tmp_path: Path, torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    (tmp_path / "grpc").mkdir()
    (tmp_path / "input.json").write_text(json.dumps(image_body(picture)))
    model, client, old_client = (tmp_path / "grpc" / name for name in ("model_grpc.py", "client.py", "old_client.py"))
    model.write_text(grpc_program_003())
    client.write_text(program("003", "InferenceGRPCClient"))
    old_client.write_text(program("000", "InferenceServerClient"))
    with launched(model, "--model_name", "custom-model", TORCH_HOME=torch_home) as server:
        environ = {**os.environ, "INGRESS_PORT": str(server.grpc_port)}

        def run(file: Path, folder: Path) -> str:
            command = [sys.executable, "-m", "mooring_runtime", "run", str(file)]
            done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        printed = run(client, tmp_path / "grpc")
        shape = r'"id": "[-0-9a-f]{36}","model_name": "custom-model","outputs": \["name": "output-0","shape": \[1, 5\],'
        found = re.fullmatch(
            shape + r'"datatype": "FP32","data": (\[.*\]),"parameters": {}\],"parameters": {},"from_grpc": True\n',
            printed,
        )
        assert found, printed
        np.testing.assert_allclose(json.loads(found[1]), five_values, rtol=1e-5)
        printed = run(old_client, tmp_path)
        values = [float(text) for text in re.findall(r"fp32_contents: (\S+)", printed)]
        np.testing.assert_allclose(values, five_values, rtol=1e-5)


def test_document_003_s_model_on_half_a_gpu_runs_in_a_replica_of_ray(
    tmp_path: Path, torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    pytest.importorskip("ray")
    bind = "    app = AlexNetModel.bind"
    # Ray's own way in, which the document leaves on and does not use, would take port 8000.
    text = program("003", "RayModel", "num_gpus").replace(bind, f'    serve.start(proxy_location="Disabled")\n{bind}')
    file = tmp_path / "model_remote.py"
    file.write_text(text)
    with launched(file, "--model_name", "custom-model", TORCH_HOME=torch_home, RAY_USAGE_STATS_ENABLED="0") as server:
        answer = server.http.post("/v1/models/custom-model:predict", json=image_body(picture))
        np.testing.assert_allclose(answer.json()["predictions"], [five_values], rtol=1e-5)


def test_document_000_s_grpc_model_runs_as_it_stands(
    tmp_path: Path, torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    file = tmp_path / "model_grpc.py"
    file.write_text(program("000", "InferOutput(name"))
    body = {
        "inputs": [
            {"name": "i", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(picture) + 4}}
        ]
    }
    head = json.dumps(body).encode()
    with launched(file, TORCH_HOME=torch_home) as server:
        answer = server.http.post(
            "/v2/models/custom-model/infer",
            content=head + len(picture).to_bytes(4, "little") + picture,
            headers={"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"},
        )
        np.testing.assert_allclose(answer.json()["outputs"][0]["data"], five_values, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "usage:"), (("-m",), "-m takes the name of a module"), (("absent.py",), "absent.py: no such file")],
)
def test_a_wrong_call_is_told(arguments: tuple[str, ...], told: str) -> None:
    command = [sys.executable, "-m", "mooring_runtime", "run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert told in done.stderr


def test_a_module_runs_with_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import kserve, sys\nprint(__name__, sys.argv[1:], kserve.Model.__module__)\n")
    command = [sys.executable, "-m", "mooring_runtime", "run", "-m", "mine", "--flag", "x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "__main__ ['--flag', 'x'] mooring_runtime.model\n", done.stderr


EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "custom-model"


def test_the_example_starts_by_its_procfile_and_answers_both_protocols(
    torch_home: str, picture: bytes, five_values: list[float]
) -> None:
    web = next(line for line in (EXAMPLE / "Procfile").read_text().splitlines() if line.startswith("web: "))
    program_name, verb, file, *flags = shlex.split(web.removeprefix("web: "))
    assert (program_name, verb) == ("mooring-runtime", "run")
    with launched(EXAMPLE / file, *flags, TORCH_HOME=torch_home) as server:
        answer = server.http.post("/v1/models/custom-model:predict", json=image_body(picture))
        np.testing.assert_allclose(answer.json()["predictions"], five_values, rtol=1e-5)
        tensor = InferInput("image", [1], "BYTES", data=[picture])
        client = InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        try:
            message = client.infer(InferRequest("custom-model", [tensor]))
        finally:
            client.close()
        np.testing.assert_allclose(message.outputs[0].contents.fp32_contents, five_values, rtol=1e-5)


KSERVE_PROGRAM = """
import argparse
import kserve
from kserve import Model, ModelServer, logging
from kserve.model_server import app

class Doubler(Model):
    async def predict(self, payload, headers=None, response_headers=None):
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
    model = Doubler(args.model_name)
    model.load()
    ModelServer().start({"alias": model})
"""


@pytest.fixture
def kserve_program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(KSERVE_PROGRAM)
    return file


def test_routes_of_the_program_s_own_are_served_beside_ours(kserve_program: Path) -> None:
    with launched(kserve_program, "--greeting=hi", "--enable_docs_url", "true") as server:
        assert server.http.get("/greeting").json() == "hi"
        assert server.http.get("/v2/stranger").status_code == 404
        answer = server.http.post("/v1/models/alias:predict", json={"instances": [1, 2]})
        assert answer.json() == {"predictions": [2, 4]}
        assert "swagger" in server.http.get("/docs").text.lower()


def run_to_its_end(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mooring_runtime", "run", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("text", ["version: 1\nhandlers: 3\n", "{"], ids=["nonsense", "no yaml"])
def test_a_log_config_that_is_none_names_its_flag(kserve_program: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "log.yaml").write_text(text)
    done = run_to_its_end(kserve_program, "--log_config_file", str(tmp_path / "log.yaml"))
    assert done.returncode != 0
    assert "--log_config_file" in done.stderr


def test_an_access_log_format_that_is_none_names_its_flag(kserve_program: Path) -> None:
    done = run_to_its_end(kserve_program, "--access_log_format", "%(nothing)s", "--http_port", "0", "--grpc_port", "0")
    assert done.returncode == 1
    assert "--access_log_format: there is no %(nothing)s" in done.stderr
