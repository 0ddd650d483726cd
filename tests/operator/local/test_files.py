"""Edits of files: what to apply, what to delete, what to keep."""

from pathlib import Path

import pytest

from mooring_operator.local.files import Edit, File, ManifestFiles, compare, expand

BAD = "kind: [\n"


def tm(name: str, memory: str = "1Mi") -> str:
    return (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: TrainedModel\n"
        f"metadata: {{name: {name}}}\n"
        f"spec: {{inferenceService: s, model: {{storageUri: 's3://b/m', framework: f, memory: {memory}}}}}\n---\n"
    )


def after(*looks: dict[str, str]) -> tuple[dict[str, File], Edit]:
    files: dict[str, File] = {}
    edit = Edit()
    for texts in looks:
        files, edit = compare(files, texts, {})
    return files, edit


def names(edit: Edit) -> tuple[list[str], list[str]]:
    return [document.id.name for document in edit.apply], [key.name for key in edit.delete]


@pytest.mark.parametrize(
    ("looks", "applied", "deleted"),
    [
        pytest.param([{"f": tm("a") + tm("b")}], ["a", "b"], [], id="first look"),
        pytest.param([{"f": tm("a")}, {"f": tm("a")}], [], [], id="nothing changed"),
        pytest.param([{"f": tm("a")}, {"f": tm("a", "2Mi")}], ["a"], [], id="edited"),
        pytest.param([{"f": tm("a") + tm("b")}, {"f": tm("a")}], ["a"], ["b"], id="taken out of the file"),
        pytest.param([{"f": tm("a")}, {}], [], ["a"], id="file gone"),
        pytest.param([{"f": tm("a"), "g": tm("b")}, {"f": tm("a"), "g": tm("b", "2Mi")}], ["b"], [], id="one of two"),
        pytest.param([{"f": tm("a")}, {"g": tm("a")}], ["a"], [], id="moved to another file"),
        pytest.param([{"f": tm("a") + tm("b")}, {"f": BAD}], ["a", "b"], [], id="malformed: all stays"),
        pytest.param([{"f": tm("a") + tm("b")}, {"f": tm("c") + BAD}], ["c", "a", "b"], [], id="half malformed"),
        pytest.param([{"f": tm("a")}, {"f": BAD}, {"f": tm("b")}], ["b"], ["a"], id="repaired"),
    ],
)
def test_edits(looks: list[dict[str, str]], applied: list[str], deleted: list[str]) -> None:
    found, gone = names(after(*looks)[1])
    assert (sorted(found), gone) == (sorted(applied), deleted)


def test_an_object_in_two_files_is_a_fault_that_names_both() -> None:
    files, edit = after({"f": tm("a")}, {"f": tm("a"), "g": tm("a", "2Mi")})
    assert len(edit.faults) == 1
    assert str(edit.faults[0]).startswith("g:1 (document 1): ")
    assert "f:1 (document 1)" in str(edit.faults[0])
    assert files["g"].documents == {}


def test_an_object_twice_in_one_file_is_a_fault() -> None:
    _, edit = after({"f": tm("a") + tm("a", "2Mi")})
    assert [document.body["spec"]["model"]["memory"] for document in edit.apply] == ["1Mi"]
    assert len(edit.faults) == 1


def test_secrets_and_services_come_before_models() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    assert names(after({"a": tm("m"), "b": secret})[1])[0] == ["s", "m"]


def test_a_folder_stands_for_its_manifests(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in expand([tmp_path, tmp_path / "b.yaml"])] == ["a.yml", "b.yaml"]


def test_a_file_that_cannot_be_read_keeps_its_objects_and_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(tm("a"))
    files = ManifestFiles([path], {})
    files.look()
    path.unlink()
    path.symlink_to(path)  # a loop: cannot be read, for whatever reason, even by root
    edits = [files.look(), files.look(), files.look()]
    assert [(names(edit), len(edit.faults)) for edit in edits] == [(([], []), 1), (([], []), 0), (([], []), 0)]


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"kind: \xff\xfe\n")
    assert len(ManifestFiles([path], {}).look().faults) == 1


def test_a_file_that_vanishes_for_a_moment_deletes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(tm("a"))
    files = ManifestFiles([path], {})
    files.look()
    path.unlink()
    assert files.look() == Edit()
    path.write_text(tm("a"))
    assert files.look() == Edit()
    path.unlink()
    files.look()
    assert names(files.look()) == ([], ["a"])
