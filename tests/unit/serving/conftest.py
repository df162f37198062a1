from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.serving.kit import ANNA, Kit, make_kit


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A service that does not run by itself: tests tell it when to look."""
    made = make_kit(tmp_path)
    yield made
    made.service.stop()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Kit]:
    """A service with a short deadline and few threads."""
    made = make_kit(tmp_path, deadline_ms=150, threads=2)
    made.stock()
    made.promote("1")
    made.know(ANNA, "bread")
    yield made
    made.service.stop()


@pytest.fixture
def ready(kit: Kit) -> Kit:
    """A service with items, a model and a customer."""
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "bread")
    return kit
