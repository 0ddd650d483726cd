"""What object stores have in common: which keys a URI means, and fetching many of them at once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from hashlib import sha256

from mooring_agent.errors import UnsafePath


@dataclass(frozen=True)
class StoredObject:
    """One object of a bucket."""

    key: str
    size_bytes: int
    tag: str
    """ETag or generation: changes with the content."""


@dataclass(frozen=True)
class Selected:
    """An object that belongs to the model, and its path in the model's folder."""

    name: str
    object: StoredObject


def folder_prefix(path: str) -> str:
    """The listing prefix that means "below `path`": `m1` must not match `m10/...` (KServe issue 3776)."""
    return path.rstrip("/") + "/" if path.strip("/") else ""


def select(objects: Iterable[StoredObject], prefix: str, source: str) -> tuple[Selected, ...]:
    """The files below `prefix` (as `folder_prefix` gives it), sorted by name; messages name `source`.

    Keys that end in `/` are placeholders that consoles make for empty folders, and are left out.

    Raises:
        UnsafePath: a key has a `..` or empty part that a file system would read differently.
    """
    files = [obj for obj in objects if obj.key.startswith(prefix) and not obj.key.endswith("/")]
    return tuple(
        sorted((Selected(_relative(obj.key, prefix, source), obj) for obj in files), key=lambda item: item.name)
    )


def _relative(key: str, prefix: str, source: str) -> str:
    name = key.removeprefix(prefix)
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise UnsafePath(f"{source}: key {key!r} has an empty, '.' or '..' part, so it is no file; rename or delete it")
    return name


def fingerprint(selected: Sequence[Selected]) -> str:
    """Identity of the content of a listing: changes when an object is added, removed or written again."""
    text = "\n".join(f"{item.name} {item.object.size_bytes} {item.object.tag}" for item in selected)
    return sha256(text.encode()).hexdigest()


def fetch_each(selected: Sequence[Selected], fetch: Callable[[Selected], None], pool: Executor) -> None:
    """Fetch every object; several are fetched by `pool` at once, a single one right here.

    Raises:
        StorageError: the first failure; what runs then is waited for, what waits is dropped.
    """
    if len(selected) == 1:
        fetch(selected[0])
        return
    futures = [pool.submit(fetch, item) for item in selected]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
