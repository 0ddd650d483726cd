from pathlib import Path

import pytest

from mooring_agent.errors import InvalidSettings
from mooring_agent.settings import GcsSettings, HttpSettings, S3Settings, Settings


def test_without_flags_kserves_defaults_hold() -> None:
    settings = Settings.parse([], {})
    assert (settings.port, settings.component_port, settings.is_pulling) == (9081, 8080, True)
    assert (settings.config_dir, settings.model_dir) == (Path("/mnt/configs"), Path("/mnt/models"))


def test_kserves_flags_are_understood() -> None:
    argv = ["--enable-puller", "--config-dir", "/c", "--model-dir=/m", "--component-port", "8085", "--port", "0"]
    settings = Settings.parse(argv, {})
    assert (settings.config_dir, settings.model_dir) == (Path("/c"), Path("/m"))
    assert (settings.component_port, settings.port, settings.is_pulling) == (8085, 0, True)
    assert not Settings.parse(["--enable-puller=false"], {}).is_pulling


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--port", "x"], "--port"),
        (["--component-port", "70000"], "--component-port"),
        (["--max-downloads", "0"], "--max-downloads"),
        (["--load-timeout", "-1"], "--load-timeout"),
        (["--enable-puller=maybe"], "--enable-puller"),
        (["--unknown"], "--unknown"),
    ],
)
def test_a_wrong_flag_is_named(argv: list[str], named: str) -> None:
    with pytest.raises(InvalidSettings, match=named):
        Settings.parse(argv, {})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, S3Settings(), id="nothing"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://minio:9000", "AWS_DEFAULT_REGION": "eu-west-1"},
            S3Settings(endpoint="http://minio:9000", region="eu-west-1", addressing="path"),
            id="own endpoint: path style",
        ),
        pytest.param(
            {"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0", "S3_VERIFY_SSL": "0", "S3_USER_VIRTUAL_BUCKET": "true"},
            S3Settings(endpoint="http://minio:9000", addressing="virtual", verify=False),
            id="host, plain http, virtual",
        ),
        pytest.param(
            {"S3_ENDPOINT": "s3.corp", "AWS_CA_BUNDLE": "/ca.crt", "S3_USER_VIRTUAL_BUCKET": "false"},
            S3Settings(endpoint="https://s3.corp", addressing="path", verify="/ca.crt"),
            id="host, https, own authority",
        ),
        pytest.param({"awsAnonymousCredential": "true"}, S3Settings(is_anonymous=True), id="anonymous"),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"},
            S3Settings(access_key="a", secret_key="b", session_token="c"),
            id="keys",
        ),
    ],
)
def test_s3_is_reached_as_kserves_secrets_say(environ: dict[str, str], expected: S3Settings) -> None:
    assert S3Settings.from_environ(environ) == expected


def test_secrets_are_not_printed() -> None:
    environ = {"AWS_SECRET_ACCESS_KEY": "hidden", "h-headers": '{"Authorization": "hidden"}'}
    assert "hidden" not in repr(Settings.parse([], environ))


def test_gcs_and_http_settings_come_from_their_variables() -> None:
    assert GcsSettings.from_environ({"STORAGE_EMULATOR_HOST": "gcs:4443"}).emulator == "http://gcs:4443"
    assert GcsSettings.from_environ({"GOOGLE_APPLICATION_CREDENTIALS": "/k.json"}).credentials_file == Path("/k.json")
    headers = HttpSettings.from_environ({"Models.Example-headers": '{"A": 1}'}).headers
    assert headers == {"models.example": {"A": "1"}}
    with pytest.raises(InvalidSettings, match="x-headers"):
        HttpSettings.from_environ({"x-headers": "no JSON"})
