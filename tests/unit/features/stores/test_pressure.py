"""At its stated depth a log keeps nothing more, and goes on when there is room again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from features.errors import Overloaded
from features.stores import pressure
from features.stores.opening import open_log
from features.stores.ports import EventLog
from features.stores.pressure import Pressure

SCHEMES: list[Callable[[Path], str]] = [
    lambda _: "memory://",
    lambda folder: f"sqlite:///{folder / 'events.db'}",
]


@pytest.fixture(params=SCHEMES, ids=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    log = open_log(request.param(tmp_path), max_depth=5)
    yield log
    log.close()


def test_a_full_log_refuses_until_it_is_trimmed(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    log.append([b"1", b"2", b"3"])
    with pytest.raises(Overloaded, match=r"3 events wait .* and 5 may \(HOMING_LOG_MAX_DEPTH\)"):
        log.append([b"4", b"5", b"6"])
    log.append([])
    assert log.depth("reader") == 3
    log.commit("reader", log.take("reader", 3)[-1].position)
    log.trim()
    log.append([b"4", b"5", b"6"])


def test_between_two_looks_what_was_let_in_is_added() -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(7)
        return 7

    admitting = Pressure("log", 10, look)
    admitting.admit(2)
    admitting.admit(1)
    with pytest.raises(Overloaded, match="10 events wait"):
        admitting.admit(1)
    assert looks == [7]
