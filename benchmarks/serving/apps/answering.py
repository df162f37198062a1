"""What every peer answers with: the same bundle, the same profiles, the same chain as ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from threadpoolctl import threadpool_limits

from benchmarks.serving.shop import BLOCK
from benchmarks.serving.stages import HOME, keys_of, parts_of
from features.clock import SystemClock
from serving.fallback import Question, choose, rank
from serving.slate import Choice

TOGETHER: Final = 32
"""Customers whom a peer that batches answers at once, at the most."""
DRAWN: Final = ("id", "title", "url", "image_url", "price", "currency", "brand", "categories")


class Answering:
    """Slates by the model, drawn as ours are; items are made ready when it starts."""

    def __init__(self) -> None:
        threadpool_limits(1, user_api="blas")
        parts = parts_of(os.environ[HOME])
        self._profiles = parts.stores.profiles
        self._snapshot = parts.current.snapshot
        self._block = self._snapshot.blocks[BLOCK]
        self._clock = SystemClock()
        catalogue = self._snapshot.catalogue
        assert catalogue is not None  # the shop has one
        self._drawn: dict[str, dict[str, Any]] = {
            item.id: {name: getattr(item, name) for name in (*DRAWN, "attributes")}
            for item in catalogue.items.values()
        }

    def answer(self, customers: Sequence[str]) -> list[dict[str, Any]]:
        """The slate of each, of outside ids."""
        keys = keys_of(customers)
        if len(keys) == 1:
            known = {keys[0]: self._profiles.get(keys[0])}
        else:
            known = dict(self._profiles.get_many(keys))
        now, size = self._clock.now(), self._block.size
        questions = [Question(self._block, size, now, known[key]) for key in keys]
        ranked = rank(self._snapshot, questions)
        return [
            self._slate(key, choose(self._snapshot, question, found))
            for key, question, found in zip(keys, questions, ranked, strict=True)
        ]

    def _slate(self, key: str, choice: Choice) -> dict[str, Any]:
        items = [
            {
                "position": place,
                **self._drawn[pick.item],
                "because": None if pick.because is None else msgspec.to_builtins(pick.because),
            }
            for place, pick in enumerate(choice.picks, start=1)
        ]
        return {
            "slate": choice.slate,
            "customer": key,
            "block": self._block.name,
            "send": None,
            "served_by": str(choice.served_by),
            "reason": choice.reason,
            "model": choice.model,
            "count": len(items),
            "items": items,
        }
