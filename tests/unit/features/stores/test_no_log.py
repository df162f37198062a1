"""A process without a durable disk acknowledges nothing."""

from __future__ import annotations

import pytest

from features.errors import StoreUnavailable
from features.stores.opening import open_log


def test_it_refuses_events_and_names_the_cure() -> None:
    log = open_log("none://")
    with pytest.raises(StoreUnavailable, match="send them to one that does"):
        log.append([b"1"])
    with pytest.raises(StoreUnavailable, match="takes no events in"):
        log.bury([b"1"], "unreadable", "tests")


def test_it_is_always_empty() -> None:
    log = open_log("none://")
    log.append([])
    log.commit("reader", 7)
    log.remove_dead([7])
    assert (log.take("reader", 10), log.depth("reader"), log.trim()) == ([], 0, 0)
    assert log.dead_letters() == []
    log.close()
