"""Models of a folder whose settings are MLServer's, as servables."""

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mooring_api import names
from mooring_runtime.errors import ModelLoadFailed, ModelNotFound
from mooring_runtime.logging import logger
from mooring_runtime.mlserver.context import enter
from mooring_runtime.mlserver.host import Host
from mooring_runtime.mlserver.implementation import Implementations
from mooring_runtime.mlserver.model import MLModel
from mooring_runtime.mlserver.servable import MLModelServable
from mooring_runtime.mlserver.settings import MODEL_SETTINGS_FILE, ModelSettings, SettingsError, read_document
from mooring_runtime.registry.servable import Servable
from mooring_runtime.sdk.model_thread import ModelThread
from mooring_runtime.telemetry.statistics import work_of


@dataclass(frozen=True)
class SettingsFolder:
    """Opens the models below `root`; the folder is read anew each time."""

    root: Path
    environ: Mapping[str, str]
    host: Host
    implementations: Implementations = field(default_factory=Implementations)
    versioned: bool = False
    """Models say their version themselves."""

    def files(self) -> dict[str, list[Path | None]]:
        """The settings files of each model's versions, the newest last; None stands for the environment alone.

        The newest version is the one without a name, else the one of the largest number. Models are sorted by name.
        """
        found: dict[str, dict[str | None, Path | None]] = {}
        pattern = os.path.join(glob.escape(str(self.root)), "**", MODEL_SETTINGS_FILE)  # noqa: PTH118 - glob's own form
        # Path.rglob would not follow links, which is how models are put in place.
        for text in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
            name, version = _name_and_version(Path(text), self.environ)
            found.setdefault(name, {})[version] = Path(text)
        if not found and self.environ.get("MLSERVER_MODEL_IMPLEMENTATION"):
            return {self.environ.get("MLSERVER_MODEL_NAME") or self.root.resolve().name: [None]}
        return {name: [found[name][version] for version in sorted(found[name], key=_age)] for name in sorted(found)}

    def _settings(self, name: str) -> list[tuple[ModelSettings, Path]]:
        """The settings and the folder of each version of the model of this name, the newest last."""
        files = self.files()
        if name in files:
            return [self._read(file, (file.parent if file else self.root).absolute()) for file in files[name]]
        folder = self._folder(name).absolute()
        file = folder / MODEL_SETTINGS_FILE
        return [self._read(file if file.is_file() else None, folder, name)]

    def _read(self, file: Path | None, folder: Path, name: str | None = None) -> tuple[ModelSettings, Path]:
        try:
            return ModelSettings.load(file, self.environ, folder, name), folder
        except SettingsError as exc:
            raise ModelLoadFailed(str(exc), "Correct it and load again.") from None

    def _folder(self, name: str) -> Path:
        """The folder called `name`, where no settings have that name.

        ModelMesh's adapter would write settings that have it; Mooring's agent only puts the model's files there.

        Raises:
            ModelNotFound: there is none, or nothing says what its implementation is.
        """
        folder = self.root / name
        if re.fullmatch(names.MODEL_NAME_PATTERN, name):
            implemented = folder.is_dir() and self.environ.get("MLSERVER_MODEL_IMPLEMENTATION")
            if implemented or (folder / MODEL_SETTINGS_FILE).is_file():
                return folder
        raise ModelNotFound(name, f"No {MODEL_SETTINGS_FILE} names it.")

    async def open(self, name: str) -> Servable | Mapping[str | None, Servable]:
        """Open the model, or each of its versions, the newest last; all of them or none."""
        versions = await self.host.threads.load(self._settings, name)
        opened: dict[str | None, Servable] = {}
        try:
            for settings, folder in versions:
                work = work_of(name, settings.version if len(versions) > 1 else None)
                opened[settings.version] = await self._open(settings, folder, work)
        except BaseException:
            for servable in opened.values():
                await servable.close()
            raise
        return opened if len(opened) > 1 else next(iter(opened.values()))

    async def _open(self, settings: ModelSettings, folder: Path, work: str) -> Servable:
        """Import the class, make the model and `load` it, on the model's own thread."""
        if idle := settings.without_effect:
            logger.warning("Model %s: these settings change nothing here: %s", settings.name, "; ".join(idle))
        thread = ModelThread(settings.name, self.host.max_waiting)

        async def start() -> MLModel:
            enter(settings)
            model = self.implementations.find(settings.implementation, folder)(settings)
            loaded: object = await model.load()
            if isinstance(loaded, bool):  # a model that forgets to answer may still have set its flag
                model.ready = loaded
            if not model.ready:
                raise ModelLoadFailed("It is not ready after load.", "Its load must return True, or set self.ready.")
            return model

        try:
            model = await thread.run(start)
            return MLModelServable(model, thread, self.host, work)
        except BaseException:
            thread.close()
            raise


def _name_and_version(file: Path, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """What a file says; one that cannot be read goes by the name of its folder, and its load will tell."""
    try:
        document = read_document(file)
    except SettingsError:
        document = {}
    name = document.get("name") or environ.get("MLSERVER_MODEL_NAME") or file.absolute().parent.name
    version = (document.get("parameters") or {}).get("version") or environ.get("MLSERVER_MODEL_VERSION")
    return str(name), None if version is None else str(version)


def _age(version: str | None) -> tuple[int, int, str]:
    """Sorts versions, the newest last."""
    if version is None:
        return 2, 0, ""
    return (1, int(version), version) if version.isdecimal() else (0, 0, version)
