"""`pvc://CLAIM/PATH`: the model's folder is filled with symbolic links into the mounted claim.

Links rather than copies: nothing is read, nothing fills the model volume, and the model server has the claim mounted at
the same path. The folder itself is real, because the claim is read-only and the marker of completeness lives in it.
"""

from hashlib import sha256
from pathlib import Path

from mooring_agent.errors import AccessDenied, ClaimNotMounted, ObjectNotFound, UnsafePath
from mooring_agent.storage.folder import Folder
from mooring_api.storage_uri import StorageUri


class Pvc:
    """Reads the claims mounted under one folder."""

    def __init__(self, pvc_dir: Path) -> None:
        self._pvc_dir = pvc_dir

    def fetch(self, uri: StorageUri, folder: Folder) -> str:
        """Link every entry of the path (or the one file) into `folder`."""
        entries = self._entries(uri)
        for entry in entries:
            folder.link_outside(entry.name, entry)
        return _fingerprint(entries)

    def fingerprint(self, uri: StorageUri) -> str:
        """Identity by names, sizes and times of the top level."""
        return _fingerprint(self._entries(uri))

    def _entries(self, uri: StorageUri) -> list[Path]:
        claim = self._pvc_dir / uri.bucket
        if uri.bucket in (".", "..") or not claim.is_dir():
            raise ClaimNotMounted(
                f"{uri.redacted}: claim {uri.bucket!r} is not mounted at {claim}; "
                "check that the PersistentVolumeClaim exists in the pod's namespace"
            )
        place = claim / uri.path
        if not place.exists():
            raise ObjectNotFound(f"{uri.redacted}: {uri.path!r} is not in the claim; it is retried, so add it any time")
        if not place.resolve().is_relative_to(claim.resolve()):
            raise UnsafePath(f"{uri.redacted}: a link leads out of the claim; put the files inside it")
        try:
            entries = sorted(place.iterdir()) if place.is_dir() else [place]
        except PermissionError as exc:
            raise AccessDenied(f"{uri.redacted}: not readable for this user; set fsGroup or the files' mode") from exc
        if not entries:
            raise ObjectNotFound(f"{uri.redacted}: the folder is empty; it is retried, so add the model any time")
        return entries


def _fingerprint(entries: list[Path]) -> str:
    stats = [(entry.name, entry.lstat()) for entry in entries]
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return sha256(text.encode()).hexdigest()
