"""BentoML: a service of one worker, run by `bentoml serve`."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serving.apps.answering import TOGETHER, Answering


@bentoml.service(workers=1)
class Slates:
    """Answers customers' ids by slates."""

    def __init__(self) -> None:
        self._answering = Answering()

    @bentoml.api(route="/one")  # type: ignore[untyped-decorator]  # of the peers' environment
    async def one(self, customer: str) -> dict[str, Any]:
        """One slate, made in the loop that answers."""
        return self._answering.answer([customer])[0]

    @bentoml.api(  # type: ignore[untyped-decorator]  # of the peers' environment
        route="/many", batchable=True, max_batch_size=TOGETHER, max_latency_ms=10_000
    )
    def many(self, customer: list[str]) -> list[dict[str, Any]]:
        """The slates of those who are asked for at about the same time."""
        return self._answering.answer(customer)
