from collections.abc import Callable
from pathlib import Path

import pytest

from mooring_agent import errors
from mooring_agent.storage import parse
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.pvc import Pvc

Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    model = tmp_path / "claims" / "data" / "models" / "m"
    (model / "sub").mkdir(parents=True)
    (model / "weights").write_text("w")
    (model / "sub" / "more").write_text("m")
    (tmp_path / "claims" / "data" / "empty").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "claims" / "data" / "leads-out").symlink_to(tmp_path)
    return tmp_path / "claims"


def fetch(claims: Path, uri: str) -> Path:
    folder = Folder(claims.parent / "m", uri)
    Pvc(claims).fetch(parse(uri), folder)
    return folder.path


def test_a_folder_is_linked_entry_by_entry(claims: Path) -> None:
    path = fetch(claims, "pvc://data/models/m")
    assert (path / "weights").read_text() == "w"
    assert (path / "sub" / "more").read_text() == "m"
    assert (path / "weights").is_symlink()
    (path / "SUCCESS.x").write_text("")  # the folder is real: the claim may be read-only
    assert not (claims / "data" / "models" / "m" / "SUCCESS.x").exists()


def test_a_file_can_be_named(claims: Path, tree: Tree) -> None:
    assert [entry.name for entry in fetch(claims, "pvc://data/models/m/weights").iterdir()] == ["weights"]


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("pvc://other/m", errors.ClaimNotMounted),
        ("pvc://../m", errors.ClaimNotMounted),
        ("pvc://data/models/none", errors.ObjectNotFound),
        ("pvc://data/empty", errors.ObjectNotFound),
        ("pvc://data/leads-out", errors.UnsafePath),
    ],
)
def test_what_cannot_be_linked_has_a_reason(claims: Path, uri: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=uri):
        fetch(claims, uri)


def test_a_path_with_dots_is_refused_by_its_uri() -> None:
    with pytest.raises(errors.InvalidStorageUri, match=r"leaves its claim"):
        parse("pvc://data/../../etc")
