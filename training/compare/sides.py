"""One version as the registry knows it: what it is, what it took, and the data it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from features.errors import NotEnoughData
from training.champions import HISTORY
from training.compare.report import Cost
from training.costs import COST
from training.register import CHECKS, NOTE, version_name
from training.tracking import Tracking

LONG: Final = (CHECKS, NOTE, HISTORY)
"""Tags that are documents of their own."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: Like `recommender/11`, or `popularity` for a baseline.
        facts: Tags and parameters, by name.
        metrics: What was logged with its run, by name.
    """

    name: str
    facts: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def as_of(self) -> datetime:
        """End of the history that it was made of."""
        return self._moment("data.as_of")

    @property
    def cutoff(self) -> datetime:
        """Where its own held-out time began."""
        return self._moment("data.cutoff")

    @property
    def lake_version(self) -> int | None:
        """Of the table of events that it was made of."""
        text = self.facts.get("data.lake_version", "")
        return int(text) if text.isdigit() else None

    def _moment(self, name: str) -> datetime:
        try:
            return datetime.fromisoformat(self.facts[name])
        except (KeyError, ValueError) as error:
            message = f"{self.name} does not say its {name}: train it again"
            raise NotEnoughData(message) from error


def side_of(tracking: Tracking, version: tuple[str, str]) -> Side:
    """A registered version.

    Raises:
        RegistryUnavailable: MLflow does not answer, or has no such version.
    """
    entry = tracking.version(*version)
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    if entry.run_id:
        with tracking.client() as client:
            run = client.get_run(entry.run_id).data
            params, metrics = dict(run.params), dict(run.metrics)
    tags = {name: text for name, text in dict(entry.tags).items() if name not in LONG}
    facts = {"aliases": ", ".join(entry.aliases), **tags, **params}
    return Side(version_name(*version), facts, metrics)


def baseline(name: str, beside: Side) -> Side:
    """A baseline that no version is: made of the same data as the version beside it."""
    data = {fact: text for fact, text in beside.facts.items() if fact.startswith("data.")}
    return Side(name, {"algorithm": name, **data}, {})


def facts_of(a: Side, b: Side) -> dict[str, tuple[str, str]]:
    """What each is and came from, where either says anything."""
    names = dict.fromkeys((*a.facts, *b.facts))
    return {name: (a.facts.get(name, ""), b.facts.get(name, "")) for name in names}


def costs_of_both(a: Side, b: Side) -> tuple[Cost, ...]:
    """What making each took, where either says anything."""
    names = [name for name in dict.fromkeys((*a.metrics, *b.metrics)) if name.startswith(COST)]
    return tuple(
        Cost(name=name.removeprefix(COST), a=a.metrics.get(name), b=b.metrics.get(name))
        for name in names
    )
