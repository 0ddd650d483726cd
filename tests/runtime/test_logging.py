import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mooring_runtime.errors import StartupError
from mooring_runtime.logging import configure_logging, default_config

QUIET = {
    "version": 1,
    "formatters": {"mine": {"format": "mine %(message)s"}},
    "handlers": {"mine": {"class": "logging.StreamHandler", "formatter": "mine", "stream": "ext://sys.stderr"}},
    "loggers": {"kserve": {"handlers": ["mine"], "level": "INFO"}},
}
INI = """[loggers]
keys=root,kserve
[handlers]
keys=mine
[formatters]
keys=mine
[logger_root]
handlers=
[logger_kserve]
qualname=kserve
level=INFO
handlers=mine
[handler_mine]
class=StreamHandler
args=(sys.stderr,)
formatter=mine
[formatter_mine]
format=mine %(message)s
"""


def say(configuration: str, **environ: str) -> str:
    """What a process that configures logging so writes to stderr: logging is the process's, not the test's."""
    code = (
        "from mooring_runtime.logging import configure_logging, logger, trace_logger\n"
        f"configure_logging({configuration})\nlogger.info('hello')\ntrace_logger.debug('detail')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={"PYTHONPATH": path(), **environ}
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def path() -> str:
    return ":".join(sys.path)


def test_the_default_line_has_kserve_s_shape() -> None:
    line = say("")
    assert line.endswith("kserve INFO [<string>:<module>():3] hello\n")


def test_kserve_loglevel_sets_both_loggers() -> None:
    assert "kserve.trace detail" in say("", KSERVE_LOGLEVEL="DEBUG")
    assert say("", KSERVE_LOGLEVEL="error") == ""


@pytest.mark.parametrize("kind", ["dict", "json", "yaml", "yml", "ini"])
def test_a_configuration_may_be_a_dict_or_a_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"log.{kind}"
    file.write_text({"json": json.dumps(QUIET), "ini": INI}.get(kind, yaml.safe_dump(QUIET)))
    assert say(repr(QUIET) if kind == "dict" else repr(str(file))) == "mine hello\n"


def test_what_the_process_configured_itself_is_left_alone() -> None:
    code = "None) if not __import__('logging').basicConfig(format='own %(message)s', level=20) else (0"
    assert say(code) == "own hello\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("b.json", '{"version": 2}'),
        ("c.yaml", "- x"),
        ("d.yaml", "a: ["),
        ("e.ini", "nothing"),
        ("absent.json", None),
    ],
)
def test_a_faulty_file_is_named(tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(StartupError, match=name):
        configure_logging(str(tmp_path / name))


def test_the_default_is_not_changed_by_a_level() -> None:
    assert default_config("debug")["loggers"]["kserve"]["level"] == "DEBUG"
    assert default_config()["loggers"]["kserve"]["level"] == "INFO"
