import asyncio
from typing import Any, cast

import pytest

from mooring_runtime.errors import ModelLoadFailed, ModelNotFound
from mooring_runtime.workers.channel import ChannelClosed
from mooring_runtime.workers.orders import Orders
from mooring_runtime.workers.worker import Worker


class Pretended:
    """What `Orders` knows of a worker: models with their numbers, and how it fails."""

    def __init__(self, index: int) -> None:
        self.index = self.pid = index
        self.served: dict[str, int] = {}
        self.failed: dict[str, list[str]] = {}
        self.log: dict[str, Any] = {}
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.loaded = asyncio.Event()
        self.retired = False

    async def call(self, verb: str, *arguments: Any) -> Any:
        if verb == "load":
            name, number = arguments
            await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            self.served[name] = number or self.served.get(name, 0) + 1
            self.loaded.set()
            return self.served[name]
        if verb == "unload":
            if self.served.pop(arguments[0], None) is None:
                raise ModelNotFound(arguments[0])
            return None
        if verb == "failed":
            self.failed[arguments[0]] = arguments[1]
            return None
        if verb == "log":
            self.log |= arguments[0]
            return self.log
        return self.served  # statistics

    def retire(self) -> None:
        self.retired = True

    @property
    def worker(self) -> Worker:
        return cast("Worker", self)


async def begun(count: int, *names: str) -> tuple[Orders, list[Pretended]]:
    """Workers that have begun with the first one's models, and loaded them."""
    orders, workers = Orders(), [Pretended(index) for index in range(count)]
    for each in workers:
        told = await orders.answer(each.worker, "begin", [list(names)])
        each.served = dict(told["models"])
    return orders, workers


async def begin_late(orders: Orders, worker: Pretended) -> dict[str, Any]:
    told: dict[str, Any] = await orders.answer(worker.worker, "begin", [["whatever it found"]])
    return told


async def test_a_load_reaches_all_and_counts_alike_everywhere() -> None:
    orders, workers = await begun(3, "m")
    workers[2].served = {}  # its own load at the start had failed
    assert await orders.answer(workers[1].worker, "load", ["m"]) == 2
    assert [each.served for each in workers] == [{"m": 2}] * 3
    assert (await begin_late(orders, Pretended(3)))["models"] == {"m": 2}


async def test_a_load_that_fails_where_it_was_asked_for_is_tried_nowhere_else() -> None:
    orders, workers = await begun(2)
    workers[0].failure = ModelNotFound("m")
    with pytest.raises(ModelNotFound):
        await orders.answer(workers[0].worker, "load", ["m"])
    assert [each.served for each in workers] == [{}, {}]


@pytest.mark.parametrize("failure", [ModelLoadFailed("no room.", ""), ChannelClosed()], ids=["failed", "died"])
async def test_a_new_model_that_fails_in_one_worker_is_served_by_none(failure: Exception) -> None:
    orders, workers = await begun(3)
    workers[2].failure = failure
    with pytest.raises(ModelLoadFailed, match="m could not be loaded in 1 of 3 workers"):
        await orders.answer(workers[0].worker, "load", ["m"])
    assert [each.served for each in workers] == [{}] * 3
    assert not any(each.retired for each in workers)
    late = await begin_late(orders, Pretended(3))
    assert late["models"] == {}
    assert [each.failed for each in workers] == [late["failed"]] * 3
    assert late["failed"]["m"][0] == "ModelLoadFailed"
    workers[2].failure = None
    await orders.answer(workers[0].worker, "load", ["m"])
    assert (await begin_late(orders, Pretended(4)))["failed"] == {}


async def test_a_worker_that_cannot_follow_to_a_new_version_is_replaced_by_one_that_begins_with_it() -> None:
    orders, workers = await begun(2, "m")
    workers[1].failure = ModelLoadFailed("no room.", "")
    with pytest.raises(ModelLoadFailed, match="in 1 of 2 workers: no room"):
        await orders.answer(workers[0].worker, "load", ["m"])
    assert [each.retired for each in workers] == [False, True]
    assert (await begin_late(orders, Pretended(2)))["models"] == {"m": 2}


async def test_a_worker_that_begins_while_others_load_is_told_to_load_too() -> None:
    orders, workers = await begun(2)
    workers[1].gate.clear()
    loading = asyncio.create_task(orders.answer(workers[0].worker, "load", ["m"]))
    await workers[0].loaded.wait()
    late = Pretended(2)
    assert (await begin_late(orders, late))["models"] == {}
    workers[1].gate.set()
    await loading
    assert late.served == {"m": 1}


async def test_an_unload_reaches_all_and_is_remembered() -> None:
    orders, workers = await begun(2, "a", "b")
    workers[1].served.pop("a")  # its own load had failed: it is unloaded all the same
    await orders.answer(workers[1].worker, "unload", ["a"])
    assert [each.served for each in workers] == [{"b": 1}] * 2
    assert (await begin_late(orders, Pretended(2)))["models"] == {"b": 1}
    with pytest.raises(ModelNotFound):
        await orders.answer(workers[0].worker, "unload", ["a"])


async def test_orders_about_one_model_take_turns() -> None:
    orders, workers = await begun(2)
    workers[1].gate.clear()
    loading = asyncio.create_task(orders.answer(workers[0].worker, "load", ["m"]))
    await workers[0].loaded.wait()
    unloading = asyncio.create_task(orders.answer(workers[0].worker, "unload", ["m"]))
    await orders.answer(workers[0].worker, "statistics", [])  # others do not wait
    workers[1].gate.set()
    await asyncio.gather(loading, unloading)
    assert [each.served for each in workers] == [{}, {}]


async def test_log_settings_change_everywhere_and_for_those_to_come() -> None:
    orders, workers = await begun(2)
    assert await orders.answer(workers[1].worker, "log", [{"log_info": False}]) == {"log_info": False}
    await orders.answer(workers[0].worker, "log", [{"log_warning": False}])
    wanted = {"log_info": False, "log_warning": False}
    assert [each.log for each in workers] == [wanted, wanted]
    assert (await begin_late(orders, Pretended(2)))["log_settings"] == wanted


async def test_a_worker_that_is_gone_gets_no_orders() -> None:
    orders, workers = await begun(2)
    orders.gone(workers[1].worker)
    orders.gone(workers[1].worker)
    await orders.answer(workers[0].worker, "load", ["m"])
    assert workers[1].served == {}
    assert await orders.answer(workers[0].worker, "statistics", []) == [{"m": 1}]
