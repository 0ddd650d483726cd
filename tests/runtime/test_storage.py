import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mooring_runtime.errors import ModelLoadFailed, ModelMissingError
from mooring_runtime.storage import Storage


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "a model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights").write_text("w")
    (folder / "sub" / "more").write_text("m")
    return folder


@pytest.mark.parametrize("form", ["path", "uri"])
def test_files_of_this_machine_stay_where_they_are(model: Path, form: str) -> None:
    assert Path(Storage.download(str(model) if form == "path" else model.as_uri())) == model


@pytest.mark.parametrize("again", [False, True])
def test_files_of_this_machine_are_linked_into_a_folder(model: Path, tmp_path: Path, again: bool) -> None:
    out = tmp_path / "out"
    for _ in range(1 + again):
        assert Storage.download(model.as_uri(), str(out)) == str(out)
    assert (out / "weights").read_text() == "w"
    assert (out / "sub" / "more").read_text() == "m"


def test_one_file_is_linked_by_its_name(model: Path, tmp_path: Path) -> None:
    Storage.download(str(model / "weights"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "weights").read_text() == "w"


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="absent"):
        Storage.download(str(tmp_path / "absent"))


def test_a_claim_is_to_be_mounted() -> None:
    with pytest.raises(ModelLoadFailed, match=r"pvc://claim/model is mounted by Kubernetes.*storageUri"):
        Storage.download("pvc://claim/model")


class Archive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith("/model.tar.gz?") else 404)
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w:gz") as archive:
            entry = tarfile.TarInfo("weights")
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"w"))
        self.send_header("Content-Length", str(len(body.getvalue())))
        self.end_headers()
        self.wfile.write(body.getvalue())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_archive_of_the_web_is_unpacked_into_a_new_folder_or_a_given_one(web: str, tmp_path: Path) -> None:
    url = f"{web}/model.tar.gz?signature=secret"
    assert (Path(Storage.download(url)) / "weights").read_bytes() == b"w"
    assert Storage.download(url, str(tmp_path / "out")) == str(tmp_path / "out")
    assert (tmp_path / "out" / "weights").read_bytes() == b"w"


def test_why_a_model_was_not_fetched_is_told_without_secrets(web: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="404") as told:
        Storage.download(f"{web}/absent.tar?signature=secret", str(tmp_path))
    assert "secret" not in str(told.value)


def test_what_has_no_fetcher_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an environment with the extra `runtime` alone."""
    (tmp_path / "boto3").mkdir()
    (tmp_path / "boto3" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'boto3'\")\n")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *filter(None, sys.path)]))
    with pytest.raises(ModelLoadFailed, match=r"No module named 'boto3'.*mooring\[agent\].*storageUri"):
        Storage.download("s3://bucket/model", str(tmp_path / "out"))
