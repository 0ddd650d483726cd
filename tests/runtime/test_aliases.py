import subprocess
import sys

import pytest

INSTALL = "from mooring_runtime.sdk import aliases; aliases.install(); aliases.install()\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: what is imported under which name stays in it."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("from kserve import Model as a", "from mooring_runtime import Model as b"),
        ("from kserve.model import Model as a", "from mooring_runtime import Model as b"),
        ("from kserve.model_server import app as a", "from mooring_runtime.model_server import app as b"),
        ("import kserve; a = kserve.model_server.parser", "from mooring_runtime.model_server import parser as b"),
        ("from kserve import logging as a", "from mooring_runtime import logging as b"),
        (
            "from kserve.inference_client import InferenceGRPCClient as a",
            "from mooring_runtime import InferenceGRPCClient as b",
        ),
        (
            "from kserve.utils.utils import generate_uuid as a",
            "from mooring_runtime.utils.utils import generate_uuid as b",
        ),
        ("from kserve.errors import InvalidInput as a", "from mooring_runtime.errors import InvalidInput as b"),
        ("from kserve.protocol.infer_type import InferRequest as a", "from mooring_runtime import InferRequest as b"),
        (
            "from kserve.protocol.grpc import grpc_predict_v2_pb2; a = grpc_predict_v2_pb2.ModelInferRequest",
            "from mooring_runtime.grpc_api.messages import ModelInferRequest as b",
        ),
        ("from mlserver import MLModel as a", "from mooring_runtime.mlserver import MLModel as b"),
        ("from mlserver.model import MLModel as a", "from mooring_runtime.mlserver import MLModel as b"),
        ("from mlserver import types as a", "from mooring_runtime.mlserver import types as b"),
        ("import mlserver.errors; a = mlserver.errors", "from mooring_runtime.mlserver import errors as b"),
        (
            "from mlserver.codecs.errors import CodecError as a",
            "from mooring_runtime.mlserver.errors import CodecError as b",
        ),
        (
            "from mlserver.codecs.utils import SingleInputRequestCodec as a",
            "from mooring_runtime.mlserver.codecs import SingleInputRequestCodec as b",
        ),
        (
            "from mlserver.codecs.string import StringCodec as a",
            "from mooring_runtime.mlserver.codecs import StringCodec as b",
        ),
        (
            "from mlserver.codecs.pandas import PandasCodec as a",
            "from mooring_runtime.mlserver.codecs import PandasCodec as b",
        ),
        (
            "from mlserver.utils import get_model_uri as a",
            "from mooring_runtime.mlserver.utils import get_model_uri as b",
        ),
    ],
)
@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_a_name_of_kserve_s_is_the_very_object_of_ours(theirs: str, ours: str, order: str) -> None:
    lines = [ours, theirs] if order == "ours first" else [theirs, ours]
    done = python(INSTALL + "\n".join(lines) + "\nassert a is b")
    assert done.returncode == 0, done.stderr


def test_modules_keep_their_own_names() -> None:
    done = python(INSTALL + "import kserve.model\nassert kserve.model.__spec__.name == 'mooring_runtime.model'")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "page"),
    [("kserve.protocol.rest", "docs/custom-models.md"), ("mlserver.kafka", "docs/mlserver-models.md")],
)
def test_a_module_that_there_is_none_of_is_told_with_where_to_look(module: str, page: str) -> None:
    done = python(INSTALL + f"import {module}")
    assert f"{module}: Mooring's runtime has no such module; see {page}" in done.stderr


def test_nothing_is_found_where_nothing_was_installed() -> None:
    done = python("import mooring_runtime, kserve")
    assert "No module named 'kserve'" in done.stderr


def test_ray_that_is_not_installed_is_told_with_how_to_get_it() -> None:
    done = python(INSTALL + "import sys; sys.modules['ray'] = None\nfrom kserve.ray import RayModel")
    assert "ImportError: Models on Ray Serve need Ray: pip install 'mooring[ray]'." in done.stderr
