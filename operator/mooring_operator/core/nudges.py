"""Making kubelet refresh a mounted model list at once (DESIGN: by itself it takes a minute).

A changed annotation on the pod makes kubelet sync the pod's volumes. Its own cache of the ConfigMap may lag, so the
pod is nudged again, with back-off, until the agent reports the digest of the new list.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from mooring_operator.core.observed import AgentReport, Nudge
from mooring_operator.core.plan import PodNudge
from mooring_operator.core.pods import PodView

FIRST_WAIT_S = 0.3
LONGEST_WAIT_S = 30.0
_DIGITS = 12


def nudges(
    namespace: str,
    pods: Iterable[PodView],
    agents: Mapping[str, AgentReport],
    last: Mapping[str, Nudge],
    digest: str,
    now: datetime,
) -> tuple[tuple[PodNudge, ...], float | None]:
    """Whom to nudge now, and in how many seconds to look again; None when every agent follows the newest list."""
    at = now.timestamp()
    due: list[PodNudge] = []
    waits: list[float] = []
    for pod in pods:
        if not (pod.has_agent and pod.running) or not _is_behind(agents.get(pod.uid), digest):
            continue
        record = last.get(pod.uid)
        count = record.count if record and record.digest == digest else 0
        wait = record.at + wait_s(count) - at if record and count else 0.0
        if wait <= 0:
            record, count = Nudge(digest, count + 1, at), count + 1
            due.append(PodNudge(namespace, pod.name, pod.uid, f"{digest[:_DIGITS]}.{count}", record))
            wait = wait_s(count)
        waits.append(wait)
    return tuple(due), min(waits, default=None)


def wait_s(count: int) -> float:
    """Seconds that the next nudge comes after the `count`-th (1 is the first)."""
    return float(min(FIRST_WAIT_S * 2 ** min(count - 1, 10), LONGEST_WAIT_S))


def _is_behind(report: AgentReport | None, digest: str) -> bool:
    if report is None or report.status is None:
        return False  # nothing is known; when the agent answers, it says what it follows
    status = report.status
    just_started = status.config_digest is None and status.config_error is None
    return not just_started and status.config_digest != digest
