"""`/v1/overrides`: what persons decide about items."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from features.clock import Clock
from features.event import decode_json
from features.override import Override, parse_overrides
from serving.keys import Scope
from serving.service import Service
from serving.web.api import Accepted
from serving.web.body import answer, read_body
from serving.web.gate import Gate


class OverrideList(msgspec.Struct, frozen=True, kw_only=True):
    """All overrides that have not ended, in the order of their ids."""

    count: int
    overrides: tuple[Override, ...]


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """The id of the override that was dropped."""

    dropped: str


class OverridesApi:
    """The routes.

    Args:
        service: Keeps and obeys.
        gate: Lets in.
        clock: Dates what is decided.
    """

    def __init__(self, service: Service, gate: Gate, clock: Clock) -> None:
        self._service = service
        self._gate = gate
        self._clock = clock

    def router(self) -> APIRouter:
        """What to mount."""
        router = APIRouter()
        for path, methods, handler in (
            ("/v1/overrides", ["GET", "HEAD"], self.all),
            ("/v1/overrides", ["PUT"], self.put),
            ("/v1/overrides/{name}", ["DELETE"], self.drop),
        ):
            router.add_api_route(path, handler, methods=methods, include_in_schema=False)
        return router

    async def all(self, request: Request) -> Response:
        """Those that there are."""
        self._gate.admit(request.scope, Scope.CATALOGUE)
        kept = await self._service.overrides()
        return answer(OverrideList(count=len(kept), overrides=kept))

    async def put(self, request: Request) -> Response:
        """Some to add or replace."""
        self._gate.admit(request.scope, Scope.CATALOGUE)
        new = parse_overrides(decode_json(await read_body(request)), self._clock.now())
        return answer(Accepted(accepted=await self._service.put_overrides(new)))

    async def drop(self, request: Request) -> Response:
        """One that is not wanted any more."""
        self._gate.admit(request.scope, Scope.CATALOGUE)
        name: str = request.path_params["name"]
        await self._service.drop_override(name)
        return answer(Dropped(dropped=name))
