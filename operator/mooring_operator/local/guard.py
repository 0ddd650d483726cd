"""Kills what is left when `mooring local up` dies without a word (kill -9, out of memory).

A separate process that imports nothing of ours: it reads `+PGID` and `-PGID` lines from its standard input, the other
end of which only `up` and, until they exec, its children hold. End of file means that `up` is gone; every process group
that was not taken back is killed. Process groups rather than PR_SET_PDEATHSIG: that reaches only direct children.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read until end of file, then kill."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line[0] == "+" else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
