from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.serving.kit import Kit, make_kit


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A service that does not run by itself: tests tell it when to look."""
    made = make_kit(tmp_path)
    yield made
    made.service.stop()
