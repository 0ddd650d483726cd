import asyncio
import gc
import weakref
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from mooring_runtime import Model
from mooring_runtime.heap import SETTLE_S

Serve = Callable[..., AbstractAsyncContextManager[Any]]


class Knot:
    """Only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


class Tied(Model):
    def load(self) -> bool:
        self.knot: Knot | None = Knot()
        self.ready = True
        return True

    def stop(self) -> None:
        self.knot = None


async def test_what_is_loaded_is_out_of_the_collector_s_sight_until_it_is_unloaded(serve_ready: Serve) -> None:
    model = Tied("m")
    async with serve_ready(model) as server:
        assert model.knot is not None
        knot = weakref.ref(model.knot)
        assert not any(each is model.knot for each in gc.get_objects())
        assert (await server.http.post("/v2/repository/models/m/unload")).status_code == 200
        async with asyncio.timeout(SETTLE_S + 20):
            while knot() is not None:  # noqa: ASYNC110 - the collector tells nobody
                await asyncio.sleep(0.05)
    assert gc.get_freeze_count() == 0
