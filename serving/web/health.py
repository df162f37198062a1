"""Is it alive, can it answer, what does it count: for machines that look after machines."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from serving.keys import Scope
from serving.metrics import Metrics
from serving.service import Service
from serving.web.body import answer
from serving.web.gate import Gate
from serving.web.middleware import Named


class Health:
    """The routes that need no customer.

    Args:
        service: Says what is loaded.
        metrics: What is counted.
        gate: Lets in to `/metrics` where that is not open.
        open_metrics: Whether `/metrics` is open.
    """

    def __init__(
        self, service: Service, metrics: Metrics, gate: Gate, *, open_metrics: bool
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._gate = gate
        self._open_metrics = open_metrics

    def routes(self) -> list[Named]:
        """What to mount."""
        return [
            Named("/healthz", self.alive, methods=["GET"]),
            Named("/readyz", self.ready, methods=["GET"]),
            Named("/metrics", self.metrics, methods=["GET"]),
        ]

    async def alive(self, _: Request) -> Response:
        """The process lives: restarting it would mend nothing."""
        return answer({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """Whether answers can be given, and what they are made from."""
        status = self._service.status()
        return answer(status, 200 if status.ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Metrics in Prometheus' text format."""
        if not self._open_metrics:
            self._gate.admit(request.scope, Scope.ADMIN)
        # With several processes this reads files.
        text = await run_in_threadpool(self._metrics.text)
        return Response(text, media_type=CONTENT_TYPE_LATEST)
