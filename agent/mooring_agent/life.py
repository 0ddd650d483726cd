"""What one worker knows of its model, and how that is told to others."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mooring_agent.errors import ModelError
from mooring_agent.log import timestamp
from mooring_agent.plan import Observed, Step
from mooring_agent.storage.folder import Folder
from mooring_api import agent_status, model_config
from mooring_api.agent_status import AgentModel, ModelState
from mooring_api.storage_uri import redact
from mooring_api.v1alpha1 import ModelSpec

_WAITS_AFTER_FAILURE = {Step.FETCH, Step.SWAP, Step.UNLOAD, Step.DELETE}
"""Steps that wait for the retry time; so does a load of the wanted version, not one that brings an older one back."""


@dataclass(frozen=True)
class Failure:
    """The last failed attempt."""

    error: ModelError
    time: datetime
    delay_s: float

    @property
    def retry_time(self) -> datetime:
        """When to try again."""
        return self.time + timedelta(seconds=self.delay_s)


@dataclass
class Life:
    """One model's goal, observation and history. Only its worker and the steps it runs change it."""

    name: str
    seen: Observed = field(default_factory=Observed)
    spec: ModelSpec | None = None
    """Of the wanted version; None when the model is to go."""
    last_spec: ModelSpec | None = None
    """The last one that there was, for messages."""
    attempts: int = 0
    """Since the wanted version changed."""
    failure: Failure | None = None
    folder: Folder | None = None
    """Of the running or last fetch."""
    fingerprint: str | None = None
    """Of what was fetched last: tells whether a model that the server refused was uploaded again."""
    was_attempted: bool = False
    """Whether an attempt has ended, either way."""

    @property
    def wanted(self) -> str | None:
        """The wanted version."""
        return model_config.download_id(self.spec) if self.spec else None

    def want(self, spec: ModelSpec | None) -> bool:
        """Set the goal; returns whether it is another version, which starts its history anew.

        Another memory or framework is the same version: it changes no byte.
        """
        before = self.wanted
        self.spec = spec
        self.last_spec = spec or self.last_spec
        if self.wanted == before:
            return False
        self.attempts, self.failure, self.fingerprint = 0, None, None
        return True

    def pause_s(self, step: Step, now: datetime) -> float | None:
        """Seconds until `step` may be taken; None when there is nothing to do until somebody rings."""
        if step is Step.KEEP:
            return None
        waits = step in _WAITS_AFTER_FAILURE or (step is Step.LOAD and self.seen.in_place == self.wanted)
        if self.failure is None or not waits:
            return 0.0
        return max(0.0, (self.failure.retry_time - now).total_seconds())

    def described(self, state: ModelState, waiting_for: ModelError | None = None) -> AgentModel:
        """The model as the status document tells it; `waiting_for` is an error that is no failed attempt."""
        spec = self.spec or self.last_spec
        failure = self.failure
        told = failure and _told(failure.error, failure.time)
        is_waiting = failure is not None and state is ModelState.FAILED
        return AgentModel(
            name=self.name,
            state=state,
            storage_uri=redact(spec.storage_uri) if spec else "",
            wanted_id=self.wanted,
            loaded_id=self.seen.loaded,
            bytes_done=self.folder.bytes_done if self.folder else 0,
            bytes_total=self.folder.bytes_total if self.folder else None,
            attempts=self.attempts,
            last_error=_told(waiting_for, datetime.now(UTC)) if waiting_for else told,
            next_retry=timestamp(failure.retry_time) if failure and is_waiting else None,
        )


def _told(error: ModelError, time: datetime) -> agent_status.ModelError:
    return agent_status.ModelError(reason=error.reason, message=str(error), time=timestamp(time))
