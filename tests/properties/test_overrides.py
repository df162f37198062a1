"""Whatever is decided, loaded, stored and owned: a slate obeys its orders and breaks no rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from features.override import Action, Override
from serving.fallback import Question, choose, find_item, rank
from serving.ranking.overrides import Overrides, able_items
from serving.snapshot import Snapshot
from tests.properties.test_ladder import NAME, questions, snapshots
from tests.unit.serving.kit import NOW


@st.composite
def decided(draw: st.DrawFn) -> Overrides:
    made = []
    for place in range(draw(st.integers(0, 8))):
        action = draw(st.sampled_from(Action))
        start, end = draw(st.sampled_from(((None, None), (-2, -1), (-1, 1), (1, 2))))
        made.append(
            Override(
                id=str(place),
                action=action,
                item=draw(NAME),
                block=draw(st.sampled_from((None, "hero", "footer"))),
                segment=draw(st.sampled_from((None, "loyal"))),
                position=draw(st.integers(1, 6)) if action is Action.PIN else None,
                strength=draw(st.floats(0.01, 1)) if action is Action.BOOST else None,
                created_at=NOW - timedelta(hours=draw(st.integers(0, 3))),
                starts_at=None if start is None else NOW + timedelta(days=start),
                ends_at=None if end is None else NOW + timedelta(days=end),
            )
        )
    return Overrides(made)


def answered(snapshot: Snapshot, question: Question) -> list[str]:
    choice = choose(snapshot, question, rank(snapshot, [question])[0])
    return [pick.item for pick in choice.picks]


@settings(max_examples=300, deadline=None)
@given(snapshots(), questions(), decided())
def test_a_slate_obeys_and_shows_nothing_that_may_not_be_shown(
    snapshot: Snapshot, question: Question, overrides: Overrides
) -> None:
    chosen = answered(replace(snapshot, overrides=overrides), question)
    orders = overrides.orders("hero", question.segment, NOW)
    assert len(chosen) == len(set(chosen)) <= question.count
    assert not set(chosen) & (question.exclude | orders.banned)
    found = [find_item(snapshot, question.block, item) for item in chosen]
    known = [item for item in found if item is not None]
    assert able_items(known, question.block, question.history, NOW) == set(chosen)


@settings(max_examples=200, deadline=None)
@given(snapshots(), questions(), decided())
def test_a_slate_is_as_full_as_without_overrides_but_for_what_is_banned(
    snapshot: Snapshot, question: Question, overrides: Overrides
) -> None:
    banned = overrides.orders("hero", question.segment, NOW).banned
    without = answered(snapshot, replace(question, exclude=question.exclude | banned))
    assert len(answered(replace(snapshot, overrides=overrides), question)) >= len(without)


@settings(max_examples=200, deadline=None)
@given(snapshots(), questions(), decided())
def test_fewer_items_are_the_first_of_more(
    snapshot: Snapshot, question: Question, overrides: Overrides
) -> None:
    # Up to the slate's length; beyond it, rules that count over the whole slate may differ.
    few, whole = (replace(question, count=count) for count in (2, question.block.size))
    under = replace(snapshot, overrides=overrides)
    if overrides.orders("hero", question.segment, NOW).wanted:
        assert answered(under, few) == answered(under, whole)[:2]
