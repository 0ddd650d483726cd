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
from mooring_runtime.model_thread import ModelThread
from mooring_runtime.servable import Servable


@dataclass(frozen=True)
class SettingsFolder:
    """Opens the models below `root`; the folder is read anew each time."""

    root: Path
    environ: Mapping[str, str]
    host: Host
    implementations: Implementations = field(default_factory=Implementations)
    versioned: bool = False
    """Models say their version themselves."""

    def files(self) -> dict[str, Path | None]:
        """The settings file of each model, sorted by name; None stands for the environment alone.

        Of several versions of a model the newest is served: the one without a version, else the largest number.
        """
        found: dict[str, list[Path]] = {}
        pattern = os.path.join(glob.escape(str(self.root)), "**", MODEL_SETTINGS_FILE)  # noqa: PTH118 - glob's own form
        # Path.rglob would not follow links, which is how models are put in place.
        for text in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
            file = Path(text)
            found.setdefault(_name_and_version(file, self.environ)[0], []).append(file)
        for name, files in found.items():
            files.sort(key=lambda file: _age(_name_and_version(file, self.environ)[1]))
            if len(files) > 1:
                logger.info("Model %s: %s is the newest of %d versions", name, files[-1], len(files))
        if not found and self.environ.get("MLSERVER_MODEL_IMPLEMENTATION"):
            return {self.environ.get("MLSERVER_MODEL_NAME") or self.root.resolve().name: None}
        return {name: found[name][-1] for name in sorted(found)}

    def _settings(self, name: str) -> tuple[ModelSettings, Path]:
        """The settings and the folder of the model of this name."""
        files = self.files()
        if name in files:
            file, forced = files[name], None
            folder = (file.parent if file else self.root).absolute()
        else:
            folder, forced = self._folder(name).absolute(), name
            file = folder / MODEL_SETTINGS_FILE
            file = file if file.is_file() else None
        try:
            return ModelSettings.load(file, self.environ, folder, forced), folder
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

    async def open(self, name: str) -> Servable:
        """Read the settings, import the class, make the model and `load` it, all but the first on its own thread."""
        settings, folder = await self.host.threads.load(self._settings, name)
        if settings.without_effect:
            logger.warning("Model %s: these settings change nothing here: %s", name, "; ".join(settings.without_effect))
        thread = ModelThread(name, self.host.max_waiting)

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
            return MLModelServable(model, thread, self.host)
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
