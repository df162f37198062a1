"""`/v1/webhooks/{source}`: what senders push, verified on the bytes that came.

A delivery that is refused has been answered before anything is read, asked or kept. One that is the
sender's but can't be read is a dead letter, and is acknowledged: its sender would try for ever.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from features.errors import InputError, NotFound, TooLarge, Unauthenticated
from features.sources.opening import Opened, not_set_up
from features.sources.source import Delivery
from serving.intake import Intake
from serving.parts import Parts
from serving.web.body import answer, read_body
from serving.web.delivery import delivery_of
from serving.web.middleware import NOTES, Named

PATH: Final = "/v1/webhooks/{source}"
UNKNOWN: Final = "unknown"
"""Stands in metrics for any source that is not set up."""
_ALLOWED: Final = {"Allow": "POST", "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}

_log = structlog.get_logger(__name__)


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a delivery.

    Attributes:
        accepted: Events that are durable now; what came before changes nothing.
        unreadable: Parts that can't be read; they are kept, and need not be sent again.
    """

    accepted: int
    unreadable: int


class Webhooks:
    """The route.

    Args:
        intake: Checks and keeps.
        parts: Which sources there are; count.
    """

    def __init__(self, intake: Intake, parts: Parts) -> None:
        self._intake = intake
        self._sources = parts.sources
        self._metrics = parts.metrics
        self._address = parts.settings.public_url.rstrip("/")

    def routes(self) -> list[Named]:
        """What to mount."""
        return [
            Named(PATH, self.deliver, methods=["POST"], include_in_schema=False),
            Named(PATH, self.probe, methods=["GET", "HEAD"], include_in_schema=False),
            Named(PATH, self.allow, methods=["OPTIONS"], include_in_schema=False),
        ]

    async def deliver(self, request: Request) -> Response:
        """One delivery."""
        opened = self._opened(request)
        delivery = delivery_of(request.scope, await self._body(request, opened), self._address)
        key = self._check(opened, delivery)
        taken = await self._intake.deliver(opened, delivery, key)
        request.scope[NOTES].update(source=opened.name, events=taken.accepted)
        status = 200 if opened.repeats_unless_200 or not taken.unreadable else 202
        return answer(Delivered(accepted=taken.accepted, unreadable=taken.unreadable), status)

    async def probe(self, request: Request) -> Response:
        """Whether there is such an address: some senders ask before they send."""
        self._opened(request)
        return Response()

    async def allow(self, request: Request) -> Response:
        """That a sender of CloudEvents may push; it has to show its token all the same.

        Source: "HTTP 1.1 Web Hooks for Event Delivery", section 4 on abuse protection
        (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md).
        """
        self._opened(request)
        return Response(headers=_ALLOWED)

    def _opened(self, request: Request) -> Opened:
        name: str = request.path_params["source"]
        opened = self._sources.get(name)
        if opened is None:
            self._metrics.webhooks_refused.labels(UNKNOWN, UNKNOWN).inc()
            raise NotFound.of(name, field="source", reason="not set up", cure=not_set_up(name))
        return opened

    async def _body(self, request: Request, opened: Opened) -> bytes:
        try:
            return await read_body(request)
        except InputError as error:
            self._count(opened, "too large" if isinstance(error, TooLarge) else "cut off")
            raise

    def _check(self, opened: Opened, delivery: Delivery) -> str | None:
        try:
            return self._intake.check(opened, delivery)
        except Unauthenticated:
            self._count(opened, "signature")
            raise
        except Exception as error:  # a source raises nothing else; if one does, nobody gets in
            self._metrics.internal.inc()
            _log.exception("a source could not check", source=opened.name)
            self._count(opened, "fault")
            message = "the delivery can't be checked: see the service's log"
            raise Unauthenticated(message) from error

    def _count(self, opened: Opened, reason: str) -> None:
        self._metrics.webhooks_refused.labels(opened.name, reason).inc()
