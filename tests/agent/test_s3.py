from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mooring_agent import errors
from mooring_agent.storage import parse
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.s3 import S3

if TYPE_CHECKING:
    from tests.agent.conftest import FileServer, S3Server


Tree = Callable[[Path], dict[str, bytes]]


def fetch(s3: S3Server, pool: Executor, uri: str, path: Path, endpoint: str | None = None) -> Folder:
    folder = Folder(path, uri)
    S3(replace(s3.settings, endpoint=endpoint or s3.endpoint), pool).fetch(parse(uri), folder)
    return folder


def test_a_prefix_means_the_folder_and_not_its_siblings(
    s3: S3Server, pool: Executor, tmp_path: Path, tree: Tree
) -> None:
    s3.put("prefix", {"m1/a": b"a", "m1/sub/b": b"b", "m1/": b"", "m1/empty/": b"", "m10/c": b"c", "m1x": b"x"})
    folder = fetch(s3, pool, "s3://prefix/m1", tmp_path / "plain")
    assert tree(folder.path) == {"a": b"a", "sub/b": b"b"}
    assert (folder.bytes_done, folder.bytes_total) == (2, 2)
    assert tree(fetch(s3, pool, "s3://prefix/m1/", tmp_path / "slash").path) == {"a": b"a", "sub/b": b"b"}


def test_a_single_object_and_a_whole_bucket_can_be_named(
    s3: S3Server, pool: Executor, tmp_path: Path, tree: Tree
) -> None:
    s3.put("single", {"dir/model.pt": b"model", "dir/model.pt.md5": b"md5"})
    assert tree(fetch(s3, pool, "s3://single/dir/model.pt", tmp_path / "one").path) == {"model.pt": b"model"}
    assert len(tree(fetch(s3, pool, "s3://single", tmp_path / "all").path)) == 2


def test_more_objects_than_a_page_are_all_fetched(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server, pool: Executor, tmp_path: Path, tree: Tree
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    s3.put("pages", {f"m/{number}": b"" for number in range(7)})
    assert len(tree(fetch(s3, pool, "s3://pages/m", tmp_path / "m").path)) == 7


def test_an_archive_in_a_bucket_stays_a_file(s3: S3Server, pool: Executor, tmp_path: Path, tree: Tree) -> None:
    s3.put("archive", {"m/model.mar": b"PK\x03\x04"})
    assert tree(fetch(s3, pool, "s3://archive/m/model.mar", tmp_path / "m").path) == {"model.mar": b"PK\x03\x04"}


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("s3://missing-bucket-x/m", errors.BucketNotFound),
        ("s3://faults/nothing", errors.ObjectNotFound),
        ("s3://faults/m1/", errors.ObjectNotFound),
        ("s3://faults/evil", errors.UnsafePath),
    ],
)
def test_what_is_not_there_has_a_reason(
    s3: S3Server, pool: Executor, tmp_path: Path, uri: str, error: type[Exception]
) -> None:
    s3.put("faults", {"m10/x": b"x", "evil/../../etc/passwd": b"x"})
    with pytest.raises(error, match=uri):
        fetch(s3, pool, uri, tmp_path / "m")


def test_an_endpoint_that_does_not_answer_is_named(s3: S3Server, pool: Executor, tmp_path: Path) -> None:
    with pytest.raises(errors.EndpointUnreachable, match=r"http://127\.0\.0\.1:1"):
        fetch(s3, pool, "s3://bucket/m", tmp_path / "m", endpoint="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InvalidAccessKeyId", 403, errors.InvalidCredentials),
        ("SignatureDoesNotMatch", 403, errors.InvalidCredentials),
        ("AccessDenied", 403, errors.AccessDenied),
        ("XAdminUserNotFound", 404, errors.InvalidCredentials),
        ("Unheard", 403, errors.AccessDenied),
        ("NoSuchBucket", 404, errors.BucketNotFound),
        ("Teapot", 418, errors.TransferFailed),
    ],
)
def test_a_servers_refusal_has_a_reason(
    s3: S3Server, files: FileServer, pool: Executor, tmp_path: Path, code: str, status: int, error: type[Exception]
) -> None:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    files.put("/bucket", body, status)
    with pytest.raises(error, match="s3://bucket/m"):
        fetch(s3, pool, "s3://bucket/m", tmp_path / "m", endpoint=files.url)


def test_the_fingerprint_changes_with_the_content_alone(s3: S3Server, pool: Executor, tmp_path: Path) -> None:
    s3.put("print", {"m/a": b"one"})
    provider = S3(s3.settings, pool)
    uri = parse("s3://print/m")
    before = provider.fetch(uri, Folder(tmp_path / "m", "m"))
    assert provider.fingerprint(uri) == before
    s3.client.put_object(Bucket="print", Key="m/a", Body=b"two")
    assert provider.fingerprint(uri) != before
