"""The init container, as a process: its exit status and its one line are what Kubernetes shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mooring_agent import initializer

if TYPE_CHECKING:
    from tests.agent.conftest import FileServer, LogLines, S3Server


def run(*args: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mooring_agent.initializer", *args],
        env={"PATH": os.environ["PATH"], **(environ or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_every_source_goes_to_its_destination_readable_by_others(
    s3: S3Server, files: FileServer, tmp_path: Path
) -> None:
    s3.put("init", {"m/sub/weights": "w"})
    other = files.put("/other.bin", b"o")
    environ = {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = run("s3://init/m", str(tmp_path / "1"), other, str(tmp_path / "2"), environ=environ)
    assert done.returncode == 0, done.stderr
    weights = tmp_path / "1" / "sub" / "weights"
    assert (weights.read_text(), (tmp_path / "2" / "other.bin").read_text()) == ("w", "o")
    assert (weights.stat().st_mode & 0o777, weights.parent.stat().st_mode & 0o777) == (0o644, 0o755)


def test_a_failure_is_one_line_that_says_what_to_do(files: FileServer, tmp_path: Path) -> None:
    done = run(f"{files.url}/none.bin", str(tmp_path / "1"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ObjectNotFound: ")
    assert f"{files.url}/none.bin" in line


def test_the_failure_becomes_the_termination_message(
    files: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    message = tmp_path / "termination-log"
    message.touch()
    assert initializer.main([f"{files.url}/none.bin", str(tmp_path / "1")], {}, message) == 1
    assert message.read_text() == capsys.readouterr().err


def test_an_odd_number_of_arguments_shows_the_usage() -> None:
    done = run("s3://b/m")
    assert (done.returncode, done.stderr.count("usage:")) == (1, 1)
