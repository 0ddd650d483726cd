"""Where a model's files are: the storage URI, parsed once and read alike by the operator and the agent."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("s3", "gs", "pvc", "http", "https")
"""What the agent and the storage-initializer can fetch."""

PATTERN = r"^(s3|gs|pvc|https?)://[^/\s]+(/\S*)?$"
"""The same rule for the CRD (RE2 and Python agree on it)."""


class InvalidStorageUri(ValueError):
    """The URI cannot be fetched; the message says why and what would be accepted."""


@dataclass(frozen=True)
class StorageUri:
    """A parsed storage URI.

    `bucket` is the bucket, the PersistentVolumeClaim or the host (with port); `path` has no leading slash.
    """

    scheme: str
    bucket: str
    path: str
    text: str

    @property
    def redacted(self) -> str:
        """For logs, events and status: without user name, password and query."""
        return redact(self.text)


def parse(text: str) -> StorageUri:
    """Parse `text`.

    Raises:
        InvalidStorageUri: unknown scheme, no bucket/claim/host, or `..` in a pvc path.
    """
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        named = f"scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise InvalidStorageUri(
            f"storageUri {redact(text)!r} has {named}; use one of {', '.join(s + '://' for s in SCHEMES)}"
        )
    if not parts.netloc:
        what = {"pvc": "PersistentVolumeClaim", "http": "host", "https": "host"}.get(parts.scheme, "bucket")
        raise InvalidStorageUri(f"storageUri {redact(text)!r} names no {what}; write {parts.scheme}://NAME/PATH")
    path = parts.path.lstrip("/")
    if parts.scheme == "pvc" and ".." in path.split("/"):
        raise InvalidStorageUri(f"storageUri {text!r} leaves its claim with '..'; write the path inside the claim")
    return StorageUri(parts.scheme, parts.netloc, path, text)


def redact(text: str) -> str:
    """`text` without user name, password and query string, safe to print."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "<unreadable URI>"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
