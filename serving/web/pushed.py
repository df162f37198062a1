"""The short way for what is pushed, past the framework's routing and layers.

Deliveries come as often as templates, and a forged one must cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import HomingError
from serving.web.middleware import Named
from serving.web.problems import problem_of, respond

Handler = Callable[[Request], Awaitable[Response]]

WEBHOOKS: Final = "/v1/webhooks/"
"""What the paths of deliveries begin with; the source's name follows."""


class Pushed:
    """Answers what is posted to these routes; everything else goes on to the application.

    Args:
        app: Answers everything else, and has these routes too: for other methods.
        routes: With no parameter in their paths, but for a source's name behind `WEBHOOKS`.
    """

    def __init__(self, app: ASGIApp, routes: list[Named]) -> None:
        self._app = app
        self._routes: Mapping[str, Named] = {
            route.path.partition("{")[0]: route
            for route in routes
            if "POST" in (route.methods or ())
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        delivered = path.startswith(WEBHOOKS)
        route = self._routes.get(WEBHOOKS if delivered else path)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        scope["path_params"] = {"source": path.removeprefix(WEBHOOKS)} if delivered else {}
        handler: Handler = route.endpoint
        try:
            response = await handler(Request(scope, receive))
        except HomingError as error:
            response = respond(*problem_of(error))
        await response(scope, receive, send)
