"""KServe's multi-model walk-through on one machine: real agent, real runtime, a real S3 server."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import torch
from moto.server import ThreadedMotoServer

from mooring_operator.local.process import last_lines

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
DEMO = Path(__file__).parents[3] / "examples" / "demo"
HOSTNAME = "custom-model-mms.default.example.com"
MODEL = """apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {{name: {name}}}
spec:
  inferenceService: custom-model-mms
  model: {{storageUri: "{uri}", framework: custom, memory: {memory}}}
---
"""


class Times(torch.nn.Module):
    """y = factor * x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[str]:
    """Address of an S3 server with models/times2, models/times3 and models/corrupt; `host:port`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="models")
    for factor in (2, 3):
        path = tmp_path / f"times{factor}.pt"
        torch.jit.save(torch.jit.script(Times(float(factor))), path)
        client.upload_file(str(path), "models", f"times{factor}/model.pt")
    client.put_object(Bucket="models", Key="corrupt/model.pt", Body=b"no model")
    yield f"{host}:{port}"
    server.stop()


def processes_of(folder: Path) -> dict[int, str]:
    """Running processes whose command line names `folder`: pid -> command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if str(folder) in command:
            found[int(entry.name)] = command
    return found


class Session:
    """What a user of the walk-through does and sees."""

    def __init__(self, local: Any) -> None:
        self.local = local

    async def infer(self, model: str, x: float, prefix: str = "", host: str | None = HOSTNAME) -> Any:
        """Status, and the answer's data or error."""
        tensor = {"name": "input-0", "shape": [1], "datatype": "FP32", "data": [x]}
        body = json.dumps({"inputs": [tensor]}).encode()
        status, answer = await self.local.fetch(f"{prefix}/v2/models/{model}/infer", host, body)
        return (status, answer["outputs"][0]["data"] if status == 200 else answer["error"])

    async def until_infer(self, model: str, x: float, wanted: tuple[int, Any]) -> None:
        async def as_wanted() -> bool:
            try:
                status, answer = await self.infer(model, x)
            except OSError:
                return False
            return (status, answer if status == 200 else None) == wanted

        await self.local.until(as_wanted)

    async def until_said(self, name: str, words: str, condition: str = "Ready") -> None:
        """Wait until a TrainedModel's condition is False and says `words` (in reason or message)."""

        async def says() -> bool:
            found = await self.local.condition("TrainedModel", name, condition)
            return found.get("status") == "False" and words in f"{found.get('reason')} {found.get('message')}"

        await self.local.until(says)

    async def agent_log(self) -> list[str]:
        """What the agents said; the pod from before the first model, which may still be ending, has none."""
        files = (await self.local.ask("GET", "/logs/default/custom-model-mms", container="agent"))["files"]
        lines = [line for path in files.values() for line in last_lines(Path(path), 1000, 1_000_000).splitlines()]
        return [json.loads(line)["msg"] for line in lines]


@pytest.fixture
async def session(start: Any, s3: str) -> Session:
    """The InferenceService is ready; the storage's secret is there; no model yet."""
    files = {name: (DEMO / name).read_text() for name in ("inferenceservice.yaml", "storage.yaml")}
    local = await start(
        files,
        S3_ENDPOINT=s3,
        CUSTOM_MODEL_SERVER_IMAGE="mooring/runtime:0.1.0",
        MODEL1_STORAGE_URI="s3://models/times2",
        MODEL2_STORAGE_URI="s3://models/times3",
    )
    await local.ready("custom-model-mms")
    return Session(local)


async def test_the_walk_through(session: Session, tmp_path: Path) -> None:
    local = session.local
    claim = local.data_dir / "pvc" / "claim" / "deep"
    claim.mkdir(parents=True)
    (claim / "model.pt").write_bytes((tmp_path / "times3.pt").read_bytes())

    # Deploy TrainedModels, from s3:// and pvc://
    (local.folder / "trainedmodels.yaml").write_text((DEMO / "trainedmodels.yaml").read_text())
    (local.folder / "pvc.yaml").write_text(MODEL.format(name="from-pvc", uri="pvc://claim/deep", memory="1Mi"))
    await asyncio.gather(*(local.ready(n, "TrainedModel") for n in ("model1-custom", "model2-custom", "from-pvc")))
    status = (await local.item("TrainedModel", "model1-custom"))["status"]
    assert status["url"] == f"http://{HOSTNAME}/v2/models/model1-custom/infer"

    # Verify model loading
    log = await session.agent_log()
    for line in (
        "Downloading model from s3://models/times2",
        "Downloading model from pvc://claim/deep",
        "Successfully loaded model model1-custom",
    ):
        assert line in log

    # Query the models: by Host header, by the cluster's name, by path
    assert await session.infer("model1-custom", 1.0) == (200, [2.0])
    assert await session.infer("model2-custom", 2.0, host="custom-model-mms.default") == (200, [6.0])
    assert await session.infer("from-pvc", 2.0, prefix="/default/custom-model-mms", host=None) == (200, [6.0])

    # Change a storageUri: the old version serves until the new one is loaded
    text = (local.folder / "trainedmodels.yaml").read_text()
    (local.folder / "trainedmodels.yaml").write_text(text.replace("${MODEL1_STORAGE_URI}", "s3://models/times3"))
    answers = []

    async def changed() -> bool:
        answers.append(await session.infer("model1-custom", 1.0))
        return bool(answers[-1] == (200, [3.0]))

    await local.until(changed)
    assert {tuple(answer[1]) for answer in answers if answer[0] == 200} <= {(2.0,), (3.0,)}
    assert {answer[0] for answer in answers} == {200}

    # Delete a model: unloaded, the others stay
    await local.ask("DELETE", "/objects/TrainedModel/default/model2-custom")
    await session.until_infer("model2-custom", 1.0, (404, None))
    assert await session.infer("from-pvc", 1.0) == (200, [3.0])
    assert "Successfully unloaded model model2-custom" in await session.agent_log()

    # Kill the model server: the models come back
    server = next(pid for pid, command in processes_of(local.data_dir).items() if "mooring_runtime" in command)
    os.kill(server, signal.SIGKILL)
    for name in ("model1-custom", "from-pvc"):
        await session.until_infer(name, 1.0, (200, [3.0]))

    # Clean up: the models go with the service, and no process is left
    await local.ask("DELETE", "/objects/InferenceService/default/custom-model-mms")

    async def nothing_left() -> bool:
        kinds = ("InferenceService", "TrainedModel", "Pod", "Deployment", "Service", "Ingress", "ConfigMap")
        left = [body for kind in kinds for body in await local.items(kind)]
        return not left and not processes_of(local.data_dir)

    await local.until(nothing_left)


async def test_what_is_wrong_with_a_model_is_said_where_the_user_looks(session: Session) -> None:
    wrong = {
        "no-bucket": ("s3://no-such-bucket/m", "1Mi"),
        "no-object": ("s3://models/no-such-model", "1Mi"),
        "no-claim": ("pvc://no-such-claim/m", "1Mi"),
        "too-large": ("s3://models/times2", "3Gi"),
        "corrupt": ("s3://models/corrupt", "1Mi"),
    }
    text = "".join(MODEL.format(name=name, uri=uri, memory=memory) for name, (uri, memory) in wrong.items())
    orphan = MODEL.format(name="orphan", uri="s3://models/times2", memory="1Mi").replace("custom-model-mms", "nobody")
    good = MODEL.format(name="good", uri="s3://models/times2", memory="1Mi")
    (session.local.folder / "models.yaml").write_text(text + orphan + good)
    await session.until_said("no-bucket", "no-such-bucket")
    await session.until_said("no-object", "no-such-model")
    await session.until_said("no-claim", "no-such-claim")
    await session.until_said("too-large", "MemoryResourceNotAvailable")
    await session.until_said("corrupt", "corrupt")
    await session.until_said("orphan", "nobody")
    await session.local.ready("good", "TrainedModel")
    assert await session.infer("good", 1.0) == (200, [2.0])


async def test_one_model_without_trained_models(start: Any, s3: str) -> None:
    service = """apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: single}
spec:
  predictor:
    model: {modelFormat: {name: pytorch}, protocolVersion: v2, storageUri: "s3://models/times2"}
"""
    files = {"service.yaml": service, "storage.yaml": (DEMO / "storage.yaml").read_text()}
    local = await start(files, S3_ENDPOINT=s3)
    await local.ready("single")
    tensor = {"name": "input-0", "shape": [1], "datatype": "FP32", "data": [4.0]}
    body = json.dumps({"inputs": [tensor]}).encode()
    status, answer = await local.fetch("/v2/models/single/infer", "single.default.example.com", body)
    assert (status, answer["outputs"][0]["data"]) == (200, [8.0])
