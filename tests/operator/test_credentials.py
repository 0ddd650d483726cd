from collections.abc import Mapping

import pytest

from mooring_operator.core.observed import Credentials, SecretKeys
from mooring_operator.core.render.credentials import Access, access

KEYS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})
PREFIX = "serving.kserve.io"


def _values(made: Access) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in made.env if "value" in entry}


def test_keys_are_references_and_never_values() -> None:
    secret = SecretKeys("s3", KEYS | {"AWS_SESSION_TOKEN"})
    made = access(Credentials((secret,)), {}, {})
    assert list(made.env) == [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "s3", "key": key}}}
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    ]


def test_an_annotation_beats_the_account_beats_the_data_beats_the_cluster() -> None:
    cluster = {"region": "cluster", "endpoint": "cluster:9000", "verifySSL": "1", "useVirtualBucket": "1"}
    data = {"AWS_DEFAULT_REGION": "data", "S3_ENDPOINT": "data:9000", "S3_VERIFY_SSL": "0"}
    secret = SecretKeys("s3", KEYS, {f"{PREFIX}/s3-region": "annotation"}, data)
    account = {f"{PREFIX}/s3-region": "account", f"{PREFIX}/s3-endpoint": "account:9000"}
    assert _values(access(Credentials((secret,), service_account_annotations=account), cluster, {})) == {
        "AWS_DEFAULT_REGION": "annotation",
        "S3_ENDPOINT": "account:9000",
        "AWS_ENDPOINT_URL": "https://account:9000",
        "S3_USE_HTTPS": "1",
        "S3_VERIFY_SSL": "0",
        "S3_USER_VIRTUAL_BUCKET": "1",
    }


@pytest.mark.parametrize(
    ("settings", "url", "https"),
    [
        ({"S3_ENDPOINT": "minio:9000"}, "https://minio:9000", "1"),
        ({"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0"}, "http://minio:9000", "0"),
        ({"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "False"}, "http://minio:9000", "0"),
        ({"S3_ENDPOINT": "http://minio:9000", "S3_USE_HTTPS": "1"}, "http://minio:9000", "0"),
        ({"AWS_ENDPOINT_URL": "https://minio:9000", "S3_USE_HTTPS": "0"}, "https://minio:9000", "1"),
    ],
    ids=["default", "plain", "false", "scheme-wins", "alias"],
)
def test_the_endpoint_decides_between_http_and_https(settings: Mapping[str, str], url: str, https: str) -> None:
    values = _values(access(Credentials((SecretKeys("s3", KEYS, {}, settings),)), {}, {}))
    assert (values["AWS_ENDPOINT_URL"], values["S3_ENDPOINT"], values["S3_USE_HTTPS"]) == (url, "minio:9000", https)


def test_a_google_account_is_mounted() -> None:
    made = access(Credentials((SecretKeys("gcs", frozenset({"gcloud-application-credentials.json"})),)), {}, {})
    assert made.volumes == ({"name": "user-gcp-sa", "secret": {"secretName": "gcs"}},)
    assert made.mounts == ({"name": "user-gcp-sa", "mountPath": "/var/secrets", "readOnly": True},)
    assert _values(made) == {"GOOGLE_APPLICATION_CREDENTIALS": "/var/secrets/gcloud-application-credentials.json"}


def test_headers_for_a_host_are_a_reference() -> None:
    secret = SecretKeys("h", frozenset({"https-host", "headers"}), settings={"https-host": "models.example.com"})
    reference = {"secretKeyRef": {"name": "h", "key": "headers"}}
    assert access(Credentials((secret,)), {}, {}).env == (
        {"name": "models.example.com-headers", "valueFrom": reference},
    )
    assert access(Credentials((SecretKeys("h", frozenset({"https-host"})),)), {}, {}) == Access()


def test_the_first_secret_of_a_kind_counts_and_other_secrets_are_left_alone() -> None:
    secrets = (SecretKeys("token", frozenset({"ca.crt"})), SecretKeys("one", KEYS), SecretKeys("two", KEYS))
    made = access(Credentials(secrets), {}, {})
    assert {entry["valueFrom"]["secretKeyRef"]["name"] for entry in made.env} == {"one"}


def test_cluster_settings_and_the_operators_environment_need_no_secret() -> None:
    values = _values(
        access(Credentials(), {"useAnonymousCredential": "true"}, {"HTTPS_PROXY": "p", "AWS_CA_BUNDLE": "f"})
    )
    assert values == {"awsAnonymousCredential": "true", "AWS_CA_BUNDLE": "f", "HTTPS_PROXY": "p"}
