from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mooring_agent import errors
from mooring_agent.settings import HttpSettings
from mooring_agent.storage import parse
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.http import Http

if TYPE_CHECKING:
    from tests.agent.conftest import FileServer


Tree = Callable[[Path], dict[str, bytes]]


def fetch(uri: str, path: Path, settings: HttpSettings | None = None) -> Path:
    Http(settings or HttpSettings()).fetch(parse(uri), Folder(path / "m", uri))
    return path / "m"


def tar(members: dict[str, bytes], *, is_compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return gzip.compress(stream.getvalue()) if is_compressed else stream.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return stream.getvalue()


MEMBERS = {"a": b"a", "sub/b": b"b"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        pytest.param("/dir/model.pt", b"PK\x03\x04x", {}, {"model.pt": b"PK\x03\x04x"}, id="single file"),
        pytest.param("/my%20model.bin", b"x", {}, {"my model.bin": b"x"}, id="quoted name"),
        pytest.param("/m.tar.gz", tar(MEMBERS), {}, MEMBERS, id="tar.gz by name"),
        pytest.param("/m.tar", tar(MEMBERS, is_compressed=False), {}, MEMBERS, id="plain tar by name"),
        pytest.param("/m.zip", zipped(MEMBERS), {}, MEMBERS, id="zip by name"),
        pytest.param("/x", zipped(MEMBERS), {"Content-Type": "application/zip; q=1"}, MEMBERS, id="zip by type"),
        pytest.param("/y", tar(MEMBERS), {"Content-Type": "application/x-gzip"}, MEMBERS, id="gzip by type"),
    ],
)
def test_a_file_is_saved_and_an_archive_unpacked(
    files: FileServer,
    tmp_path: Path,
    tree: Tree,
    path: str,
    body: bytes,
    headers: dict[str, str],
    expected: dict[str, bytes],
) -> None:
    uri = files.put(path, body, headers=headers)
    assert tree(fetch(uri, tmp_path)) == expected
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.InvalidCredentials),
        (403, errors.AccessDenied),
        (404, errors.ObjectNotFound),
        (500, errors.TransferFailed),
    ],
)
def test_a_servers_refusal_has_a_reason(files: FileServer, tmp_path: Path, status: int, error: type[Exception]) -> None:
    uri = files.put("/m.bin", b"", status)
    with pytest.raises(error, match=str(status)):
        fetch(uri, tmp_path)


@pytest.mark.parametrize(
    ("name", "body", "error"),
    [
        pytest.param("m.tar.gz", tar(MEMBERS)[:60], errors.InvalidArchive, id="truncated tar.gz"),
        pytest.param("m.tar", b"no archive at all", errors.InvalidArchive, id="no tar"),
        pytest.param("m.zip", zipped(MEMBERS)[:40], errors.InvalidArchive, id="truncated zip"),
        pytest.param("m.tar.gz", tar({"../../evil": b"x"}), errors.UnsafePath, id="tar with .."),
        pytest.param("m.tar.gz", tar({"/tmp/evil": b"x"}), errors.UnsafePath, id="tar with absolute name"),
        pytest.param("m.zip", zipped({"../evil": b"x"}), errors.UnsafePath, id="zip with .."),
    ],
)
def test_a_bad_archive_is_refused(
    files: FileServer, tmp_path: Path, name: str, body: bytes, error: type[Exception]
) -> None:
    uri = files.put(f"/{name}", body)
    with pytest.raises(error, match=uri):
        fetch(uri, tmp_path)
    assert not (tmp_path / "evil").exists()


def test_a_body_that_ends_early_is_no_model(files: FileServer, tmp_path: Path) -> None:
    uri = files.put("/m.bin", b"half", headers={"Content-Length": "8"})
    with pytest.raises(errors.TransferFailed, match="4 of 8"):
        fetch(uri, tmp_path)


def test_headers_go_to_their_host_and_not_along_with_a_redirect(files: FileServer, tmp_path: Path, tree: Tree) -> None:
    target = files.put("/target.bin", b"x").replace("127.0.0.1", "localhost")
    uri = files.put("/from.bin", b"", 302, {"Location": target})
    settings = HttpSettings({"127.0.0.1": {"Authorization": "Bearer secret"}})
    assert tree(fetch(uri, tmp_path, settings)) == {"from.bin": b"x"}
    sent = [headers.get("Authorization") for _, headers in files.requests]
    assert sent == ["Bearer secret", None]
