from __future__ import annotations

import time
from dataclasses import replace

import pytest

from features.profile import History, Profile
from serving import recall
from serving.fallback import Question, Ranked, rank
from serving.model.scoring import open_scorer
from serving.ranking.chain import Ranking
from serving.recall import Recall, best_rows_of_all
from serving.snapshot import Snapshot
from tests.unit.serving.kit import ANNA, HERO, NOW, Kit


def counted(kit: Kit, name: str) -> float:
    """What a counter stands at."""
    return kit.parts.metrics.registry.get_sample_value(name) or 0.0


def asked(kit: Kit) -> tuple[Snapshot, Question]:
    """A customer who bought an apple, and what there is to answer from."""
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "apple")
    profile = kit.profiles.get(ANNA)
    return kit.parts.current.snapshot, Question(HERO, 2, NOW, profile)


def wait_until(kit: Kit, best: float) -> None:
    """Until so many items were looked at."""
    until = time.monotonic() + 5
    while counted(kit, "homing_best_items_total") < best and time.monotonic() < until:
        time.sleep(0.01)


def test_what_answers_miss_is_counted(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "EVERY", 2)
    snapshot, question = asked(kit)
    found = rank(snapshot, [question])[0]
    assert found is not None
    worse = Ranked(Ranking(found.ranking.rows[:1], {}), found.spoken[:1])
    told = Recall(kit.parts.metrics)
    told.note(snapshot, [question] * 4, [found, None, found, worse])
    wait_until(kit, 4)
    told.close()
    assert counted(kit, "homing_best_items_total") == 4
    assert counted(kit, "homing_best_items_missed_total") == 1


def test_an_answer_that_cannot_be_made_again_is_not_counted(kit: Kit) -> None:
    snapshot, question = asked(kit)
    (found,) = rank(snapshot, [question])
    assert snapshot.model is not None
    other = replace(snapshot.model, scorer=open_scorer(snapshot.model.bundle))
    del other.scorer._weighting  # type: ignore[attr-defined] # a scorer that is broken
    told = Recall(kit.parts.metrics)
    told.note(replace(snapshot, model=other), [question], [found])
    time.sleep(0.1)
    told.close()
    assert counted(kit, "homing_best_items_total") == 0


def test_without_a_model_or_a_history_nothing_is_best(kit: Kit) -> None:
    snapshot, question = asked(kit)
    assert best_rows_of_all(replace(snapshot, model=None), question) == set()
    stranger = replace(question, profile=Profile(ANNA, History()))
    assert best_rows_of_all(snapshot, stranger) == set()
