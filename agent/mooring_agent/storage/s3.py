"""`s3://BUCKET/PATH` by boto3; the only module that imports it.

One client per process (it is safe to share between threads), bodies streamed through a fixed buffer.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar

import boto3
import botocore.exceptions as sdk
from botocore import UNSIGNED
from botocore.config import Config

from mooring_agent import errors
from mooring_agent.settings import S3Settings
from mooring_agent.storage.folder import Folder, check_length
from mooring_agent.storage.objects import Selected, StoredObject, fetch_each, fingerprint, folder_prefix, select
from mooring_api.storage_uri import StorageUri

CHUNK_BYTES = 1024 * 1024
_CONNECTIONS = 16

T = TypeVar("T")

_CREDENTIALS = (errors.InvalidCredentials, "the storage does not accept these keys; check the secret's AWS_* keys")
_DENIED = (errors.AccessDenied, "this identity may not read it; grant s3:ListBucket and s3:GetObject")
_CODES: dict[str, tuple[type[errors.StorageError], str]] = {
    "NoSuchBucket": (errors.BucketNotFound, "there is no such bucket; check its name, the endpoint and the region"),
    "NoSuchKey": (errors.ObjectNotFound, "there is no such object"),
    "404": (errors.ObjectNotFound, "there is no such object"),
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "403": _DENIED,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSecurity": _CREDENTIALS,
    "XAdminUserNotFound": _CREDENTIALS,  # versitygw
    "AuthorizationHeaderMalformed": (errors.InvalidCredentials, "the region is wrong; set AWS_DEFAULT_REGION"),
}
"""S3 error codes that have a reason of their own (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
_NO_CREDENTIALS = (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError)
_UNREACHABLE = (sdk.HTTPClientError, sdk.ConnectionError)


class S3:
    """Fetches from one S3 endpoint."""

    def __init__(self, settings: S3Settings, pool: Executor) -> None:
        self._settings = settings
        self._pool = pool
        self._client = _client(settings)

    def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Fetch what `uri` means into `folder`; returns the content's fingerprint."""
        selected = self._list(uri)
        folder.expect(sum(item.object.size_bytes for item in selected))
        fetch_each(selected, lambda item: self._fetch_one(uri, item, folder), self._pool)
        return fingerprint(selected)

    def fingerprint(self, uri: StorageUri) -> str:
        """Identity of the content behind `uri` now."""
        return fingerprint(self._list(uri))

    def _list(self, uri: StorageUri) -> tuple[Selected, ...]:
        """The objects below the path; else the one object of exactly that name."""
        prefix = folder_prefix(uri.path)
        selected = self._ask(uri, lambda: select(self._keys(uri.bucket, prefix), prefix, uri.redacted))
        if not selected and uri.path and not uri.path.endswith("/"):
            # Keys come in byte order, so the object that is named exactly like the prefix comes first.
            first = self._ask(uri, lambda: tuple(self._keys(uri.bucket, uri.path, limit=1)))
            selected = tuple(Selected(uri.path.rpartition("/")[2], obj) for obj in first if obj.key == uri.path)
        if not selected:
            raise errors.ObjectNotFound(
                f"{uri.redacted}: the bucket has nothing there; upload the model or correct the path "
                "(it is retried, so a later upload is found)"
            )
        return selected

    def _keys(self, bucket: str, prefix: str, limit: int = 0) -> Iterator[StoredObject]:
        asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        if limit:
            asked["MaxKeys"] = limit
        while True:
            page = self._client.list_objects_v2(**asked)
            for entry in page.get("Contents", ()):
                yield StoredObject(entry["Key"], entry["Size"], entry.get("ETag", ""))
            if limit or not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _fetch_one(self, uri: StorageUri, item: Selected, folder: Folder) -> None:
        def stream() -> int:
            body = self._client.get_object(Bucket=uri.bucket, Key=item.object.key)["Body"]
            written = 0
            with body, folder.create(item.name) as writer:
                while chunk := body.read(CHUNK_BYTES):
                    written += writer.write(chunk)
            return written

        check_length(folder, item.object.key, self._ask(uri, stream), item.object.size_bytes)

    def _ask(self, uri: StorageUri, call: Callable[[], T]) -> T:
        """Run `call`, its SDK errors told as ours."""
        try:
            return call()
        except sdk.ClientError as exc:
            raise _translated(uri, exc) from exc
        except _NO_CREDENTIALS as exc:
            raise errors.InvalidCredentials(
                f"{uri.redacted}: no usable credentials ({exc}); put a secret with AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY on the service account"
            ) from exc
        except _UNREACHABLE as exc:
            where = self._settings.endpoint or "AWS"
            raise errors.EndpointUnreachable(f"{uri.redacted}: {where} does not answer ({exc}); retrying") from exc
        except sdk.BotoCoreError as exc:
            raise errors.TransferFailed(f"{uri.redacted}: {exc}") from exc


def _translated(uri: StorageUri, exc: sdk.ClientError) -> errors.StorageError:
    fault = exc.response.get("Error", {})
    code = str(fault.get("Code", ""))
    is_denied = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (401, 403)
    kind, advice = _CODES.get(code, _DENIED if is_denied else (errors.TransferFailed, "retrying"))
    return kind(f"{uri.redacted}: S3 says {code} ({fault.get('Message', '')}): {advice}")


def _client(settings: S3Settings) -> Any:
    session = boto3.Session(settings.access_key, settings.secret_key, settings.session_token)
    config = Config(
        signature_version=UNSIGNED if settings.is_anonymous else None,
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=_CONNECTIONS,
        # botocore >= 1.36 checks and demands checksums that other S3 servers do not send.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": settings.addressing, "use_accelerate_endpoint": settings.use_accelerate},
    )
    region = settings.region or session.region_name or "us-east-1"
    try:
        return session.client(
            "s3", endpoint_url=settings.endpoint, region_name=region, verify=settings.verify, config=config
        )
    except (ValueError, sdk.BotoCoreError) as exc:
        raise errors.EndpointUnreachable(f"S3 settings cannot be used ({exc}); correct the secret's endpoint") from exc
