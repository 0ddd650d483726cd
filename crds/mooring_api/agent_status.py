"""`GET :9081/v1/agent/models`: what one pod's agent knows of its models. The operator reads it by pod IP.

The document carries a `revision` that grows with every change. `?after=N&timeout_s=T` answers at once when the revision
differs from N, else as soon as it does, else after T seconds with the unchanged document: one waiting request instead
of polling.
"""

from enum import StrEnum

from mooring_api.base import ApiModel


class ModelState(StrEnum):
    """Where a model is in its life on this pod."""

    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    LOADING = "Loading"
    LOADED = "Loaded"
    FAILED = "FailedToLoad"
    UNLOADING = "Unloading"


class ModelError(ApiModel):
    """Why the last attempt failed."""

    reason: str
    """One CamelCase word: BucketNotFound, AccessDenied, ObjectNotFound, InvalidCredentials, InvalidArchive, LoadFailed,
    RuntimeUnreachable, ..."""
    message: str
    """What failed, for which URI (no credentials in it), and what to do."""
    time: str
    """When (RFC 3339)."""


class AgentModel(ApiModel):
    """One model on this pod."""

    name: str
    """Name of the model."""
    state: ModelState
    """State of the wanted version; an older version may still serve while a newer one is fetched."""
    storage_uri: str
    """Where the wanted version comes from, without credentials."""
    wanted_id: str | None = None
    """`model_config.download_id` of the wanted version; empty once the model is to go."""
    loaded_id: str | None = None
    """`model_config.download_id` of the version that the runtime serves now; empty when it serves none."""
    bytes_done: int = 0
    """Bytes of the running or last download that have arrived."""
    bytes_total: int | None = None
    """Bytes of the running or last download, where the source tells."""
    attempts: int = 0
    """Attempts since the wanted version changed."""
    last_error: ModelError | None = None
    """Why the last attempt failed; empty once the wanted version is loaded."""
    next_retry: str | None = None
    """When the next attempt comes (RFC 3339), while the state is FailedToLoad."""


class AgentStatus(ApiModel):
    """All models of this pod, sorted by name."""

    revision: int
    """Grows with every change of this document (not with download progress)."""
    instance: str
    """Identity of the agent's process: a restarted agent counts its revisions from zero."""
    config_digest: str | None = None
    """`model_config.digest` of the model list that the agent follows; empty before the first valid one."""
    config_error: str | None = None
    """Why the newest models.json is not the one followed."""
    runtime_ready: bool = False
    """Whether the model server answers."""
    models: tuple[AgentModel, ...] = ()
    """The models, sorted by name."""
