"""How the end-to-end tests start their node, with a command that stands in for `../shared/kube/node`."""

from pathlib import Path

import pytest
from e2e.target import START_ATTEMPTS, start_node


def _node(folder: Path, failures: int) -> Path:
    """A node command that writes what it was asked, and whose first `failures` calls of `up` fail."""
    command = folder / "node"
    command.write_text(
        f"""#!/bin/sh
echo "$*" >> {folder}/asked
case $1 in
  up) [ "$(grep -c up {folder}/asked)" -gt {failures} ] ;;
  logs) echo "server is not initialized yet" ;;
esac
"""
    )
    command.chmod(0o755)
    return command


def test_a_node_that_failed_to_come_up_is_asked_again(tmp_path: Path) -> None:
    start_node(_node(tmp_path, failures=1))
    assert (tmp_path / "asked").read_text().splitlines() == ["up", "up", "storage"]


def test_a_node_that_never_comes_up_is_told_with_the_log_of_its_kubelet(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="server is not initialized yet"):
        start_node(_node(tmp_path, failures=START_ATTEMPTS))
    assert (tmp_path / "asked").read_text().splitlines() == ["up"] * START_ATTEMPTS + ["logs kubelet"]
