from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.serving import peers, trials
from benchmarks.serving.fetches import by_model
from benchmarks.serving.growth import Size, draw, exponent
from benchmarks.serving.overload import AFTER, WINDOW, recovery
from benchmarks.serving.servers import Server
from benchmarks.serving.trials import (
    LEAD_SECONDS,
    Contestant,
    Late,
    Peak,
    WrongAnswerError,
    closed,
    late_figures,
    lateness,
    median_peak,
    steady,
)
from homing.rehearsal.measured import Measured
from tests.unit.homing.rehearsal.tiny import tiny_server, whole

CORES = tuple(os.sched_getaffinity(0))


@contextmanager
def contestant(*answers: bytes) -> Iterator[Contestant]:
    """Asked for each answer in turn; `good` is what it should say."""
    with tiny_server(
        lambda connection, head: connection.sendall(answers[int(head.split()[1][1:])])
    ) as target:
        spent = iter([1.0, 1.5])
        server = SimpleNamespace(target=target, processor_seconds=lambda: next(spent))
        requests = [target.request(f"/{number}") for number in range(len(answers))]
        yield Contestant(cast("Server", server), requests, lambda _, body: body == b"good")


def test_a_peak_counts_what_was_meant_and_the_processor_for_all() -> None:
    with contestant(*[whole(b"good")] * 39, whole(b"else")) as asked:
        peak = closed(asked, 0.3, 2, CORES)
    assert peak.right == pytest.approx(0.975, abs=0.02)
    assert peak.rate > 50
    assert 0 < peak.processor < 0.5e6


@pytest.mark.parametrize("wrong", [whole(b"else"), whole(b"good", 503)])
def test_a_server_that_answers_something_else_is_not_measured(wrong: bytes) -> None:
    with (
        contestant(whole(b"good"), wrong) as asked,
        pytest.raises(WrongAnswerError, match="right"),
    ):
        closed(asked, 0.1, 1, CORES)


def test_a_p99_holds_only_where_answers_were_what_was_meant() -> None:
    held = [
        late_figures("live", late, 10.0)[0].holds
        for late in (Late(1.0, 9.0, 0.99, 9), Late(1.0, 9.0, 0.5, 9), Late(1.0, 11.0, 0.99, 11))
    ]
    assert held == [True, False, False]
    assert late_figures("live", Late(1.0, 9.0, 0.5, 9.0))[0].holds is None


def test_a_turn_that_was_disturbed_counts_in_all_together_and_not_in_the_median() -> None:
    quiet, stalled = np.full(1_000, 0.001), np.full(1_000, 0.050)
    late = lateness([(quiet, 1.0), (quiet, 0.98), (stalled, 0.9)])
    assert list(late) == pytest.approx([1.0, 1.0, 0.98, 50.0])
    assert list(lateness([(stalled, 0.9)])) == pytest.approx([50.0, 50.0, 0.9, 50.0])


def test_the_beginning_of_an_open_loop_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    due = np.linspace(0, 2 * LEAD_SECONDS, 1_000)
    seconds = np.where(due < LEAD_SECONDS, 9.0, 0.001)
    heard = Measured(np.full(1_000, 200, np.int16), seconds, due, np.arange(1_000), 0, 1.0)
    monkeypatch.setattr(trials, "open_loop", lambda *_: heard)
    monkeypatch.setattr(trials, "LOAD_CORE", CORES[0])
    with contestant(whole(b"good")) as asked:
        late = steady(asked, 1_000.0, LEAD_SECONDS)
    assert [late.p99, late.overall] == pytest.approx([1.0, 1.0])


def test_the_median_is_of_each_figure() -> None:
    turns = [Peak(1, 30, 1.0), Peak(2, 10, 0.9), Peak(9, 20, 1.0)]
    assert median_peak(turns) == Peak(2, 20, 1.0)


def test_only_the_model_alone_counts_as_live() -> None:
    assert by_model(b'{"served_by":"model","reason":null,"model":"recommender/1"}')
    assert not by_model(b'{"served_by":"model","reason":"too few items","model":"recommender/1"}')
    assert not by_model(b'{"served_by":"profile","reason":"busy","model":"recommender/1"}')


def test_bars_are_held_against_the_fastest_way_of_each_peer() -> None:
    found = {
        "stored": Peak(10_000, 0, 1),
        "live": Peak(1_200, 0, 1),
        peers.MLFLOW: Peak(400, 0, 1),
        "BentoML, one by one": Peak(300, 0, 1),
        "BentoML, batches": Peak(600, 0, 1),
    }
    figures = {figure.name: figure for figure in peers.ratios(found)}
    assert figures["stored / mlflow models serve, which scores"].value == 25.0
    assert figures["live / mlflow models serve"].holds
    assert figures["live / BentoML"].value == 2.0
    assert figures["live / LitServe: not installed, see standard error"].holds is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"items": [{"id": "a"}, {"id": "b"}]}',
        b'[{"items": [{"id": "a"}, {"id": "b"}]}]',
        b'{"predictions": [{"items": [{"id": "a"}, {"id": "b"}]}]}',
    ],
)
def test_a_peers_items_are_found_whatever_they_are_wrapped_in(body: bytes) -> None:
    assert peers.items_of(body) == ["a", "b"]


def size(items: int, cost: float) -> Size:
    return Size(items, cost, Late(1.0, 2.0, 1.0, 2.0), 100.0, Late(1.0, 3.0, 1.0, 3.0))


def test_cost_that_doubles_with_the_catalogue_has_the_exponent_1() -> None:
    assert exponent([size(10**n, 5.0 * 10**n) for n in (3, 4, 5)]) == pytest.approx(1.0)
    assert exponent([size(10**n, 7.0) for n in (3, 4, 5)]) == pytest.approx(0.0)


def test_growth_is_drawn(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("plot") / "growth.png"
    draw([size(1_000, 10.0), size(10_000, 20.0)], file)
    assert file.stat().st_size > 5_000


def heard(slow_until: float, *, lost: bool = False) -> Measured:
    """Light load after a shower that ended at 10 s; slow until some moment."""
    due = np.arange(10.0, 10.0 + AFTER, 0.01)
    seconds = np.where(due < slow_until, 0.5, 0.004)
    statuses = np.where(lost & (due < 10.5), 0, 200).astype(np.int16)
    return Measured(statuses, seconds, due, np.arange(len(due)), 0, 20.0)


def test_recovery_is_the_end_of_the_last_slow_moment() -> None:
    assert recovery(heard(0.0), 10.0, normal=0.01) == 0.0
    assert recovery(heard(11.1), 10.0, normal=0.01) == pytest.approx(1.25)
    assert recovery(heard(99.0), 10.0, normal=0.01) == pytest.approx(AFTER, abs=WINDOW)


def test_what_is_lost_after_a_shower_is_no_recovery() -> None:
    assert recovery(heard(0.0, lost=True), 10.0, normal=0.01) == pytest.approx(0.5)
