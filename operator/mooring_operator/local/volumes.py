"""Volumes as folders, and container paths as host paths."""

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA_LINK = "..data"


class VolumeUnavailable(Exception):
    """A volume's source does not exist (yet) or cannot be had on one machine; the message says which and what to do."""


@dataclass(frozen=True)
class Mount:
    """A folder of the host and the path under which a container's manifest knows it."""

    container_path: str
    host_path: Path


@dataclass(frozen=True)
class Sources:
    """Where volumes come from: looked up by name in the pod's namespace."""

    config_maps: Mapping[str, Mapping[str, bytes]]
    secrets: Mapping[str, Mapping[str, bytes]]
    claims: frozenset[str]
    claims_dir: Path


def make_volume(volume: Mapping[str, Any], folder: Path, sources: Sources) -> Path:
    """Make a pod's volume, at `folder` if it belongs to the pod alone; returns where it is.

    Raises:
        VolumeUnavailable: its source does not exist, or its kind has no meaning on one machine.
    """
    name = volume["name"]
    if "configMap" in volume or "secret" in volume:
        kind = "configMap" if "configMap" in volume else "secret"
        folder.mkdir(parents=True, exist_ok=True)
        publish(folder, _projected(volume[kind], kind, sources))
        return folder
    if "persistentVolumeClaim" in volume:
        claim: str = volume["persistentVolumeClaim"]["claimName"]
        path = sources.claims_dir / claim
        if claim not in sources.claims and not path.is_dir():
            message = f"persistentvolumeclaim {claim!r} not found: apply one, or put its files into {path}"
            raise VolumeUnavailable(message)
        path.mkdir(parents=True, exist_ok=True)
        return path
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "emptyDir" in volume or set(volume) == {"name"}:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    kinds = ", ".join(sorted(set(volume) - {"name"}))
    raise VolumeUnavailable(
        f"volume {name!r} is of kind {kinds}, which local mode does not have; use emptyDir, configMap, secret, "
        "persistentVolumeClaim or hostPath"
    )


def _projected(source: Mapping[str, Any], kind: str, sources: Sources) -> dict[str, bytes]:
    name = source.get("name") or source.get("secretName") or ""
    tables = {"configMap": sources.config_maps, "secret": sources.secrets}
    if (data := tables[kind].get(name)) is None:
        if source.get("optional"):
            return {}
        raise VolumeUnavailable(f"{kind.lower()} {name!r} not found")
    items = source.get("items")
    if items is None:
        return dict(data)
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def publish(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Make a projected volume hold exactly `files`, as kubelet does: all at once, by renaming the link `..data`.

    A reader of `..data` sees either all old or all new files. Returns False when the volume held them already.
    """
    link = folder / DATA_LINK
    if link.is_symlink() and _read(link) == dict(files):
        return False
    before = folder / link.readlink() if link.is_symlink() else None
    fresh = folder / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{time.monotonic_ns()}"
    for name, content in files.items():
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    fresh.mkdir(exist_ok=True)
    swap = folder / "..data_tmp"
    swap.unlink(missing_ok=True)
    swap.symlink_to(fresh.name)
    swap.replace(link)
    _link_visible_names(folder, {name.split("/")[0] for name in files})
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def _link_visible_names(folder: Path, names: set[str]) -> None:
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA_LINK}/{name}")


def _read(link: Path) -> dict[str, bytes]:
    return {
        str(Path(parent, name).relative_to(link)): Path(parent, name).read_bytes()
        for parent, _, names in os.walk(link)
        for name in names
    }


def mounts_of(container: Mapping[str, Any], folders: Mapping[str, Path]) -> tuple[Mount, ...]:
    """A container's mounts, the longest container path first; a mount of an unknown volume is left out."""
    mounts = [
        Mount(mount["mountPath"].rstrip("/"), folders[mount["name"]] / mount.get("subPath", "").strip("/"))
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in folders
    ]
    return tuple(sorted(mounts, key=lambda mount: -len(mount.container_path)))


def translate(text: str, mounts: Iterable[Mount]) -> str:
    """`text` with the mounted container paths in it as host paths.

    Only whole path prefixes: `/mnt/models` in `/mnt/models/a` and `--dir=/mnt/models`, not in `/mnt/models2` nor in
    `s3://bucket/mnt/models`. One pass, so that a host path that contains a container path stays whole.
    """
    table = {mount.container_path: str(mount.host_path) for mount in mounts}
    if not table:
        return text
    alternatives = "|".join(re.escape(path) for path in sorted(table, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])({alternatives})(?![\w.-])", lambda match: table[match[1]], text)
