from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.metrics import MOST_NOTED, Metrics
from serving.workers import MULTIPROCESS

ROUTE = "/v1/recommendations"


def answers(metrics: Metrics, rung: str = "model", reason: str = "") -> float | None:
    labels = {"rung": rung, "reason": reason}
    return metrics.registry.get_sample_value("homing_answers_total", labels)


def test_what_was_noted_is_counted_before_it_is_told() -> None:
    metrics = Metrics()
    metrics.note_answer("model", None, "stored")
    metrics.note_answer("popular", "busy", "lower")
    metrics.note_request("GET", ROUTE, 200, 0.004)
    assert (answers(metrics), answers(metrics, "popular", "busy")) == (1, 1)
    assert 'homing_answers_made_total{from="stored"} 1.0' in metrics.text().decode()
    told = metrics.registry.get_sample_value(
        "homing_request_seconds_bucket", {"route": ROUTE, "le": "0.005"}
    )
    assert told == 1


def test_very_many_notes_are_counted_though_nobody_asks() -> None:
    metrics = Metrics()
    for _ in range(MOST_NOTED):
        metrics.note_answer("model", None, "live")
    for _ in range(MOST_NOTED):
        metrics.note_request("GET", ROUTE, 200, 0.001)
    assert (len(metrics._answered), len(metrics._requested)) == (0, 0)
    assert answers(metrics) == MOST_NOTED


def test_a_process_of_several_counts_its_own_notes_before_it_tells_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    metrics.note_answer("model", None, "stored")
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    metrics.text()
    assert not metrics._answered


def test_nothing_is_counted_twice_or_lost_when_several_count() -> None:
    metrics = Metrics()

    def work(_: int) -> None:
        for _ in range(2_000):
            metrics.note_answer("model", None, "live")
            metrics.note_request("GET", ROUTE, 200, 0.001)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert answers(metrics) == 8_000
    labels = {"method": "GET", "route": ROUTE, "status": "200"}
    assert metrics.registry.get_sample_value("homing_requests_total", labels) == 8_000
