import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mooring_runtime import InferInput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.backends import alexnet
from mooring_runtime.backends.alexnet_network import OneDnnNetwork, read_network
from mooring_runtime.backends.base import Backend, run_batch
from mooring_runtime.backends.image import image_tensor
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.errors import InvalidInput, ModelLoadFailed

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def backend(alexnet_weights: Path) -> alexnet.AlexNetBackend:
    return alexnet.load(alexnet_weights / "model.safetensors", ModelSettings(), CPU)


@pytest.fixture(scope="session")
def torchvision_answer(alexnet_weights: Path) -> Callable[[bytes], list[float]]:
    """Seed 000's own lines: the top five logits of an encoded image, by torchvision."""
    import io

    from PIL import Image
    from safetensors.torch import load_file
    from torchvision import models, transforms

    network = models.alexnet(weights=None)
    network.load_state_dict(load_file(alexnet_weights / "model.safetensors"))
    network.eval()
    preprocess = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def answer(raw: bytes) -> list[float]:
        with torch.no_grad():
            output = network(preprocess(Image.open(io.BytesIO(raw))).unsqueeze(0))
        values: list[float] = torch.topk(output, 5)[0].flatten().tolist()
        return values

    return answer


def answer(backend: Backend, request: InferRequest) -> InferResponse:
    (outputs,) = run_batch(backend, [backend.prepare(request)])
    if isinstance(outputs, Exception):
        raise outputs
    return InferResponse("1", "m", outputs)


def v1_body(*images: bytes) -> dict[str, Any]:
    return {"instances": [{"image": {"b64": base64.b64encode(image).decode()}} for image in images]}


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (300, 257), (256, 256), (255, 1000), (100, 80), (801, 533)], ids=str
)
def test_v1_answers_are_exactly_torchvision_s(
    backend: alexnet.AlexNetBackend,
    torchvision_answer: Callable[[bytes], list[float]],
    jpeg: Callable[[int, int], bytes],
    width: int,
    height: int,
) -> None:
    image = jpeg(width, height)
    response = answer(backend, backend.from_v1(v1_body(image)))
    assert backend.to_v1(response) == {"predictions": torchvision_answer(image)}


def test_a_batch_answers_as_its_images_alone_within_what_fp32_rounds(
    backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]
) -> None:
    images = [jpeg(300, 257), jpeg(100, 80), jpeg(256, 256)]
    requests = [image_request([image], request_outputs=[RequestedOutput("logits")]) for image in images]
    alone = [answer(backend, request).outputs[0].as_numpy() for request in requests]
    for together, expected in zip(run_batch(backend, [backend.prepare(each) for each in requests]), alone, strict=True):
        assert not isinstance(together, Exception)
        np.testing.assert_allclose(together[0].as_numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_quicker_networks_answer_as_the_plain_one_and_share_its_matrices(alexnet_weights: Path) -> None:
    plain = read_network(alexnet_weights / "model.safetensors")
    laid_out, by_onednn = plain.laid_out(torch.float32), OneDnnNetwork(plain, torch.float32)
    for rows in (1, 3):
        images = torch.randn(rows, 3, 224, 224, generator=torch.Generator().manual_seed(rows))
        with torch.inference_mode():
            expected = plain(images)
            torch.testing.assert_close(laid_out(images), expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(by_onednn(images), expected, rtol=1e-4, atol=1e-4)
    matrix = "classifier.1.weight"
    address = plain.get_parameter(matrix).data_ptr()
    assert laid_out.get_parameter(matrix).data_ptr() == address
    assert by_onednn.matrices[0][0].data_ptr() == address


def test_only_images_are_worth_a_thread(backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]) -> None:
    tensor = InferInput("input-0", [1, 3, 224, 224], "FP32", np.zeros((1, 3, 224, 224), np.float32))
    assert backend.is_heavy(image_request([jpeg(100, 80)]))
    assert not backend.is_heavy(InferRequest("m", [tensor]))


def test_v1_tensors_are_taken_as_they_are(backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]) -> None:
    pixels = image_tensor(jpeg(300, 257), "x")
    by_tensor = answer(backend, backend.from_v1({"instances": [{"data": pixels.tolist()}]}))
    by_image = answer(backend, backend.from_v1(v1_body(jpeg(300, 257))))
    assert backend.to_v1(by_tensor) == backend.to_v1(by_image)


def test_several_instances_are_answered_row_by_row(
    backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]
) -> None:
    predictions = backend.to_v1(answer(backend, backend.from_v1(v1_body(jpeg(300, 257), jpeg(100, 80)))))
    rows = np.array(predictions["predictions"])
    assert rows.shape == (2, 5)
    assert (np.diff(rows, axis=1) <= 0).all()


def image_request(data: list[Any], **kwargs: Any) -> InferRequest:
    return InferRequest("m", [InferInput("input-0", [len(data)], "BYTES", data)], **kwargs)


def test_images_come_as_base64_text_as_raw_bytes_or_as_base64_bytes(
    backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]
) -> None:
    raw = jpeg(100, 80)
    encoded = base64.b64encode(raw)
    answers = [
        answer(backend, image_request([data])).outputs[0].as_numpy() for data in (raw, encoded, encoded.decode())
    ]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_v2_answers_the_top_k_and_more_when_asked(alexnet_weights: Path, jpeg: Callable[[int, int], bytes]) -> None:
    names = tuple(f"class {index}" for index in range(1000))
    named = alexnet.load(alexnet_weights / "model.safetensors", ModelSettings(class_names=names, top_k=2), CPU)
    wishes = [RequestedOutput(name) for name in ("logits", "class_ids", "class_names", "output-0")]
    logits, ids, classes, top = answer(named, image_request([jpeg(100, 80)], request_outputs=wishes)).outputs
    assert top.shape == (1, 2)
    assert logits.shape == (1, 1000)
    assert top.as_numpy()[0, 0] == logits.as_numpy().max()
    assert ids.as_numpy()[0, 0] == logits.as_numpy().argmax()
    assert classes.data[0] == f"class {ids.data[0]}"
    (only,) = answer(named, image_request([jpeg(100, 80)], parameters={"top_k": 7})).outputs
    assert (only.name, only.shape) == ("output-0", (1, 7))


def test_requests_in_one_batch_get_their_own_rows(
    backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]
) -> None:
    requests = [image_request([jpeg(100, 80)]), image_request([jpeg(300, 257), jpeg(256, 256)])]
    jobs = [backend.prepare(request) for request in requests]
    assert jobs[0].batch_key == jobs[1].batch_key
    assert [job.rows for job in jobs] == [1, 2]
    together = run_batch(backend, jobs)
    for request, outputs in zip(requests, together, strict=True):
        assert not isinstance(outputs, Exception)
        alone = answer(backend, request).outputs[0].as_numpy()
        np.testing.assert_allclose(outputs[0].as_numpy(), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (InferInput("x", [1], "BYTES", ["no base64!"]), r"'x' \[0\]: the text is not base64"),
        (InferInput("x", [1], "BYTES", [b"GIF8"]), r"'x' \[0\]: 4 bytes that are no image"),
        (InferInput("x", [0], "BYTES", []), "'x': holds no image"),
        (InferInput("x", [1], "INT64", [1]), "'x': datatype must be BYTES"),
        (
            InferInput("x", [1, 3, 2, 2], "FP32", [0.0] * 12),
            r"'x': shape must be \[N, 3, 224, 224\], got \[1, 3, 2, 2\]",
        ),
    ],
    ids=["text", "bytes", "none", "datatype", "shape"],
)
def test_inputs_that_are_no_images_are_refused(backend: alexnet.AlexNetBackend, tensor: InferInput, text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        backend.prepare(InferRequest("m", [tensor]))


def test_a_truncated_image_is_refused(backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]) -> None:
    with pytest.raises(InvalidInput, match="image is damaged"):
        backend.prepare(image_request([jpeg(640, 480)[:5000]]))


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"instances": []}, {"instances": [1]}, {"instances": [{"image": {}}]}, {"instances": [{"data": 1}]}],
    ids=str,
)
def test_v1_bodies_of_another_shape_are_refused(backend: alexnet.AlexNetBackend, body: Any) -> None:
    with pytest.raises(InvalidInput, match="instances"):
        backend.from_v1(body)


def test_grey_and_transparent_images_are_taken_as_rgb(backend: alexnet.AlexNetBackend) -> None:
    import io

    from PIL import Image

    for mode in ("L", "RGBA", "P", "CMYK"):
        file = io.BytesIO()
        Image.new(mode, (240, 300)).save(file, "TIFF")
        assert image_tensor(file.getvalue(), "x").shape == (3, 224, 224)


class Evil:
    """Unpickling it runs a function, which makes `witness`."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.witness,))


def test_weights_are_read_from_a_state_dict_too(
    alexnet_weights: Path, tmp_path: Path, backend: alexnet.AlexNetBackend
) -> None:
    from safetensors.torch import load_file

    weights = load_file(alexnet_weights / "model.safetensors")
    torch.save(weights, tmp_path / "model.pth")
    other = alexnet.load(tmp_path / "model.pth", ModelSettings(), CPU)
    request = InferRequest("m", [InferInput("x", [1, 3, 224, 224], "FP32", np.ones((1, 3, 224, 224), np.float32))])
    assert answer(other, request).outputs == answer(backend, request).outputs


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_a_pickle_that_would_run_code_is_refused_unread(tmp_path: Path, legacy: bool) -> None:
    witness = tmp_path / "witness"
    torch.save({"features.0.weight": Evil(witness)}, tmp_path / "model.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelLoadFailed, match=r"pickled Python objects.*state_dict"):
        alexnet.load(tmp_path / "model.pt", ModelSettings(), CPU)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("weights", "text"),
    [({"a": torch.ones(1)}, "not AlexNet's.*torch.jit.save"), ([torch.ones(1)], "not a state dict")],
    ids=["another model", "a list"],
)
def test_other_weights_are_refused(tmp_path: Path, weights: Any, text: str) -> None:
    torch.save(weights, tmp_path / "model.pth")
    with pytest.raises(ModelLoadFailed, match=text):
        alexnet.load(tmp_path / "model.pth", ModelSettings(), CPU)


def test_truncated_weights_are_refused(tmp_path: Path, alexnet_weights: Path) -> None:
    whole = alexnet_weights / "model.safetensors"
    with whole.open("rb") as file:
        (tmp_path / "model.safetensors").write_bytes(file.read(100_000))
    with pytest.raises(ModelLoadFailed, match=r"model\.safetensors is corrupt.*Upload it again"):
        alexnet.load(tmp_path / "model.safetensors", ModelSettings(), CPU)


def test_class_names_must_fit(alexnet_weights: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="1 class_names, the model 1000"):
        alexnet.load(alexnet_weights / "model.safetensors", ModelSettings(class_names=("cat",)), CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_answers_as_the_cpu_does(
    alexnet_weights: Path, backend: alexnet.AlexNetBackend, jpeg: Callable[[int, int], bytes]
) -> None:
    on_gpu = alexnet.load(alexnet_weights / "model.safetensors", ModelSettings(), torch.device("cuda"))
    on_gpu.warm_up()
    request = image_request([jpeg(300, 257)], request_outputs=[RequestedOutput("logits")])
    expected = answer(backend, request).outputs[0].as_numpy()
    np.testing.assert_allclose(answer(on_gpu, request).outputs[0].as_numpy(), expected, rtol=1e-2, atol=1e-3)
