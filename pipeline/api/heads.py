"""HEAD where GET is answered: the same status and headers without the body, as checks of a service ask for.

A stream has no HEAD: it would begin one that nobody reads.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_HEAD = "/stream"


class HeadAsGet:
    """Lets what stands behind it see a GET in place of a HEAD; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith(NO_HEAD):
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def noting(message: Message) -> None:
            if "route" in asked:
                scope["route"] = asked["route"]  # under which it is counted
            await send(message)

        await self.app(asked, receive, noting)
