"""Moving clients away from a server that is on its way down, without losing a request of theirs."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mooring_runtime.dataplane import DataPlane


def closing_while_draining(app: ASGIApp, dataplane: DataPlane) -> ASGIApp:
    """`app`, which says `Connection: close` in every answer once the server drains.

    A kept connection that the server closes while the client's next request is under way loses that request; one whose
    last answer says that it closes does not get another request (RFC 9112, section 9.6).
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        # A request that began before the drain may end in it: the moment of the answer decides.
        await app(scope, receive, _closing(send, dataplane) if scope["type"] == "http" else send)

    return wrapped


def _closing(send: Send, dataplane: DataPlane) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start" and dataplane.draining.is_set():
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return closing
