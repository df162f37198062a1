"""A history is a join semilattice: order, repetition and grouping of events change nothing.

The limits are shrunk, so that nearly every example is cut off somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import profile
from features.event import NEEDS_ITEM, Event, EventType
from features.profile import History, history_of
from features.profile_codec import decode_history, encode, exposed_digest, history_digest

START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 3
KINDS = (
    *[EventType.PURCHASE] * 4,
    *[EventType.RETURN] * 2,
    *[EventType.SLATE_SERVED] * 4,
    *EventType,
)
"""Purchases and exposures are common, so that their limits are reached."""


@pytest.fixture(autouse=True, scope="module")
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(profile, "MAX_INTERACTIONS", LIMIT)
        patched.setattr(profile, "MAX_OWNED", LIMIT)
        patched.setattr(profile, "MAX_EXPOSURES", LIMIT)
        yield


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Few ids, items and moments, so that ties and repetitions are common."""
    kind = draw(st.sampled_from(KINDS))
    item = st.sampled_from("abcdef")
    served = kind is EventType.SLATE_SERVED
    return Event(
        id=draw(st.sampled_from("123456789")),
        type=kind,
        customer="ck_" + "a" * 32,
        occurred_at=START + timedelta(seconds=draw(st.integers(0, 3))),
        item=draw(item if kind in NEEDS_ITEM else st.none() | item),
        quantity=draw(st.sampled_from([1.0, 2.0])),
        block=draw(st.sampled_from([None, "hero"])),
        slate=draw(st.sampled_from([None, "1", "2"])),
        items=tuple(draw(st.lists(item, max_size=2, unique=True))) if served else (),
    )


many = st.lists(events(), max_size=14)


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_events_changes_nothing(some: list[Event], random: object) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hides its type
    assert history_of(shuffled) == history_of(some)


@given(many, many)
def test_folding_again_changes_nothing(some: list[Event], more: list[Event]) -> None:
    history = history_of(some).fold(more)
    assert history.fold(some) == history.fold(more) == history.fold([]) == history
    assert history.join(history) == history


@given(many, many)
def test_events_folded_in_parts_are_events_folded_at_once(
    some: list[Event], more: list[Event]
) -> None:
    assert history_of(some).fold(more) == history_of(some + more)


@given(many, many, many)
def test_joining_is_commutative_and_associative(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = history_of(one), history_of(two), history_of(three)
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(History()) == a


@given(many)
def test_a_history_keeps_its_limits_and_its_order(some: list[Event]) -> None:
    history = history_of(some)
    assert len(history.interactions) <= LIMIT
    assert len(history.bought) <= LIMIT
    assert len(history.returned) <= LIMIT
    assert len(history.exposures) <= LIMIT
    assert list(history.interactions) == sorted(history.interactions)
    assert list(history.exposures) == sorted(history.exposures)
    for ids in (
        [one.event for one in history.interactions],
        [one.slate for one in history.exposures],
    ):
        assert len(ids) == len(set(ids))


@given(many)
def test_a_history_survives_the_store(some: list[Event]) -> None:
    history = history_of(some)
    assert decode_history(encode(history)) == history


@given(many, many)
def test_what_was_shown_changes_no_digest_of_what_was_done(
    some: list[Event], more: list[Event]
) -> None:
    before = history_of(some)
    after = before.fold([one for one in more if one.type is EventType.SLATE_SERVED])
    assert history_digest(encode(after)) == history_digest(encode(before))
    unchanged = after.exposures == before.exposures
    assert (exposed_digest(encode(after)) == exposed_digest(encode(before))) == unchanged
