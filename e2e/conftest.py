"""One installation for all tests, one namespace for each."""

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e import images as image_module
from e2e.kube import Cluster, connect
from e2e.namespace import Namespace
from e2e.release import Release, installed
from e2e.serving import Serve
from e2e.storage import Storage, namespace_with_keys, open_storage
from e2e.target import Target, open_target


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests that are steps of one walk."""
    config.addinivalue_line("markers", "incremental: after a failed test the rest of the module is skipped")


_broken_walks: dict[str, str] = {}


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember the first failed step of a walk."""
    if item.get_closest_marker("incremental") and call.excinfo is not None and not call.excinfo.errisinstance(_SKIPPED):
        _broken_walks.setdefault(str(item.path), item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what comes after a failed step."""
    if item.get_closest_marker("incremental") and (step := _broken_walks.get(str(item.path))):
        pytest.skip(f"{step} failed")


_SKIPPED = pytest.skip.Exception


@pytest.fixture(scope="session")
def target() -> Target:
    """The cluster and what is around it."""
    return open_target()


@pytest.fixture(scope="session")
def images(target: Target) -> dict[str, str]:
    """Image names by component, all known to the cluster."""
    return image_module.provide(target)


@pytest.fixture(scope="session")
def cluster(target: Target) -> Iterator[Cluster]:
    """Kubectl and the API."""
    with connect(target.environ) as found:
        yield found


@pytest.fixture(scope="session")
def storage(target: Target) -> Storage:
    """Buckets."""
    return open_storage(target)


@pytest.fixture(scope="session")
def release(target: Target, cluster: Cluster, images: dict[str, str]) -> Iterator[Release]:
    """Mooring, installed with helm; removed at the end unless MOORING_KEEP=1."""
    with installed(target, cluster, images) as release:
        yield release


@pytest.fixture
def space(cluster: Cluster, storage: Storage, release: Release, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A fresh namespace with the S3 server's keys; its removal is not waited for."""
    short = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    space = namespace_with_keys(cluster, storage, f"e2e-{short}-{secrets.token_hex(2)}")
    yield space
    cluster.kubectl("delete", "namespace", space.name, "--wait=false")


@pytest.fixture
def serve(space: Namespace, target: Target, images: dict[str, str]) -> Iterator[Serve]:
    """Applies InferenceServices with the tiny server."""
    with ExitStack() as open_fronts:
        yield Serve(space, target.ingress_url, images["tiny-server"], open_fronts)
