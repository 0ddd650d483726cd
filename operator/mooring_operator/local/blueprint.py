"""What a pod's manifest means on this machine: folders for its volumes, and a command for each container."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.local import volumes
from mooring_operator.local.containers import Backoff, Container
from mooring_operator.local.environment import container_env, decode_config_map, decode_secret
from mooring_operator.local.images import ANNOTATION_COMMAND, Images, Place, http_port
from mooring_operator.local.objects import Id, Objects, id_of
from mooring_operator.local.pod_ports import container_port
from mooring_operator.local.probes import Probe
from mooring_operator.local.volumes import Sources


@dataclass(frozen=True)
class Site:
    """Where pods live on this machine."""

    data_dir: Path
    work_dir: Path
    """Where commands start: the folder of `mooring local up`, so that `--image X="python server.py"` finds its file."""
    environ: Mapping[str, str]
    images: Images
    backoff: Backoff

    @property
    def claims_dir(self) -> Path:
        """PersistentVolumeClaims: one folder each."""
        return self.data_dir / "pvc"

    def pod_dir(self, pod: Id) -> Path:
        """A pod's own files; gone with the pod."""
        return self.data_dir / "run" / f"{pod.namespace}_{pod.name}"

    def log_path(self, pod: Id, container: str) -> Path:
        """Where a container's output goes; stays when the pod is gone."""
        return self.data_dir / "logs" / f"{pod.namespace}_{pod.name}" / f"{container}.log"


def sources(objects: Objects, namespace: str, site: Site) -> Sources:
    """What volumes and variables of a namespace's pods can refer to."""
    return Sources(
        {body["metadata"]["name"]: decode_config_map(body) for body in objects.list("ConfigMap", namespace)},
        {body["metadata"]["name"]: decode_secret(body) for body in objects.list("Secret", namespace)},
        frozenset(body["metadata"]["name"] for body in objects.list("PersistentVolumeClaim", namespace)),
        site.claims_dir,
    )


@dataclass(frozen=True)
class Blueprint:
    """One pod: its manifest, and the real port of each of its ports."""

    site: Site
    manifest: Manifest
    ports: Mapping[int, int]

    @property
    def id(self) -> Id:
        """The Pod."""
        return id_of(self.manifest)

    @property
    def folder(self) -> Path:
        """The pod's own files."""
        return self.site.pod_dir(self.id)

    @cached_property
    def inits(self) -> list[Mapping[str, Any]]:
        """Init containers, in order."""
        return list(self.manifest["spec"].get("initContainers") or ())

    @cached_property
    def mains(self) -> list[Mapping[str, Any]]:
        """Containers."""
        return list(self.manifest["spec"]["containers"])

    @property
    def server(self) -> Mapping[str, Any]:
        """The model server among the containers."""
        return next((c for c in self.mains if c["name"] == names.CONTAINER_MAIN), self.mains[0])

    def config_map_volumes(self, name: str) -> Iterator[Mapping[str, Any]]:
        """The volumes that show the ConfigMap `name`."""
        for volume in self.manifest["spec"].get("volumes") or ():
            if (volume.get("configMap") or {}).get("name") == name:
                yield volume

    def make_volume(self, volume: Mapping[str, Any], found: Sources) -> Path:
        """Make a volume or bring it up to date; raises `VolumeUnavailable`."""
        return volumes.make_volume(volume, self.folder / "volumes" / volume["name"], found)

    def make_volumes(self, found: Sources) -> dict[str, Path]:
        """All volumes by name; raises `VolumeUnavailable`."""
        return {
            volume["name"]: self.make_volume(volume, found) for volume in self.manifest["spec"].get("volumes") or ()
        }

    def container(self, container: Mapping[str, Any], folders: Mapping[str, Path], found: Sources) -> Container:
        """What to run for a container.

        Raises:
            UnknownImage: no command stands for its image.
            VolumeUnavailable: its environment names something that does not exist.
        """
        mounts = volumes.mounts_of(container, folders)
        env = container_env(container, self.manifest, found, mounts, self.site.environ)
        is_server = container["name"] == self.server["name"]
        annotations = self.manifest["metadata"].get("annotations") or {}
        place = Place(
            self.ports,
            mounts,
            self.folder / "scratch" / container["name"],
            self.site.claims_dir,
            http_port(self.server),
            annotations.get(ANNOTATION_COMMAND) if is_server else None,
        )
        launch = self.site.images.launch(container, place, env)
        for path in (names.MODEL_DIR, names.CONFIG_DIR):
            Path(place.folder(path)).mkdir(parents=True, exist_ok=True)
        return Container(
            container["name"],
            container["image"],
            launch,
            env,
            self.site.work_dir,
            self.site.log_path(self.id, container["name"]),
            self._probe(container, "readinessProbe"),
            self._probe(container, "livenessProbe"),
            self._probe(container, "startupProbe"),
            self.site.backoff,
        )

    def _probe(self, container: Mapping[str, Any], kind: str) -> Probe | None:
        if not container.get(kind):
            return None
        return Probe.parse(container[kind], lambda port: container_port(container, port, self.ports))
