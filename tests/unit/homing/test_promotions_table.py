from __future__ import annotations

import io
from datetime import UTC, datetime

import msgspec
from rich.console import Console

from homing.show import promotions_table
from training.reports import Change, Evidence, Promotions

EVIDENCE = Evidence(
    against="recommender/1",
    metric="ndcg_20",
    difference=0.02,
    low=0.01,
    high=0.03,
    passed=51,
    failed=(),
)
CHANGE = Change(
    did="promote",
    at=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
    by="ada",
    command="homing retrain",
    reason="better",
    former="1",
    evidence=EVIDENCE,
)


def drawn(*changes: Change) -> str:
    told = Promotions(
        model="recommender",
        champion="recommender/2",
        changes=tuple(("recommender/2", change) for change in changes),
    )
    out = io.StringIO()
    Console(file=out, width=220).print(promotions_table(told))
    return out.getvalue()


def test_a_promotion_is_one_line_with_its_evidence() -> None:
    text = drawn(CHANGE)
    [line] = [line for line in text.splitlines() if "2026-03-01 02:30" in line]
    for said in ("recommender/2", "ada, homing retrain", "51 checks passed", "better"):
        assert said in line
    assert "ndcg_20 +0.0200 [+0.0100, +0.0300] against recommender/1" in line
    assert "champion: recommender/2" in text


def test_what_was_forced_says_so_and_what_had_failed() -> None:
    failed = msgspec.structs.replace(EVIDENCE, failed=("data: fresh",), low=None)
    text = drawn(msgspec.structs.replace(CHANGE, forced=True, evidence=failed))
    assert "ada, homing retrain, by force" in text
    assert "51 checks passed, failed: data: fresh" in text
    assert "never judged" in drawn(msgspec.structs.replace(CHANGE, evidence=None))
