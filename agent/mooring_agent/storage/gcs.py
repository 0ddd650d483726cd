"""`gs://BUCKET/PATH` by google-cloud-storage; the only module that imports it."""

import json
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import google.auth
import requests.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2 import service_account

from mooring_agent import errors
from mooring_agent.settings import GcsSettings
from mooring_agent.storage.folder import Folder
from mooring_agent.storage.objects import Selected, StoredObject, fetch_each, fingerprint, folder_prefix, select
from mooring_api.storage_uri import StorageUri

_TIMEOUT_S = (5, 30)
"""Seconds to connect and between bytes."""
_RETRY_S = 10.0
"""Short: the agent retries too, and shows why."""
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"

T = TypeVar("T")


class Gcs:
    """Fetches from Google Cloud Storage, or an emulator of it."""

    def __init__(self, settings: GcsSettings, pool: Executor, retry_s: float = _RETRY_S) -> None:
        self._settings = settings
        self._retry = DEFAULT_RETRY.with_timeout(retry_s)
        self._pool = pool

    def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Fetch what `uri` means into `folder`; bodies are checked against their CRC32C."""
        selected = self._list(uri)
        folder.expect(sum(item.object.size_bytes for item in selected))
        fetch_each(selected, lambda item: self._fetch_one(uri, item, folder), self._pool)
        return fingerprint(selected)

    def fingerprint(self, uri: StorageUri) -> str:
        """Identity of the content behind `uri` now."""
        return fingerprint(self._list(uri))

    @cached_property
    def _client(self) -> Any:
        if self._settings.emulator:
            return storage.Client(
                project="emulator",
                credentials=_anonymous(),
                client_options={"api_endpoint": self._settings.emulator},
            )
        return storage.Client(project="unused", credentials=self._credentials())

    def _credentials(self) -> Any:
        """A service account's key; else the default chain (workload identity); else public buckets only."""
        file = self._settings.credentials_file
        if file is not None and _is_service_account(file):
            read: Any = service_account.Credentials.from_service_account_file
            return read(str(file), scopes=[_SCOPE])
        try:
            return google.auth.default(scopes=[_SCOPE])[0]
        except auth.DefaultCredentialsError:
            return _anonymous()

    def _list(self, uri: StorageUri) -> tuple[Selected, ...]:
        """The objects below the path; else the one object of exactly that name."""
        prefix = folder_prefix(uri.path)
        selected = self._ask(uri, lambda: select(self._objects(uri, prefix), prefix, uri.redacted))
        if not selected and uri.path and not uri.path.endswith("/"):
            bucket = self._client.bucket(uri.bucket)
            blob = self._ask(uri, lambda: bucket.get_blob(uri.path, timeout=_TIMEOUT_S, retry=self._retry))
            selected = (Selected(uri.path.rpartition("/")[2], _stored(blob)),) if blob is not None else ()
        if not selected:
            raise errors.ObjectNotFound(
                f"{uri.redacted}: the bucket has nothing there; upload the model or correct the path "
                "(it is retried, so a later upload is found)"
            )
        return selected

    def _objects(self, uri: StorageUri, prefix: str) -> list[StoredObject]:
        blobs = self._client.list_blobs(uri.bucket, prefix=prefix or None, timeout=_TIMEOUT_S, retry=self._retry)
        return [_stored(blob) for blob in blobs]

    def _fetch_one(self, uri: StorageUri, item: Selected, folder: Folder) -> None:
        blob = self._client.bucket(uri.bucket).blob(item.object.key)

        def stream() -> None:
            with folder.create(item.name) as writer:
                blob.download_to_file(writer, checksum="auto", timeout=_TIMEOUT_S, retry=self._retry)

        self._ask(uri, stream)

    def _ask(self, uri: StorageUri, call: Callable[[], T]) -> T:
        """Run `call`, its SDK errors told as ours."""
        try:
            return call()
        except api.NotFound as exc:
            if "bucket" in str(exc.message).lower() or "/o?" in str(exc.message):
                raise errors.BucketNotFound(f"{uri.redacted}: there is no such bucket; check its name") from exc
            raise errors.ObjectNotFound(f"{uri.redacted}: an object vanished while it was fetched; retrying") from exc
        except api.Forbidden as exc:
            raise errors.AccessDenied(
                f"{uri.redacted}: {self._identity} may not read it; grant roles/storage.objectViewer"
            ) from exc
        except (api.Unauthorized, auth.RefreshError, auth.DefaultCredentialsError, auth.MalformedError) as exc:
            raise errors.InvalidCredentials(
                f"{uri.redacted}: {self._told_file} is not accepted ({exc}); check the service account's secret"
            ) from exc
        except api.RetryError as exc:
            raise errors.EndpointUnreachable(
                f"{uri.redacted}: the storage does not answer ({exc.cause}); retrying"
            ) from exc
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout, auth.TransportError) as exc:
            raise errors.EndpointUnreachable(f"{uri.redacted}: the storage does not answer ({exc}); retrying") from exc
        except (api.GoogleAPIError, DataCorruption, requests.exceptions.RequestException) as exc:
            raise errors.TransferFailed(f"{uri.redacted}: {exc}") from exc

    @property
    def _told_file(self) -> str:
        file = self._settings.credentials_file
        return f"credentials file {file}" if file else "the default identity"

    @property
    def _identity(self) -> str:
        credentials = self._client._credentials
        if isinstance(credentials, AnonymousCredentials):
            return "the anonymous identity (no credentials were found)"
        return str(getattr(credentials, "service_account_email", self._told_file))


def _is_service_account(file: Path) -> bool:
    try:
        return bool(json.loads(file.read_bytes()).get("type") == "service_account")
    except (OSError, ValueError, AttributeError) as exc:
        raise errors.InvalidCredentials(f"{file} is no JSON credentials file: {exc}; mount the key again") from exc


def _anonymous() -> Any:
    return AnonymousCredentials()  # type: ignore[no-untyped-call]  # the SDK's gap


def _stored(blob: Any) -> StoredObject:
    return StoredObject(blob.name, blob.size or 0, str(blob.generation or blob.etag or ""))
