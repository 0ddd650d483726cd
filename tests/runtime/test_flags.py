import argparse
from collections.abc import Mapping

import pytest

from mooring_runtime.errors import StartupError
from mooring_runtime.flag_values import boolean
from mooring_runtime.flags import new_parser, parse
from mooring_runtime.predictor_config import PredictorConfig
from mooring_runtime.rest_api.cloud_events import Attributes
from mooring_runtime.settings import Settings


def test_nothing_given_is_the_defaults() -> None:
    assert parse([]) == (Settings(), [])


def test_flags_are_spelled_both_ways_and_strange_ones_are_handed_back() -> None:
    settings, unknown = parse(["--http_port", "1", "--grpc-port=2", "--mine", "x", "--enable_grpc", "false"])
    assert (settings.http_port, settings.grpc_port, settings.enable_grpc) == (1, 2, False)
    assert unknown == ["--mine", "x"]


@pytest.mark.parametrize(
    ("argv", "environ", "multi_model"),
    [
        ([], {"MULTI_MODEL_SERVER": "true"}, True),
        (["--multi_model", "false"], {"MULTI_MODEL_SERVER": "true"}, False),
        ([], {"MULTI_MODEL_SERVER": ""}, False),
        (["--multi_model"], {}, True),
    ],
    ids=["environment", "flag wins", "empty", "flag"],
)
def test_a_container_of_a_multi_model_service_says_so_by_its_environment(
    argv: list[str], environ: Mapping[str, str], multi_model: bool
) -> None:
    assert parse(argv, environ=environ)[0].multi_model is multi_model


EVERY_FLAG = """
--event_loop asyncio --log_config_file f.yaml --enable_latency_logging no --access_log_format %(h)s
--max_threads 2 --max_asyncio_workers 3 --predictor_host p:8080 --protocol v2 --predictor_use_ssl true
--predictor_request_timeout_seconds 7 --predictor_request_retries 2 --enable_predictor_health_check
--grpc_stream_shape mlserver --strict_readiness false --concurrency 4
"""


def test_every_flag_reaches_its_setting() -> None:
    settings, _ = parse(EVERY_FLAG.split())
    assert settings == Settings(
        event_loop="asyncio",
        log_config_file="f.yaml",
        enable_latency_logging=False,
        access_log_format="%(h)s",
        max_threads=2,
        grpc_stream_shape="mlserver",
        strict_readiness=False,
        concurrency=4,
        max_asyncio_workers=3,
        predictor=PredictorConfig("p:8080", "v2", True, 7, 2, True),
    )


@pytest.mark.parametrize(
    ("argv", "environ", "http", "grpc"),
    [
        ([], {"PORT": "9000"}, 9000, 8081),
        (["--http_port", "1"], {"PORT": "9000"}, 1, 8081),
        ([], {"PORT": "8081"}, 8080, 8081),
        (["--grpc_port", "9000"], {"PORT": "9000"}, 8080, 9000),
        ([], {"PORT": ""}, 8080, 8081),
    ],
    ids=["rest", "flag wins", "grpc's own", "grpc's own by flag", "empty"],
)
def test_port_names_the_rest_port_unless_it_is_the_grpc_port(
    argv: list[str], environ: Mapping[str, str], http: int, grpc: int
) -> None:
    settings, _ = parse(argv, environ=environ)
    assert (settings.http_port, settings.grpc_port) == (http, grpc)


def test_the_environment_says_what_answers_to_cloud_events_tell() -> None:
    settings, _ = parse([], environ={"CE_MERGE": "true", "CE_TYPE": "t", "CE_SOURCE": "s"})
    assert settings.events == Attributes(True, "t", "s")


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(StartupError, match="PORT is wrong"):
        parse([], environ={"PORT": "http"})


@pytest.mark.parametrize("argv", [["--http_port", "x"], ["--workers", "0"], ["--predictor_protocol", "v3"]])
def test_a_wrong_value_ends_with_the_usage(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)


def test_the_parser_is_a_parent_for_the_user_s_own() -> None:
    parser = argparse.ArgumentParser(parents=[new_parser()])
    parser.add_argument("--mine")
    args = parser.parse_args(["--mine", "x", "--model_name", "m"])
    assert (args.mine, args.model_name, args.http_port, args.configure_logging) == ("x", "m", 8080, True)


@pytest.mark.parametrize(("text", "value"), [("y", True), ("ON", True), ("0", False), ("No", False)])
def test_truth_values_are_kserve_s(text: str, value: bool) -> None:
    assert boolean(text) is value


def test_other_truth_values_are_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        boolean("maybe")
