"""One name of the repository: the versions that serve under it, and what is being done with them."""

import asyncio
from dataclasses import dataclass, field

from mooring_api.v2 import RepositoryState
from mooring_runtime.registry.serving import Serving


@dataclass(eq=False)
class Slot:
    """What the repository knows of one model."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    servings: tuple[Serving, ...] = ()
    """The versions that serve, the newest last."""
    state: RepositoryState = RepositoryState.LOADING
    reason: str = ""
    loads: int = 0
    expected: bool = False

    def find(self, version: str | None) -> Serving | None:
        """The serving version of that name; the newest when None."""
        if not version:
            return self.servings[-1] if self.servings else None
        return next((serving for serving in self.servings if serving.version == version), None)

    def told(self) -> str:
        """What serves, for an error's text."""
        names = self._versions()
        if not names:
            return "it has no versions"
        return f"versions {', '.join(names)} are" if len(names) > 1 else f"version {names[0]} is"

    def logged(self) -> str:
        """What serves, for a log line; nothing where it is the first load of the one version."""
        names = self._versions()
        if len(names) > 1:
            return f" versions {', '.join(names)}"
        return f" version {names[0]}" if names and self.loads > 1 else ""

    def _versions(self) -> list[str]:
        return [serving.version for serving in self.servings if serving.version]
