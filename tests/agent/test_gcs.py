from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from mooring_agent import errors
from mooring_agent.settings import GcsSettings
from mooring_agent.storage import parse
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.gcs import Gcs

if TYPE_CHECKING:
    from tests.agent.conftest import FileServer


Put = Callable[[str, dict[str, bytes]], None]
Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def put(gcs_url: str) -> Put:
    anonymous: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]  # the SDK's gap
    client = storage.Client("test", credentials=anonymous, client_options={"api_endpoint": gcs_url})

    def fill(bucket: str, files: dict[str, bytes]) -> None:
        made = client.create_bucket(bucket)
        for key, body in files.items():
            made.blob(key).upload_from_string(body)

    return fill


def fetch(url: str, pool: Executor, uri: str, path: Path) -> Path:
    Gcs(GcsSettings(emulator=url), pool).fetch(parse(uri), Folder(path, uri))
    return path


def test_a_prefix_means_the_folder_and_not_its_siblings(
    gcs_url: str, pool: Executor, put: Put, tmp_path: Path, tree: Tree
) -> None:
    put("prefix", {"m1/a": b"a", "m1/sub/b": b"b", "m1/": b"", "m10/c": b"c"})
    assert tree(fetch(gcs_url, pool, "gs://prefix/m1", tmp_path / "m")) == {"a": b"a", "sub/b": b"b"}


def test_a_single_object_can_be_named(gcs_url: str, pool: Executor, put: Put, tmp_path: Path, tree: Tree) -> None:
    put("single", {"dir/model.pt": b"model"})
    assert tree(fetch(gcs_url, pool, "gs://single/dir/model.pt", tmp_path / "m")) == {"model.pt": b"model"}


@pytest.mark.parametrize(
    ("uri", "error"),
    [("gs://missing-bucket/m", errors.BucketNotFound), ("gs://faults/nothing", errors.ObjectNotFound)],
)
def test_what_is_not_there_has_a_reason(
    gcs_url: str, pool: Executor, put: Put, tmp_path: Path, uri: str, error: type[Exception]
) -> None:
    if error is errors.ObjectNotFound:
        put("faults", {"m/a": b""})
    with pytest.raises(error, match=uri):
        fetch(gcs_url, pool, uri, tmp_path / "m")


@pytest.mark.parametrize(
    ("status", "error"), [(401, errors.InvalidCredentials), (403, errors.AccessDenied), (418, errors.TransferFailed)]
)
def test_a_servers_refusal_has_a_reason(
    files: FileServer, pool: Executor, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    files.put("/storage/v1/b/bucket/o", b'{"error": {"message": "no"}}', status, {"Content-Type": "application/json"})
    with pytest.raises(error, match="gs://bucket/m"):
        fetch(files.url, pool, "gs://bucket/m", tmp_path / "m")


def test_an_endpoint_that_does_not_answer_has_a_reason(pool: Executor) -> None:
    with pytest.raises(errors.EndpointUnreachable, match="gs://bucket/m"):
        Gcs(GcsSettings(emulator="http://127.0.0.1:1"), pool, retry_s=0.1).fingerprint(parse("gs://bucket/m"))


def test_a_credentials_file_that_is_none_is_named(pool: Executor, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"type": "service_account"}')
    with pytest.raises(errors.InvalidCredentials, match=r"key\.json"):
        Gcs(GcsSettings(credentials_file=tmp_path / "key.json"), pool).fingerprint(parse("gs://bucket/m"))
