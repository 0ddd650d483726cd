"""Volumes as folders."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.local.volumes import Mount, Sources, VolumeUnavailable, make_volume, mounts_of, publish, translate


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources({"cm": {"a.json": b"1", "b": b"2"}}, {"s": {"key": b"x"}}, frozenset({"claim"}), tmp_path / "pvc")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("..")}


def test_publish_shows_exactly_the_given_files(tmp_path: Path) -> None:
    assert publish(tmp_path, {"a": b"1", "b": b"2"})
    assert publish(tmp_path, {"b": b"3", "c": b"4"})
    assert content(tmp_path) == {"b": b"3", "c": b"4"}
    assert (tmp_path / "..data").is_symlink()
    assert sum(path.is_dir() and not path.is_symlink() for path in tmp_path.iterdir()) == 1


def test_publish_of_the_same_files_touches_nothing(tmp_path: Path) -> None:
    publish(tmp_path, {"a": b"1"})
    before = (tmp_path / "..data").readlink()
    assert not publish(tmp_path, {"a": b"1"})
    assert (tmp_path / "..data").readlink() == before


def test_a_reader_never_sees_half_of_an_update(tmp_path: Path) -> None:
    publish(tmp_path, {"a": b"0", "b": b"0"})
    stop, torn = threading.Event(), list[tuple[bytes, bytes]]()

    def watch() -> None:
        while not stop.is_set():
            try:
                now = (tmp_path / (tmp_path / "..data").readlink()).resolve()
                pair = (now / "a").read_bytes(), (now / "b").read_bytes()
            except FileNotFoundError:
                continue  # this version went while we read it; a real reader looks again too
            if pair[0] != pair[1]:
                torn.append(pair)

    reader = threading.Thread(target=watch)
    reader.start()
    for number in range(300):
        publish(tmp_path, {"a": b"%d" % number, "b": b"%d" % number})
    stop.set()
    reader.join()
    assert torn == []


def test_a_config_map_volume_shows_chosen_items(tmp_path: Path, sources: Sources) -> None:
    volume = {"name": "v", "configMap": {"name": "cm", "items": [{"key": "b", "path": "sub/file"}]}}
    assert (make_volume(volume, tmp_path / "v", sources) / "sub" / "file").read_bytes() == b"2"


def test_a_claim_is_a_folder_that_outlives_the_pod(tmp_path: Path, sources: Sources) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}
    assert make_volume(volume, tmp_path / "v", sources) == tmp_path / "pvc" / "claim"


@pytest.mark.parametrize(
    ("volume", "what"),
    [
        ({"configMap": {"name": "none"}}, "configmap 'none' not found"),
        ({"secret": {"secretName": "none"}}, "secret 'none' not found"),
        ({"persistentVolumeClaim": {"claimName": "none"}}, "persistentvolumeclaim 'none' not found"),
        ({"nfs": {"server": "x"}}, "of kind nfs"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path: Path, sources: Sources, volume: dict[str, object], what: str) -> None:
    with pytest.raises(VolumeUnavailable, match=what):
        make_volume({"name": "v", **volume}, tmp_path / "v", sources)


def test_an_optional_source_may_be_missing(tmp_path: Path, sources: Sources) -> None:
    volume = {"name": "v", "secret": {"secretName": "none", "optional": True}}
    assert content(make_volume(volume, tmp_path / "v", sources)) == {}


def test_mounts_know_sub_paths_and_the_longest_comes_first(tmp_path: Path) -> None:
    container = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/mnt/"},
            {"name": "v", "mountPath": "/mnt/models", "subPath": "deep/er"},
            {"name": "unknown", "mountPath": "/x"},
        ]
    }
    assert mounts_of(container, {"v": tmp_path}) == (
        Mount("/mnt/models", tmp_path / "deep/er"),
        Mount("/mnt", tmp_path),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mnt/models", "/host/m"),
        ("/mnt/models/a b", "/host/m/a b"),
        ("--model_dir=/mnt/models", "--model_dir=/host/m"),
        ("a:/mnt/models,b", "a:/host/m,b"),
        ("/mnt/models2", "/mnt/models2"),
        ("/mnt/models.old", "/mnt/models.old"),
        ("s3://bucket/mnt/models", "s3://bucket/mnt/models"),
        ("pvc://claim/mnt/models", "pvc://claim/mnt/models"),
        ("/mnt/configs/models.json", "/mnt/models/c/models.json"),
    ],
)
def test_container_paths_become_host_paths(text: str, expected: str) -> None:
    mounts = (Mount("/mnt/models", Path("/host/m")), Mount("/mnt/configs", Path("/mnt/models/c")))
    assert translate(text, mounts) == expected


@given(st.text())
def test_text_without_mounts_stays(text: str) -> None:
    assert translate(text, ()) == text
