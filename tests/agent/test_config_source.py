from pathlib import Path

import pytest

from mooring_agent.config_source import read
from mooring_agent.errors import ConfigUnreadable
from mooring_api.model_config import digest

ONE = '[{"modelName":"one","modelSpec":{"storageUri":"s3://b/1","framework":"f","memory":"1Mi"}}]'
TWO = ONE.replace("one", "two")


def test_the_digest_is_of_the_files_bytes(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(ONE)
    assert read(tmp_path).digest == digest(ONE)


def test_several_files_are_one_list(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(ONE)
    (tmp_path / "models-1.json").write_text(TWO)
    assert sorted(entry.model_name for entry in read(tmp_path).entries) == ["one", "two"]
    (tmp_path / "models-1.json").write_text(ONE)
    with pytest.raises(ConfigUnreadable, match="listed twice"):
        read(tmp_path)


def test_what_cannot_be_read_is_never_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnreadable, match=r"models\.json"):
        read(tmp_path / "not-mounted")
    (tmp_path / "models.json").mkdir()
    with pytest.raises(ConfigUnreadable, match="cannot read"):
        read(tmp_path)
    (tmp_path / "models.json").rmdir()
    (tmp_path / "models.json").write_text("")
    with pytest.raises(ConfigUnreadable, match="last good list stays"):
        read(tmp_path)
