"""A worker's place in the server: what the supervisor tells it by its environment, before it can be asked anything."""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mooring_runtime.workers.messages import Failed, encode

VARIABLE = "MOORING_WORKER"


@dataclass(frozen=True)
class Place:
    """One worker of a server."""

    index: int
    channel: int
    """File descriptor of the worker's end of the pair."""
    inode: int
    """Of the channel: a process that merely inherited the variable has some other file there, or none."""
    http_port: int
    grpc_port: int
    late: bool
    """Whether others serve already: a late worker listens when it has loaded what they have."""
    metrics: str
    """Folder in which the metrics of all workers meet."""

    @property
    def metrics_folder(self) -> Path:
        """The same as a path."""
        return Path(self.metrics)

    def environ(self) -> dict[str, str]:
        """Variables that tell the worker of it."""
        return {VARIABLE: json.dumps(asdict(self)), "PROMETHEUS_MULTIPROC_DIR": self.metrics}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Place | None":
        """What the supervisor said; None in a process that is no worker."""
        text = environ.get(VARIABLE)
        if text is None:
            return None
        place = cls(**json.loads(text))
        try:
            if os.fstat(place.channel).st_ino != place.inode:
                return None
        except OSError:
            return None
        os.set_inheritable(place.channel, False)  # a child of the worker's must not keep the channel open
        return place

    @property
    def supervisor(self) -> int:
        """The process to tell what is meant for the whole server."""
        return os.getppid()

    def take_channel(self) -> socket.socket:
        """The worker's end; a copy stays for `fail`, until `leave`."""
        return socket.socket(fileno=os.dup(self.channel))

    def leave(self) -> None:
        """The worker serves no more: from here on the supervisor waits for its end."""
        with suppress(OSError):
            os.close(self.channel)

    def fail(self, reason: str) -> None:
        """Tell the supervisor why the worker ends."""
        with suppress(OSError):  # it is gone; the log has the reason
            os.write(self.channel, encode(Failed(reason)))
