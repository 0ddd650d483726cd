"""From the secrets of a service account to the environment and volumes of whoever downloads: the agent and the
initializer.

Sources of the rules: spec kserve-agent section 3.1, kserve-control-plane section 4.4. Values of secrets are never
read: containers get references.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mooring_api import names
from mooring_operator.core.observed import Credentials, Manifest, SecretKeys
from mooring_operator.core.strategic_merge import merge_by

GCS_KEY = "gcloud-application-credentials.json"
GCS_VOLUME = "user-gcp-sa"
GCS_DIR = "/var/secrets"
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
HTTPS_HOST = "https-host"
_ENV_ENDPOINT, _ENV_HTTPS = "S3_ENDPOINT", "S3_USE_HTTPS"
_OFF = frozenset({"0", "false"})

_S3_SETTINGS: Mapping[str, tuple[str, str]] = {
    # environment variable (also the key in the secret): annotation, key of the cluster-wide settings
    _ENV_ENDPOINT: ("s3-endpoint", "endpoint"),
    _ENV_HTTPS: ("s3-usehttps", "useHttps"),
    "AWS_DEFAULT_REGION": ("s3-region", "region"),
    "S3_VERIFY_SSL": ("s3-verifyssl", "verifySSL"),
    "S3_USER_VIRTUAL_BUCKET": ("s3-usevirtualbucket", "useVirtualBucket"),
    "S3_USE_ACCELERATE": ("s3-useaccelerate", "useAccelerate"),
    "awsAnonymousCredential": ("s3-useanoncredential", "useAnonymousCredential"),
    "AWS_CA_BUNDLE": ("s3-cabundle", "caBundle"),
}

_ALIASES = {_ENV_ENDPOINT: "AWS_ENDPOINT_URL"}
"""What a secret may call a setting instead."""


@dataclass(frozen=True)
class Access:
    """What a container needs to reach the storage."""

    env: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()

    def also(self, other: "Access") -> "Access":
        """Both; where they name the same thing, this one counts."""
        return Access(
            tuple(merge_by("name", other.env, self.env)),
            tuple(merge_by("name", other.volumes, self.volumes)),
            tuple(merge_by("mountPath", other.mounts, self.mounts)),
        )


def access(credentials: Credentials, cluster_s3: Mapping[str, str], env: Mapping[str, str]) -> Access:
    """Environment, volumes and mounts; the first secret of a kind counts, the operator's own `env` comes last."""
    found = Access()
    for secret in credentials.secrets:
        for key, kind in _KINDS.items():
            if key in secret.keys:
                found = found.also(kind(secret, credentials.service_account_annotations, cluster_s3))
                break
    cluster = SecretKeys("", frozenset())
    found = found.also(Access(_s3_env(cluster, credentials.service_account_annotations, cluster_s3)))
    return found.also(Access(tuple({"name": name, "value": value} for name, value in sorted(env.items()))))


def _s3(secret: SecretKeys, account: Mapping[str, str], cluster: Mapping[str, str]) -> Access:
    keys = tuple(_from_secret(key, secret.name, key) for key in S3_KEYS if key in secret.keys)
    return Access((*keys, *_s3_env(secret, account, cluster)))


def _s3_env(secret: SecretKeys, account: Mapping[str, str], cluster: Mapping[str, str]) -> tuple[Manifest, ...]:
    values = {
        env: value
        for env, (annotation, setting) in _S3_SETTINGS.items()
        if (value := _setting(secret, account, cluster, env, annotation, setting)) is not None
    }
    if endpoint := values.get(_ENV_ENDPOINT):
        values |= _endpoint(endpoint, values.get(_ENV_HTTPS))
    return tuple({"name": name, "value": value} for name, value in values.items())


def _setting(
    secret: SecretKeys,
    account: Mapping[str, str],
    cluster: Mapping[str, str],
    env: str,
    annotation: str,
    setting: str,
) -> str | None:
    key = f"{names.GROUP}/{annotation}"
    places = (
        (secret.annotations, key),
        (account, key),
        (secret.settings, env),
        (secret.settings, _ALIASES.get(env, "")),
        (cluster, setting),
    )
    return next((table[name] for table, name in places if table.get(name)), None)


def _endpoint(endpoint: str, use_https: str | None) -> dict[str, str]:
    # A scheme in the endpoint decides; else S3_USE_HTTPS does, and https is the default.
    scheme, separator, host = endpoint.rpartition("://")
    if not separator:
        scheme = "http" if use_https and use_https.lower() in _OFF else "https"
    return {
        _ENV_ENDPOINT: host,
        _ENV_HTTPS: "0" if scheme == "http" else "1",
        "AWS_ENDPOINT_URL": f"{scheme}://{host}",
    }


def _gcs(secret: SecretKeys, account: Mapping[str, str], cluster: Mapping[str, str]) -> Access:
    return Access(
        env=({"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": f"{GCS_DIR}/{GCS_KEY}"},),
        volumes=({"name": GCS_VOLUME, "secret": {"secretName": secret.name}},),
        mounts=({"name": GCS_VOLUME, "mountPath": GCS_DIR, "readOnly": True},),
    )


def _https(secret: SecretKeys, account: Mapping[str, str], cluster: Mapping[str, str]) -> Access:
    host = secret.settings.get(HTTPS_HOST)
    if not host or "headers" not in secret.keys:
        return Access()
    return Access(env=(_from_secret(f"{host}-headers", secret.name, "headers"),))


def _from_secret(env: str, secret: str, key: str) -> Manifest:
    return {"name": env, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


Kind = Callable[[SecretKeys, Mapping[str, str], Mapping[str, str]], Access]
_KINDS: Mapping[str, Kind] = {"AWS_SECRET_ACCESS_KEY": _s3, GCS_KEY: _gcs, HTTPS_HOST: _https}
"""The first key that a secret has decides what it is for."""
