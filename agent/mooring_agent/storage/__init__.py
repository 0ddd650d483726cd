"""Fetching a model's files: the table of schemes and the one adapter between blocking SDKs and asyncio.

A provider is blocking and runs in a thread; it is imported and built when its scheme is first wanted, so that only who
uses an SDK pays its memory. What a provider writes goes through `folder.Folder`, which confines and counts.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol

from mooring_agent.errors import InvalidStorageUri
from mooring_agent.settings import StorageSettings
from mooring_agent.storage.folder import Folder
from mooring_api import storage_uri
from mooring_api.storage_uri import StorageUri

_FILE_THREADS = 8
"""Files of many-file models that are fetched at once, over all models."""


class Provider(Protocol):
    """One kind of storage. Both methods block, are safe to call from several threads, and raise StorageError."""

    def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Fetch what `uri` means into the empty `folder`; returns the fingerprint of the content."""

    def fingerprint(self, uri: StorageUri) -> str:
        """Identity of the content behind `uri` now; cheap, fetches no files."""


def _s3(settings: StorageSettings, pool: Executor) -> Provider:
    from mooring_agent.storage.s3 import S3

    return S3(settings.s3, pool)


def _gcs(settings: StorageSettings, pool: Executor) -> Provider:
    from mooring_agent.storage.gcs import Gcs

    return Gcs(settings.gcs, pool)


def _pvc(settings: StorageSettings, _pool: Executor) -> Provider:
    from mooring_agent.storage.pvc import Pvc

    return Pvc(settings.pvc_dir)


def _http(settings: StorageSettings, _pool: Executor) -> Provider:
    from mooring_agent.storage.http import Http

    return Http(settings.http)


_PROVIDERS: Mapping[str, Callable[[StorageSettings, Executor], Provider]] = {
    "s3": _s3,
    "gs": _gcs,
    "pvc": _pvc,
    "http": _http,
    "https": _http,
}


def build_provider(scheme: str, settings: StorageSettings, pool: Executor) -> Provider:
    """The provider of a scheme that `parse` accepted; imports its SDK (blocks). `pool` fetches many files."""
    return _PROVIDERS[scheme](settings, pool)


def parse(text: str) -> StorageUri:
    """The parsed URI.

    Raises:
        InvalidStorageUri: it names nothing that can be fetched.
    """
    try:
        return storage_uri.parse(text)
    except storage_uri.InvalidStorageUri as exc:
        raise InvalidStorageUri(str(exc)) from exc


class Storage:
    """All providers, behind asyncio. Close it to stop its threads."""

    def __init__(self, settings: StorageSettings, max_downloads: int) -> None:
        self._settings = settings
        # Twice as many: a thread whose fetch was given up may wait for its connection to time out.
        self._models = ThreadPoolExecutor(2 * max_downloads, "fetch")
        self._files = ThreadPoolExecutor(_FILE_THREADS, "fetch-file")
        self._providers: dict[str, Provider] = {}
        self._building = asyncio.Lock()

    async def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Fetch into `folder`; returns the content's fingerprint. A fetch that fails leaves no folder.

        Cancelling returns at once; the thread stops at its next write.

        Raises:
            StorageError: the reason.
        """
        try:
            provider = await self._provider(uri.scheme)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        future = self._models.submit(_fetch, provider, uri, folder)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            folder.cancel()
            if future.cancelled():  # it never ran, so nobody else deletes the folder
                shutil.rmtree(folder.path, ignore_errors=True)
            raise

    async def fingerprint(self, uri: StorageUri) -> str:
        """Identity of the content behind `uri` now (raises StorageError)."""
        provider = await self._provider(uri.scheme)
        return await asyncio.get_running_loop().run_in_executor(self._models, provider.fingerprint, uri)

    async def warm(self) -> None:
        """Build ahead what the environment points at: the SDK takes 0.3 s that the first model need not wait for."""
        if self._settings.s3.endpoint or self._settings.s3.access_key:
            await self._provider("s3")

    def close(self) -> None:
        """Stop the threads; fetches that run end at their next write if they were cancelled."""
        self._models.shutdown(wait=False, cancel_futures=True)
        self._files.shutdown(wait=False, cancel_futures=True)

    async def _provider(self, scheme: str) -> Provider:
        async with self._building:
            if scheme not in self._providers:
                built = await asyncio.to_thread(build_provider, scheme, self._settings, self._files)
                self._providers[scheme] = built
            return self._providers[scheme]


def _fetch(provider: Provider, uri: StorageUri, folder: Folder) -> str:
    """In a thread: fetch, and delete what a failed fetch left."""
    try:
        return provider.fetch(uri, folder)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
