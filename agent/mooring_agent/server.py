"""The agent's own HTTP endpoints: status, probes, metrics. It carries no inference traffic."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mooring_agent.metrics import Metrics
from mooring_agent.status import Board
from mooring_agent.sync import Sync
from mooring_api import names

_LONGEST_WAIT_S = 300.0


def application(board: Board, metrics: Metrics, sync: Sync | None) -> web.Application:
    """The endpoints; `sync` is None when the agent was told not to follow a list, which makes it ready."""
    app = web.Application()

    async def models(request: web.Request) -> web.Response:
        after, timeout_s = _waiting(request)
        if after is not None:
            await board.wait_beyond(after, timeout_s)
        text = board.document().model_dump_json(by_alias=True, exclude_none=True)
        return web.Response(text=text, content_type="application/json")

    async def ready(_request: web.Request) -> web.Response:
        if sync is None or sync.was_attempted:
            return web.Response(text="ok")
        return web.Response(status=503, text=board.config_error or "the first model list is being worked on")

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def prometheus(_request: web.Request) -> web.Response:
        metrics.count_states([model.state for model in board.models.values()])
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def release(_app: web.Application) -> None:
        board.touch()  # who waits is answered, so that nobody holds up the shutdown

    app.on_shutdown.append(release)
    app.router.add_get(names.AGENT_STATUS_PATH, models)
    app.router.add_get(names.AGENT_READY_PATH, ready)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/metrics", prometheus)
    return app


def _waiting(request: web.Request) -> tuple[int | None, float]:
    """`after` and `timeout_s` of the long poll.

    Raises:
        HTTPBadRequest: one of them is no number.
    """
    try:
        after = int(request.query["after"]) if "after" in request.query else None
        timeout_s = float(request.query.get("timeout_s", "30"))
    except ValueError as exc:
        raise web.HTTPBadRequest(text=f"after and timeout_s must be numbers: {exc}") from exc
    return after, min(max(timeout_s, 0.0), _LONGEST_WAIT_S)
