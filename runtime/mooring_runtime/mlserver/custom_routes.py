"""Custom handlers of loaded models as routes, each run on its model's thread."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import BaseRoute

from mooring_runtime.mlserver.context import enter
from mooring_runtime.mlserver.errors import domain_error
from mooring_runtime.mlserver.handlers import get_custom_handlers
from mooring_runtime.mlserver.model import MLModel
from mooring_runtime.rest_api.errors import error_response
from mooring_runtime.sdk.model_thread import ModelThread

Run = Callable[[Callable[..., Any], dict[str, Any]], Awaitable[Any]]


class CustomRoutes:
    """The routes of all models, on an application that stands before the server's."""

    def __init__(self, front: FastAPI) -> None:
        self._front = front

    def add(self, model: MLModel, thread: ModelThread) -> "ModelRoutes":
        """Open the handlers of a model; those of an older version at the same paths are asked no more."""
        opened = ModelRoutes(model, thread, self._front.router.routes)
        for handler, method in get_custom_handlers(model):
            self._front.add_api_route(handler.rest_path, opened.endpoint(method), methods=[handler.rest_method])
            opened.own.append(self._front.router.routes.pop())
        self._front.router.routes[:0] = opened.own
        return opened


class ModelRoutes:
    """The routes of one model."""

    def __init__(self, model: MLModel, thread: ModelThread, routes: list[BaseRoute]) -> None:
        self._model = model
        self._thread = thread
        self._routes = routes
        self._in_flight = 0
        self._idle = asyncio.Event()
        self.own: list[BaseRoute] = []

    def endpoint(self, method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """An endpoint of `method`'s signature that runs it on the model's thread."""

        async def answer(**arguments: Any) -> Any:
            for argument in arguments.values():
                if isinstance(argument, Request):
                    await argument.body()  # read here: the model's loop cannot wait for the server's
            with self._request():
                try:
                    return await self._thread.run(lambda: _called(method, arguments, self._model))
                except Exception as exc:  # the edge of user code
                    return error_response(domain_error(exc))

        # FastAPI reads from these what to take from the request, and what the answer looks like.
        signature: Any = answer
        signature.__signature__ = inspect.signature(method, eval_str=True)
        answer.__name__, answer.__doc__ = method.__name__, method.__doc__
        return answer

    @contextmanager
    def _request(self) -> Iterator[None]:
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def close(self) -> None:
        """Take the routes away, and wait for what they have begun."""
        self._routes[:] = [route for route in self._routes if route not in self.own]
        if self._in_flight:
            self._idle.clear()
            await self._idle.wait()


async def _called(method: Callable[..., Any], arguments: dict[str, Any], model: MLModel) -> Any:
    enter(model.settings)
    result = method(**arguments)
    return await result if inspect.isawaitable(result) else result
