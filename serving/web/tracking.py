"""Segment's HTTP tracking API: `/v1/track` and its like.

The write key is an API key with the scope `events`: the user of Basic, as Segment's libraries send
it, or `writeKey` in the body. Bodies may be compressed by gzip.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from features.errors import HomingError, Unauthenticated
from features.sources.segment import METHODS, write_key
from serving.intake import Intake
from serving.keys import Scope
from serving.web.body import answer, read_body
from serving.web.gate import Gate
from serving.web.middleware import NOTES, Named
from serving.web.problems import problem_of, respond
from serving.web.unzip import unzipped

_ANY_SITE: Final = {"Access-Control-Allow-Origin": "*"}
_ANY_CALL: Final = {
    "Access-Control-Allow-Methods": "POST",
    # The star leaves this one out.
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}


class Success(msgspec.Struct, frozen=True, kw_only=True):
    """What Segment answers."""

    success: bool = True


class Tracking:
    """The routes.

    Args:
        intake: Keeps.
        gate: Lets in.
    """

    def __init__(self, intake: Intake, gate: Gate) -> None:
        self._intake = intake
        self._gate = gate

    def routes(self) -> list[Named]:
        """What to mount."""
        return [
            Named(f"/v1/{name}", handler, methods=[method], include_in_schema=False)
            for name in METHODS
            for method, handler in (("POST", self.call), ("OPTIONS", self.allow))
        ]

    async def call(self, request: Request) -> Response:
        """One call; a page of any site may see what became of it."""
        try:
            response = await self._call(request)
        except HomingError as error:
            response = respond(*problem_of(error))
        response.headers.update(_ANY_SITE)
        return response

    async def allow(self, _: Request) -> Response:
        """That a page of any site may call (CORS): the write key is shown by the page itself."""
        return Response(status_code=204, headers=_ANY_SITE | _ANY_CALL)

    async def _call(self, request: Request) -> Response:
        given = _key_in_header(request)
        if given is not None:
            self._admit(request, given)
        body = unzipped(await read_body(request), request.headers.get("content-encoding", ""))
        if given is None:
            self._admit(request, write_key(body) or "")
        method = METHODS[request.scope["path"].rpartition("/")[2]]
        taken = await self._intake.track(method, body)
        request.scope[NOTES]["events"] = taken.accepted
        return answer(Success())

    def _admit(self, request: Request, token: str) -> None:
        # The gate looks for the key where our own callers have it.
        shown = b"Bearer " + token.encode("utf-8", "surrogatepass")
        self._gate.admit({**request.scope, "headers": [(b"authorization", shown)]}, Scope.EVENTS)


def _key_in_header(request: Request) -> str | None:
    """The write key; None where no header shows one."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return value.strip() if scheme else None
    try:
        shown = base64.b64decode(value.strip(), validate=True).decode()
    except ValueError as error:
        message = "the Basic credentials can't be read: send base64 of `KEY:`"
        raise Unauthenticated(message) from error
    user, _, password = shown.partition(":")
    return user or password
