"""The documents' custom runtimes: images built from our Dockerfiles and the documents' programs, the documents' own
manifests, and the commands that they print, run as they stand.
"""

import base64
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.runtime import seeds

from e2e import alexnet
from e2e.custom_images import Workshop
from e2e.kube import Manifest
from e2e.manifests import inference_service
from e2e.namespace import Namespace
from e2e.serving import front
from e2e.storage import Storage
from e2e.target import ROOT, Target

BUCKET = "custom-runtimes"
SAMPLE_URI = "s3://example-models/models/doubler"


@pytest.fixture(scope="module")
def workshop(target: Target, images: dict[str, str]) -> Workshop:
    return Workshop(target, images["runtime"])


@pytest.fixture
def desk(tmp_path: Path, space: Namespace) -> Path:
    """A user's folder: `input.json` with the picture, and a kubeconfig for the namespace."""
    encoded = base64.b64encode(alexnet.picture()).decode()
    (tmp_path / "input.json").write_text(json.dumps({"instances": [{"image": {"b64": encoded}}]}))
    config = tmp_path / "kubeconfig"
    config.write_text(space.cluster.kubectl("config", "view", "--raw", "--flatten"))
    space.cluster.kubectl("config", "set-context", "--current", f"--namespace={space.name}", f"--kubeconfig={config}")
    return tmp_path


def example(path: str, values: dict[str, str]) -> str:
    """A manifest of `examples/` with the user's own names instead of its samples."""
    text = (ROOT / "examples" / path).read_text()
    for sample, own in values.items():
        assert sample in text, f"examples/{path} has no {sample}"
        text = text.replace(sample, own)
    return text


def commands(number: str, *words: str) -> str:
    """The document's first block of shell commands that holds all of `words`."""
    return next(block for block in seeds.blocks(number, "bash") if all(word in block for word in words))


def predicted(space: Namespace, desk: Path, script: str, pattern: str) -> list[float]:
    """The numbers that a script prints as `pattern` says; in the user's folder, with the user's kubeconfig."""

    def found() -> re.Match[str] | None:
        done = space.cluster.run("bash", "-euc", f"cd {desk}; export KUBECONFIG={desk}/kubeconfig\n{script}")
        return re.search(pattern, done.out)

    # again for a moment: a fresh pod's address reaches the ingress controller after it is Ready
    values: list[float] = json.loads(space.until(f"{script} prints {pattern}", found, 10)[1])
    return values


def complaints(space: Namespace, service: str) -> list[str]:
    """Lines at level WARNING and above in the log of the service's server."""
    (pod,) = space.pods(service)
    said = space.logs(pod["metadata"]["name"], "kserve-container")
    return [line for line in said.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|Traceback", line)]


def test_document_003_s_rest_service_answers_its_curl(space: Namespace, desk: Path, workshop: Workshop) -> None:
    image = workshop.kserve("custom-model", seeds.rest_program_003())
    space.kubectl("apply", "-f", "-", stdin=example("custom.yaml", {"example/custom-model:v1": image}))
    space.until_ready("InferenceService", "custom-model", timeout_s=120)
    values = predicted(space, desk, commands("003", "curl -v", "${SERVICE_HOSTNAME}"), r'^\{"predictions":(\[.*\])\}$')
    assert values == pytest.approx(alexnet.five_largest_logits(), rel=1e-4)
    assert complaints(space, "custom-model") == []


def test_document_003_s_grpc_service_answers_its_client(space: Namespace, desk: Path, workshop: Workshop) -> None:
    image = workshop.kserve("custom-model-grpc", seeds.grpc_program_003())
    space.kubectl("apply", "-f", "-", stdin=example("custom_grpc.yaml", {"example/custom-model-grpc:v1": image}))
    (desk / "grpc").mkdir()
    (desk / "grpc" / "grpc_client.py").write_text(seeds.program("003", "InferenceGRPCClient"))
    space.until_ready("InferenceService", "custom-model-grpc", timeout_s=120)
    names = commands("003", "inferenceservice custom-model-grpc") + "export MODEL_NAME SERVICE_HOSTNAME\n"
    client = f"{sys.executable} -m mooring_runtime run grpc_client.py"
    values = predicted(space, desk, f"cd grpc\n{names}{client}", r'"data": (\[[^]]*\])')
    assert values == pytest.approx(alexnet.five_largest_logits(), rel=1e-4)
    assert complaints(space, "custom-model-grpc") == []


@dataclass(frozen=True)
class Template:
    """What a document says about a runtime in MLServer's SDK."""

    document: str
    program: Callable[[], str]
    """The document's class, with its TODOs done."""
    names: tuple[str, str, str]
    """What its manifest leaves open: the runtime's name, the model format, the image."""


TEMPLATES = (
    Template("001", seeds.template_001, ("{{MODEL_TYPE}}", "{{MODEL_TYPE}}", "{{CUSTOM_RUNTIME_MLSERVER_IMAGE}}")),
    Template("002", seeds.template_002, ("{{CUSTOM-RUNTIME-NAME}}", "{{MODEL-FORMAT-NAMES}}", "{{CUSTOM-IMAGE-NAME}}")),
)


@pytest.fixture(params=TEMPLATES, ids=lambda template: f"document {template.document}")
def doubling(request: pytest.FixtureRequest, space: Namespace, storage: Storage, workshop: Workshop) -> str:
    """The document's ServingRuntime, with the image of its filled-in class; a model's URI."""
    template: Template = request.param
    image = workshop.mlserver(f"custom-mlserver-{template.document}", template.program())
    manifest = next(block for block in seeds.blocks(template.document, "yaml") if "kind: ServingRuntime" in block)
    for name, value in zip(template.names, ("doubler", "doubler", image), strict=True):
        manifest = manifest.replace(name, value)
    space.kubectl("apply", "-f", "-", stdin=manifest)
    return storage.s3_folder(BUCKET, "doubler", {"model.json": b'{"factor": 2}'})


def test_a_document_s_runtime_serves_the_model_of_a_service(space: Namespace, target: Target, doubling: str) -> None:
    header, row = space.kubectl("get", "servingruntimes").strip().splitlines()
    assert header.split() == ["NAME", "DISABLED", "MODELTYPE", "CONTAINERS", "AGE"]
    assert row.split()[:3] == ["doubler", "doubler", "mlserver"]
    space.kubectl("apply", "-f", "-", stdin=example("mlserver-model/inferenceservice.yaml", {SAMPLE_URI: doubling}))
    space.until_ready("InferenceService", "doubler", timeout_s=120)
    with front(target.ingress_url, f"doubler.{space.name}.example.com") as served:
        assert space.until("the model answers", lambda: served.answer("doubler", 3.0), 10) == 6.0
    address = space.get("Service", "doubler")["spec"]["clusterIP"]
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "contents": {"fp32_contents": [4.0]}}
    body = json.dumps({"model_name": "doubler", "inputs": [tensor]})
    call = ("-plaintext", "-d", body, f"{address}:8001", "inference.GRPCInferenceService/ModelInfer")
    answer = space.until("grpcurl succeeds", lambda: space.cluster.run("grpcurl", *call).out, 10)
    assert json.loads(answer)["outputs"][0]["contents"]["fp32Contents"] == [8.0]
    assert complaints(space, "doubler") == []


def test_a_document_s_runtime_serves_trained_models(space: Namespace, target: Target, doubling: str) -> None:
    space.kubectl("apply", "-f", "-", stdin=example("mlserver-model/trainedmodels.yaml", {SAMPLE_URI: doubling}))
    space.until_ready("TrainedModel", "doubler-1", timeout_s=120)
    with front(target.ingress_url, f"doublers.{space.name}.example.com") as served:
        assert space.until("the model answers", lambda: served.answer("doubler-1", 3.0), 10) == 6.0
    assert complaints(space, "doublers") == []


# Programs that do not work.

NEVER_READY = """
from kserve import Model, ModelServer

class Unready(Model):
    def load(self):
        self.ready = False

model = Unready("unready")
model.load()
ModelServer().start([model])
"""


def program_service(name: str, image: str, program: str) -> tuple[Manifest, Manifest]:
    """A service whose server runs a program, and the ConfigMap that the program is mounted from."""
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"model.py": program}}
    mount = {"name": "program", "mountPath": "/program"}
    volume = {"name": "program", "configMap": {"name": name}}
    args = ["run", "/program/model.py"]
    return held, inference_service(name, image, {"volumes": [volume]}, args=args, volumeMounts=[mount])


def test_a_program_that_fails_at_its_start_is_told_with_its_last_words(
    space: Namespace, images: dict[str, str]
) -> None:
    space.apply(*program_service("broken", images["runtime"], "import kserve\nimport absent_library\n"))
    space.until_message("InferenceService", "broken", "kserve-container", "No module named 'absent_library'")


def test_a_model_that_never_gets_ready_is_told_with_what_its_load_must_do(
    space: Namespace, images: dict[str, str]
) -> None:
    space.apply(*program_service("unready", images["runtime"], NEVER_READY))
    space.until_message("InferenceService", "unready", "kserve-container", "Its load must set self.ready = True")
