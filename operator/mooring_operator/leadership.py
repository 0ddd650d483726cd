"""Whether this operator is the active one.

kopf's peering pauses the watches of every operator but the one with the highest priority. Our own loops (work queue,
agent followers) must rest as well, so we read the same object. The oldest process has the highest priority: a newcomer
never takes over from a working operator.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

PEERING = "mooring"
"""Name of the ClusterKopfPeering; the chart makes it."""


_TIES = 1_000_000


def priority_at(start: datetime, identity: str) -> int:
    """Peering priority of a process that started at `start`: the earlier, the higher.

    Two that started in the same millisecond, as the pods of one Deployment may, differ by their identities: kopf pauses
    all operators of the same priority, for good. The number fits 64 bits, as it must in JSON of the API server.
    """
    return -int(start.timestamp() * 1000) * _TIES - zlib.crc32(identity.encode()) % _TIES


def has_superior(peering: Mapping[str, Any], identity: str, priority: int, now: datetime) -> bool:
    """Whether a live peer with a higher priority is in the peering object's status."""
    return any(
        int(peer.get("priority", 0)) > priority and _deadline(peer) > now
        for name, peer in (peering.get("status") or {}).items()
        if name != identity and isinstance(peer, Mapping)
    )


def _deadline(peer: Mapping[str, Any]) -> datetime:
    seen = datetime.fromisoformat(str(peer.get("lastseen")))
    seen = seen if seen.tzinfo else seen.replace(tzinfo=UTC)
    return seen + timedelta(seconds=int(peer.get("lifetime", 60)))
