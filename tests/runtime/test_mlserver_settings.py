"""MLServer's settings of the server: what they do, and what is said of those that do nothing."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.runtime.launched import Running, started
from tests.runtime.test_mlserver import BODY, write

from mooring_runtime.mlserver.context import enter
from mooring_runtime.mlserver.logging import StructuredFormatter
from mooring_runtime.mlserver.settings import ModelSettings, Settings, SettingsError

PORTS = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "0", "MLSERVER_GRPC_PORT": "0"}
SETTINGS: dict[str, Any] = {
    "root_path": "/below",
    "gzip_enabled": True,
    "metrics_port": 0,
    "use_structured_logging": True,
    "cors_settings": {"allow_origins": ["https://a.example"], "allow_methods": ["POST"], "expose_headers": ["x-told"]},
    "cache_enabled": True,
    "parallel_workers": 2,
}
LONG = "compress me " * 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One model, under settings that are not the defaults."""
    root = tmp_path_factory.mktemp("models")
    write(root / "m", "m", says=LONG)
    (root / "settings.json").write_text(json.dumps(SETTINGS))
    with started("mlserver", "start", str(root), **PORTS) as running:
        yield running


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/below/v2/models/m/infer"])
def test_requests_come_with_the_root_path_or_without(server: Running, path: str) -> None:
    assert server.http.post(path, json=BODY).json()["outputs"][0]["data"] == [LONG]
    assert server.http.get("/beside/v2/models/m").status_code == 404


def test_long_answers_are_compressed_for_who_takes_it(server: Running) -> None:
    def encoding(path: str, accepted: str) -> str:
        with server.http.stream("POST", path, json=BODY, headers={"accept-encoding": accepted}) as answer:
            return str(answer.headers.get("content-encoding", "none"))

    assert encoding("/v2/models/m/infer", "gzip") == "gzip"
    assert encoding("/v2/models/m/infer", "identity") == "none"
    assert encoding("/v2/models/m/infer_stream", "gzip") == "none"  # pieces would wait for each other


def test_pages_of_the_origins_that_are_named_may_ask(server: Running) -> None:
    ask = {"access-control-request-method": "POST"}
    allowed = server.http.options("/v2/models/m/infer", headers={"origin": "https://a.example", **ask})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://a.example")
    refused = server.http.options("/v2/models/m/infer", headers={"origin": "https://b.example", **ask})
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
    answer = server.http.post("/v2/models/m/infer", json=BODY, headers={"origin": "https://a.example"})
    assert answer.headers["access-control-expose-headers"] == "x-told"


def lines(server: Running) -> list[dict[str, str]]:
    """The log so far; every line is a JSON object."""
    return [json.loads(line) for line in server.log]


def test_metrics_have_a_port_of_their_own_as_well(server: Running) -> None:
    (told,) = (line["message"] for line in lines(server) if line["message"].startswith("Metrics on"))
    port = re.search(r":(\d+)/metrics", told)
    assert port
    server.http.post("/v2/models/m/infer", json=BODY)
    for page in (httpx.get(f"http://127.0.0.1:{port[1]}/metrics"), server.http.get("/metrics")):
        assert 'model_infer_request_success_total{model="m",version="None"}' in page.text


def test_lines_are_json_objects_and_one_of_them_says_what_has_no_effect(server: Running) -> None:
    assert {"time", "name", "level", "message"} == set(lines(server)[0])
    (told,) = {line["message"] for line in lines(server) if "change nothing here" in line["message"]}
    assert "cache_enabled (answers are not cached" in told


def test_a_structured_line_names_the_model_that_wrote_it_and_what_it_caught() -> None:
    try:
        raise KeyError("k")
    except KeyError:
        record = logging.LogRecord("mlserver", logging.INFO, "", 1, 'say "%s"', ("so",), sys.exc_info())
    enter(ModelSettings(name="m", implementation="a.B", parameters={"version": "2"}))
    line = json.loads(StructuredFormatter().format(record))
    assert (line["message"], line["level"], line["model_name"], line["model_version"]) == ('say "so"', "INFO", "m", "2")
    assert "KeyError: 'k'" in line["exception"]


SCRIPT = """
import json, sys
from mooring_runtime.logging import logger as server
from mooring_runtime.mlserver.logging import configure, logger
from mooring_runtime.mlserver.settings import Settings
configure(Settings(logging_settings=json.loads(sys.argv[1])))
for one in (server, logger):
    one.info("from %s", one.name)
    one.debug("never")
"""
OWN: dict[str, Any] = {
    "version": 1,
    "formatters": {"own": {"format": "OWN %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"mlserver": {"handlers": ["own"], "level": "INFO"}},
}


@pytest.mark.parametrize("in_file", [True, False], ids=["a file", "a dict"])
def test_logging_settings_for_mlserver_hold_for_the_server_s_lines(tmp_path: Path, in_file: bool) -> None:
    (tmp_path / "logging.json").write_text(json.dumps(OWN))
    given = json.dumps(str(tmp_path / "logging.json") if in_file else OWN)
    done = subprocess.run([sys.executable, "-c", SCRIPT, given], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines() == ["OWN from kserve", "OWN from mlserver"]


def loaded(tmp_path: Path, document: dict[str, Any] | None = None, **environ: str) -> Settings:
    (tmp_path / "settings.json").write_text(json.dumps(document or {}))
    return Settings.load(tmp_path, environ)


def test_variables_that_hold_more_than_text_are_json(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, MLSERVER_CORS_SETTINGS='{"allow_origins": ["*"]}', MLSERVER_LOGGING_SETTINGS=json.dumps(OWN)
    )
    assert settings.cors_settings is not None
    assert (settings.cors_settings.allow_origins, settings.logging_settings) == (["*"], OWN)
    assert loaded(tmp_path, MLSERVER_LOGGING_SETTINGS="a/path.ini").logging_settings == "a/path.ini"
    with pytest.raises(SettingsError, match="logging_settings"):
        loaded(tmp_path, MLSERVER_LOGGING_SETTINGS="{")


@pytest.mark.parametrize(
    ("document", "environ", "told"),
    [
        ({}, {}, []),
        ({"cache_enabled": False, "kafka_enabled": False, "extensions": []}, {}, []),
        ({}, {"MLSERVER_CACHE_ENABLED": "0", "MLSERVER_KAFKA_ENABLED": "False", "MLSERVER_EXTENSIONS": "[]"}, []),
        ({"cache_enabled": True}, {"MLSERVER_TRACING_SERVER": "t:1"}, ["tracing_server", "cache_enabled"]),
        ({}, {"MLSERVER_MODELS_DIR": "/m", "MLSERVER_DEBUG": "true"}, []),
    ],
    ids=str,
)
def test_settings_that_would_change_something_elsewhere_are_told(
    tmp_path: Path, document: dict[str, Any], environ: dict[str, str], told: list[str]
) -> None:
    settings = loaded(tmp_path, document, **environ)
    assert [line.split()[0] for line in settings.without_effect] == told


def test_so_are_those_of_a_model(tmp_path: Path) -> None:
    file = tmp_path / "model-settings.json"
    file.write_text(
        '{"implementation": "a.B", "warm_workers": true, "parameters": {"environment_tarball": "e.tar.gz"}}'
    )
    told = ModelSettings.load(file, {"MLSERVER_MODEL_PARALLEL_WORKERS": "0"}, tmp_path).without_effect
    assert [line.split()[0] for line in told] == ["warm_workers", "environment_tarball"]
