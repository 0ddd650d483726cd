"""`mooring demo`: KServe's multi-model walk-through on real files, on this machine, without a cluster.

Everything goes through the commands that a user would type; nothing is looked up behind their back.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mooring_operator.local import demo_storage
from mooring_operator.local.client import Failed, say
from mooring_operator.local.demo_stage import Stage, expect
from mooring_operator.local.loopback import HOST, Leases, is_free
from mooring_operator.local.process import Guard

FILES = Path(__file__).parents[3] / "examples" / "demo"
"""The demo runs from a checkout."""
SERVICE = "custom-model-mms"
HOSTNAME = f"{SERVICE}.default.example.com"
IMAGE = "mooring/runtime:0.1.0"
MODELS = ("model1-custom", "model2-custom", "alexnet")
STEPS = 9


def demo(environ: Mapping[str, str], say: Callable[[str], None] = say) -> int:
    """Run it; returns 0 when everything was as expected. No process and no file is left either way."""
    if not FILES.is_dir():
        raise Failed(f"the demo needs its files in {FILES}: run it from a checkout of the repository (`make demo`)")
    began, leases, guard = time.monotonic(), Leases(), Guard()
    port = 8080 if is_free(8080) else leases.lease()
    s3_port = leases.lease()
    say("Many models in one server, on this machine, without a cluster.")
    say("The commands below are the ones that you would type.")
    with tempfile.TemporaryDirectory(prefix="mooring-demo-") as folder:
        stage = Stage(Path(folder), port, guard, _environ(environ, s3_port), say, STEPS)
        try:
            _store_models(stage, s3_port)
            _serve_models(stage)
            _ask_models(stage)
            _clean_up(stage)
        finally:
            stage.close()
            guard.close()
    _say_what_next(say, time.monotonic() - began)
    return 0


def _environ(environ: Mapping[str, str], s3_port: int) -> dict[str, str]:
    """What the manifests' ${NAME}s stand for; without what the shell says of the user's own AWS and proxies."""
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        "CUSTOM_MODEL_SERVER_IMAGE": IMAGE,
        "S3_ENDPOINT": f"{HOST}:{s3_port}",
        "MODEL1_STORAGE_URI": f"s3://{demo_storage.BUCKET}/model1",
        "MODEL2_STORAGE_URI": f"s3://{demo_storage.BUCKET}/model2",
        "ALEXNET_STORAGE_URI": f"s3://{demo_storage.BUCKET}/alexnet",
    }


def _store_models(stage: Stage, s3_port: int) -> None:
    made = stage.folder / "made"
    with stage.step("Make three models: y = 2x + 1, y = x * x, and AlexNet with weights from a fixed seed"):
        argv = [sys.executable, str(FILES / "make_models.py"), str(made)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 (our own script)
        expect(result.returncode == 0, f"make_models.py ended with {result.returncode}:\n{result.stderr}")
        (made / "request.json").rename(stage.folder / "request.json")
        (made / "expected.json").rename(stage.folder / "expected.json")
    with stage.step("Put them into an S3 server"):
        stage.keep(demo_storage.start(s3_port, stage.folder / "s3.log", stage.guard))
        size_bytes = demo_storage.upload(s3_port, made)
        stage.show(f"s3://{demo_storage.BUCKET} at {HOST}:{s3_port}, {size_bytes / 1e6:.0f} MB")


def _serve_models(stage: Stage) -> None:
    with stage.step("Create the InferenceService"):
        port = "" if stage.port == 8080 else f" --port {stage.port}"
        stage.command(f"mooring local up inferenceservice.yaml storage.yaml{port}")
        stage.start_up(FILES / "inferenceservice.yaml", FILES / "storage.yaml")
        stage.until("the service is ready", lambda: stage.is_ready("InferenceService", [SERVICE]))
        stage.command("mooring local get inferenceservice")
        stage.client().get("inferenceservice", None, "default", "table")
    with stage.step("Deploy the TrainedModels"):
        stage.command("mooring local apply -f trainedmodels.yaml -f alexnet.yaml")
        stage.client().apply([FILES / "trainedmodels.yaml", FILES / "alexnet.yaml"], stage.environ)
        stage.until("the models are loaded", lambda: stage.is_ready("TrainedModel", MODELS))
        stage.command("mooring local get trainedmodel")
        stage.client().get("trainedmodel", None, "default", "table")
    with stage.step("See what the agent did"):
        stage.command(f"mooring local logs {SERVICE} -c agent")
        lines: list[str] = []
        stage.agent_log(SERVICE, lines.append)
        text = "".join(lines)
        stage.show("\n".join(line for line in text.splitlines() if '"info"' in line))
        for name in MODELS:
            expect(f"Successfully loaded model {name}" in text, f"the agent's log says nothing of {name}")


def _ask_models(stage: Stage) -> None:
    with stage.step("Query the models"):
        for name, x, y in (("model1-custom", 1.0, 3.0), ("model2-custom", 2.0, 4.0)):
            status, answer = stage.curl(f"/v2/models/{name}/infer", _question(x), HOSTNAME)
            expect(status == 200 and answer["outputs"][0]["data"] == [y], f"{name}({x}) should be {y}")
        status, _ = stage.curl(f"/default/{SERVICE}/v2/models/model1-custom/infer", _question(1.0))
        expect(status == 200, "the path should lead to the same place as the Host header")
    with stage.step("Query AlexNet with a picture"):
        body = (stage.folder / "request.json").read_text()
        status, answer = stage.curl("/v1/models/alexnet:predict", body, HOSTNAME, shown_body="@request.json")
        wanted: list[float] = json.loads((stage.folder / "expected.json").read_text())
        got: list[float] = answer.get("predictions", [])
        same = len(got) == 5 and all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(got, wanted, strict=True))
        expect(status == 200 and same, f"the five values should be {wanted}")
        stage.show("the same five values as plain PyTorch computed when the model was made")


def _clean_up(stage: Stage) -> None:
    with stage.step("Delete a model: it is unloaded, the others stay"):
        stage.command("mooring local delete trainedmodel model1-custom")
        stage.client().delete("trainedmodel", "model1-custom", "default")
        stage.until("the model is unloaded", lambda: stage.status_of("/v2/models/model1-custom", HOSTNAME) == 404)
        status, _ = stage.curl("/v2/models/model1-custom/infer", _question(1.0), HOSTNAME)
        expect(status == 404, "a deleted model should not be found")
        expect(stage.is_ready("TrainedModel", MODELS[1:]), "the other models should stay")
    with stage.step("Delete the service: its models and processes go with it"):
        stage.command(f"mooring local delete inferenceservice {SERVICE}")
        stage.client().delete("inferenceservice", SERVICE, "default")
        stage.until("the pods are gone", lambda: not stage.objects("Pod"))
        stage.command("mooring local get trainedmodel")
        stage.client().get("trainedmodel", None, "default", "table")
        expect(not stage.objects("TrainedModel"), "the models should go with the service")
        stage.command("mooring local down")
        expect(stage.stop_up() == 0, "`mooring local up` should end well")


def _question(x: float) -> str:
    tensor = {"name": "input-0", "shape": [1], "datatype": "FP32", "data": [x]}
    return json.dumps({"inputs": [tensor]})


def _say_what_next(say: Callable[[str], None], seconds: float) -> None:
    say(f"\nAll as expected, in {seconds:.0f} s. Nothing is left running.")
    say("\nTry next:")
    say("  export CUSTOM_MODEL_SERVER_IMAGE=mooring/runtime:0.1.0")
    say("  .venv/bin/mooring local up examples/demo/inferenceservice.yaml")
    say("      then edit and save the file, and in another terminal: mooring local get isvc")
    say("  put a model.pt into ~/.mooring/pvc/mine/, apply a TrainedModel with storageUri: pvc://mine")
    say("  mooring local --help")
    say("  the same files on Kubernetes: kubectl apply (see the README)")
