"""`http(s)://HOST/FILE`: one file, or an archive that is unpacked.

urllib rather than an SDK: it streams, honours the proxy variables, and costs no memory. Headers of the environment go
to the host that they are for, and not along with a redirect to another one.
"""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from mooring_agent import errors
from mooring_agent.settings import HttpSettings
from mooring_agent.storage import archive
from mooring_agent.storage.folder import Folder, check_length
from mooring_api.storage_uri import StorageUri

_CHUNK_BYTES = 1024 * 1024
_STALL_S = 30
"""Without a byte for this long, the attempt is given up and retried."""

_STATUS: dict[int, tuple[type[errors.StorageError], str]] = {
    401: (errors.InvalidCredentials, "put the header into a secret with https-host and headers"),
    403: (errors.AccessDenied, "this identity may not read it"),
    404: (errors.ObjectNotFound, "there is nothing there; it is retried, so a later upload is found"),
    410: (errors.ObjectNotFound, "it was removed"),
}


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; a secret header stays with its host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow with."""
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            request.headers.clear()
        return request


class Http:
    """Fetches single files over http(s)."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        context = ssl.create_default_context(cafile=settings.ca_file)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects())

    def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Fetch the file into `folder`; an archive (by name or content type) is unpacked there."""
        name = unquote(uri.path.rstrip("/").rpartition("/")[2]) or "model"
        with self._open(uri) as answer:
            length = answer.headers.get("Content-Length")
            expected = int(length) if length and length.isdecimal() else None
            if expected is not None:
                folder.expect(expected)
            if archive.is_archive(name, answer.headers.get("Content-Type", "")):
                _unpack(answer, folder, expected)
            else:
                with folder.create(name) as writer:
                    got = sum(writer.write(chunk) for chunk in _chunks(answer))
                check_length(folder, name, got, expected)
            return _fingerprint(answer)

    def fingerprint(self, uri: StorageUri) -> str:
        """Identity by the answer's headers; the body is not read."""
        with self._open(uri) as answer:
            return _fingerprint(answer)

    @contextmanager
    def _open(self, uri: StorageUri) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(uri.text)
        headers = self._settings.headers.get(parts.netloc.lower()) or self._settings.headers.get(parts.hostname or "")
        request = urllib.request.Request(uri.text, headers=dict(headers or {}))  # noqa: S310 - the scheme was checked
        try:
            with self._opener.open(request, timeout=_STALL_S) as answer:
                yield answer
        except urllib.error.HTTPError as exc:
            kind, advice = _STATUS.get(exc.code, (errors.TransferFailed, "retrying"))
            raise kind(f"{uri.redacted}: the server answered {exc.code} {exc.reason}: {advice}") from exc
        except http.client.IncompleteRead as exc:
            raise errors.TransferFailed(f"{uri.redacted}: the connection broke half-way; retrying") from exc
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as exc:
            cause = getattr(exc, "reason", exc)
            raise errors.EndpointUnreachable(f"{uri.redacted}: the server does not answer ({cause}); retrying") from exc


def _unpack(answer: http.client.HTTPResponse, folder: Folder, expected: int | None) -> None:
    """Spool the archive beside the folder (zip needs its end first), unpack it, delete it."""
    spool = folder.path.with_name(f"{folder.path.name}.archive")
    try:
        with Folder(spool, folder.source).create("archive") as writer:
            got = 0
            for chunk in _chunks(answer):
                folder.count(len(chunk))
                got += writer.write(chunk)
        check_length(folder, "the archive", got, expected)
        archive.unpack(spool / "archive", folder)
    finally:
        Path(spool / "archive").unlink(missing_ok=True)
        spool.rmdir()


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(_CHUNK_BYTES):
        yield chunk


def _fingerprint(answer: http.client.HTTPResponse) -> str:
    told = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified", "Content-Length"))
    return sha256("\n".join(told).encode()).hexdigest()
