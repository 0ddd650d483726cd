"""Every error that the agent raises on purpose.

```
AgentError
├── InvalidSettings          a flag or environment variable is wrong; the process ends
├── ConfigUnreadable         models.json is missing or no model list; the last good list stays
├── ModelError               one model cannot be had; its state shows `reason` and the message
│   ├── InvalidName          the name is no folder name                            (permanent)
│   ├── InvalidStorageUri    the URI names nothing that can be fetched             (permanent)
│   ├── StorageError
│   │   ├── BucketNotFound                                                         (permanent)
│   │   ├── ObjectNotFound   nothing under that key, path or URL                   (permanent)
│   │   ├── AccessDenied     known identity, no permission                         (permanent)
│   │   ├── InvalidCredentials  no or wrong keys                                   (permanent)
│   │   ├── ClaimNotMounted  the pod has no such PersistentVolumeClaim             (permanent)
│   │   ├── InvalidArchive   not the tar or zip that it says it is                 (permanent)
│   │   ├── UnsafePath       a key or member would leave the model's folder        (permanent)
│   │   ├── EndpointUnreachable
│   │   ├── TransferFailed   everything else that the storage answers
│   │   ├── DiskFull
│   │   └── Cancelled        a newer version is wanted
│   ├── RuntimeUnreachable   the model server does not answer; waits for it instead of backing off
│   ├── LoadFailed           the model server refused the model
│   └── UnloadFailed
```

Permanent means that only a person can mend it: it is retried too, but more slowly.
"""

from typing import ClassVar


class AgentError(Exception):
    """Root of the tree."""


class InvalidSettings(AgentError):
    """The message names the flag or variable."""


class ConfigUnreadable(AgentError):
    """The message names the file and the fault."""


class ModelError(AgentError):
    """The message says what failed, for which model or URI (without credentials), and what to do."""

    is_permanent: ClassVar[bool] = False

    @property
    def reason(self) -> str:
        """One CamelCase word for programs: the class's own name."""
        return type(self).__name__


class InvalidName(ModelError):
    """The model's name is not allowed."""

    is_permanent = True


class InvalidStorageUri(ModelError):
    """The storage URI is not allowed."""

    is_permanent = True


class StorageError(ModelError):
    """A fetch failed."""


class BucketNotFound(StorageError):
    """There is no such bucket."""

    is_permanent = True


class ObjectNotFound(StorageError):
    """There is nothing at that place."""

    is_permanent = True


class AccessDenied(StorageError):
    """The identity may not read this."""

    is_permanent = True


class InvalidCredentials(StorageError):
    """There is no identity, or the storage does not know it."""

    is_permanent = True


class ClaimNotMounted(StorageError):
    """The PersistentVolumeClaim is not mounted in this pod."""

    is_permanent = True


class InvalidArchive(StorageError):
    """The archive cannot be read."""

    is_permanent = True


class UnsafePath(StorageError):
    """A key or archive member would be written outside the model's folder."""

    is_permanent = True


class EndpointUnreachable(StorageError):
    """The storage does not answer."""


class TransferFailed(StorageError):
    """The storage answered with something unexpected, or stopped half-way."""


class DiskFull(StorageError):
    """The volume has no room."""


class Cancelled(StorageError):
    """The fetch was given up because something newer is wanted."""


class RuntimeUnreachable(ModelError):
    """Nothing answers at the model server's port."""


class LoadFailed(ModelError):
    """The model server refused to load the model."""


class UnloadFailed(ModelError):
    """The model server refused to unload the model."""
