from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_agent import errors
from mooring_agent.storage.archive import is_archive, unpack
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.objects import StoredObject, fingerprint, folder_prefix, select

PARTS = st.sampled_from(["a", "b", "..", ".", "", "m1", "m10"])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


@given(path=PATHS, is_link=st.booleans())
def test_whatever_the_name_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, path: str, is_link: bool
) -> None:
    root = tmp_path_factory.mktemp("root")
    folder = Folder(root / "in" / "m", "test")
    try:
        if is_link:
            folder.link("a", path)
        with folder.create(path) as writer:
            writer.write(b"x")
    except errors.UnsafePath:
        pass
    except OSError:
        assert is_link  # a link to itself
    assert [entry.name for entry in root.iterdir()] == ["in"]
    assert [entry.name for entry in (root / "in").iterdir()] == ["m"]


@given(keys=st.lists(PATHS), path=st.sampled_from(["", "m1", "m1/", "a/b"]))
def test_a_selection_holds_exactly_the_files_below_the_path(keys: list[str], path: str) -> None:
    objects = [StoredObject(key, 1, "t") for key in keys]
    prefix = folder_prefix(path)
    try:
        selected = select(objects, prefix, "test")
    except errors.UnsafePath:
        return
    below = [key for key in keys if key.startswith(prefix) and not key.endswith("/")]
    assert sorted(item.object.key for item in selected) == sorted(below)
    assert all(prefix + item.name == item.object.key for item in selected)
    assert fingerprint(selected) == fingerprint(select(reversed(objects), prefix, "test"))


def test_a_link_inside_is_kept_and_one_that_leaves_is_refused(tmp_path: Path) -> None:
    stream = tmp_path / "a.tar"
    with tarfile.open(stream, "w") as archive:
        body = tarfile.TarInfo("data/weights")
        body.size = 1
        archive.addfile(body, io.BytesIO(b"x"))
        for kind, name in ((tarfile.SYMTYPE, "latest"), (tarfile.LNKTYPE, "hard")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "data/weights"
            archive.addfile(link)
    folder = Folder(tmp_path / "m", "test")
    unpack(stream, folder)
    assert (folder.path / "latest").read_bytes() == (folder.path / "hard").read_bytes() == b"x"
    for target in ("../outside", "/etc/passwd", "a/../../outside"):
        with pytest.raises(errors.UnsafePath):
            folder.link("evil", target)


def test_a_device_in_an_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        device = tarfile.TarInfo("null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    with pytest.raises(errors.UnsafePath, match="device"):
        unpack(tmp_path / "a.tar", Folder(tmp_path / "m", "test"))


def test_a_cancelled_fetch_stops_at_its_next_write(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "m", "test")
    with folder.create("a") as writer:
        writer.write(b"x")
        folder.cancel()
        with pytest.raises(errors.Cancelled):
            writer.write(b"y")
    with pytest.raises(errors.Cancelled):
        folder.make_folder("sub")


def test_what_cannot_fit_is_refused_before_it_comes(tmp_path: Path) -> None:
    with pytest.raises(errors.DiskFull, match="remove models or enlarge"):
        Folder(tmp_path / "m", "s3://b/m").expect(1 << 60)


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("m.tar.gz", "", True),
        ("M.TGZ", "application/octet-stream", True),
        ("m", "application/x-tar", True),
        ("m", "application/zip", True),
        ("m", "application/x-zip-compressed", True),
        ("m.pt", "application/octet-stream", False),
        ("m.keras", "", False),
        ("m.json", "text/plain; charset=utf-8", False),
    ],
)
def test_only_what_says_so_is_an_archive(name: str, content_type: str, expected: bool) -> None:
    assert is_archive(name, content_type) is expected
