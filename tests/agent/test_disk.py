from pathlib import Path

import pytest

from mooring_agent.disk import Disk, read_marker
from mooring_agent.plan import Observed
from mooring_api.model_config import download_id
from mooring_api.v1alpha1 import ModelSpec


def spec(version: str) -> ModelSpec:
    return ModelSpec(storage_uri=f"s3://b/{version}", framework="f", memory="1Mi")


ONE, TWO = download_id(spec("one")), download_id(spec("two"))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    made = Disk(tmp_path)
    made.recover()
    return made


def stage(disk: Disk, version: str) -> None:
    part = disk.begin("m")
    part.mkdir()
    (part / "weights").write_text(version)
    disk.stage("m", part, spec(version))


def weights(tmp_path: Path) -> str:
    return (tmp_path / "m" / "weights").read_text()


def test_a_staged_version_is_invisible_until_it_is_swapped_in(disk: Disk, tmp_path: Path) -> None:
    stage(disk, "one")
    assert not (tmp_path / "m").exists()
    assert disk.swap("m") is False
    assert weights(tmp_path) == "one"
    stage(disk, "two")
    assert weights(tmp_path) == "one"
    assert disk.swap("m") is True
    assert weights(tmp_path) == "two"
    disk.restore("m")
    assert weights(tmp_path) == "one"
    disk.swap("m")
    disk.commit("m")
    assert [path.name for path in (tmp_path / ".staging").iterdir()] == []
    disk.delete("m")
    assert not (tmp_path / "m").exists()
    disk.delete("m")  # twice is fine


def test_the_marker_holds_the_spec_as_kserves_does(disk: Disk, tmp_path: Path) -> None:
    stage(disk, "one")
    disk.swap("m")
    marker = tmp_path / "m" / f"SUCCESS.{ONE}"
    assert marker.read_text() == '{"storageUri":"s3://b/one","framework":"f","memory":"1Mi"}'
    assert marker.stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(["stage one"], Observed(staged=ONE, may_be_loaded=True), id="fetched, not swapped"),
        pytest.param(
            ["stage one", "swap"], Observed(in_place=ONE, is_recovered=True, may_be_loaded=True), id="in place"
        ),
        pytest.param(
            ["stage one", "swap", "stage two", "swap"],
            Observed(in_place=TWO, previous=ONE, may_be_loaded=True),
            id="swapped, load not confirmed: must be loaded",
        ),
        pytest.param(
            ["stage one", "swap", "stage two", "cut swap"],
            Observed(in_place=ONE, staged=TWO, is_recovered=True, may_be_loaded=True),
            id="killed between the two renames",
        ),
    ],
)
def test_a_restarted_agent_finds_what_is_there(
    disk: Disk, tmp_path: Path, steps: list[str], expected: Observed
) -> None:
    for step in steps:
        match step.split():
            case ["stage", version]:
                stage(disk, version)
            case ["swap"]:
                disk.swap("m")
            case _:
                (tmp_path / "m").rename(tmp_path / ".staging" / "m.old")
    assert Disk(tmp_path).recover()["m"].seen == expected


def test_partial_and_foreign_folders_are_no_models(disk: Disk, tmp_path: Path) -> None:
    disk.begin("m").mkdir()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "SUCCESS.x").write_text("")  # what KServe crashes on
    assert Disk(tmp_path).recover() == {}
    assert foreign.exists()
    assert list((tmp_path / ".staging").iterdir()) == []
    assert read_marker(foreign) is None
