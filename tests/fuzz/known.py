"""All that is fuzzed."""

from __future__ import annotations

from tests.fuzz import declared, feeds, front, webhooks
from tests.fuzz.target import Target


def targets() -> dict[str, Target]:
    """Name → target."""
    found = [*webhooks.targets(), *front.targets(), *declared.targets(), *feeds.targets()]
    names = {target.name: target for target in found}
    assert len(names) == len(found)
    return names
