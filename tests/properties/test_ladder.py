"""Whatever is loaded, stored and owned: no rung breaks a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from features.event import Event, EventType
from features.item import Item
from features.profile import Profile, Published, StoredSlate, history_of
from features.profile_codec import decode_history, encode
from serving.catalogue import make_copy, segment_shelf
from serving.fallback import Question, choose, find_item, rank
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.overrides import able_items
from serving.slate import Rung
from serving.snapshot import Current, LoadedModel, Snapshot
from tests.unit.serving.kit import ANNA, NAMES, NOW, chain_bundle

STATIC = tuple(f"static-{number}" for number in range(4))
ALL = (*NAMES, "grapes", "honey", *STATIC)
NAME = st.sampled_from(ALL)
LIST = st.lists(NAME, max_size=8).map(tuple)
BUNDLE = chain_bundle()
MODEL = LoadedModel("1", "recommender/1", BUNDLE, open_scorer(BUNDLE))


@st.composite
def items(draw: st.DrawFn) -> dict[str, Item]:
    made = {}
    for name in draw(st.sets(NAME)):
        window = draw(st.sampled_from((None, -1, 1)))
        made[name] = Item(
            id=name,
            title=name,
            in_stock=draw(st.booleans()),
            categories=draw(st.sampled_from(((), ("food",), ("food", "sweet")))),
            brand=draw(st.sampled_from((None, "farm", "mill"))),
            price=draw(st.sampled_from((None, 0.0, 1.0, 5.0))),
            available_from=draw(st.sampled_from((None, NOW - timedelta(days=2)))),
            available_until=None if window is None else NOW + timedelta(days=window),
        )
    return made


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    current = Current()
    if draw(st.booleans()):
        current.use_model(MODEL)
    if draw(st.booleans()):
        known = draw(items())
        shelves = {"popular": draw(LIST), segment_shelf("loyal"): draw(LIST)}
        current.use_catalogue(make_copy(1, known.values(), shelves))
    return current.snapshot


DONE = (EventType.PURCHASE, EventType.RETURN, EventType.VIEW, EventType.EMAIL_CLICK)


@st.composite
def events(draw: st.DrawFn, ids: str = "e") -> list[Event]:
    """What one customer did and was shown, some of it an hour ahead of our clock."""
    made = []
    kinds = st.sampled_from((*DONE, *[EventType.SLATE_SERVED] * 3, *EventType))
    for place, kind in enumerate(draw(st.lists(kinds, max_size=12))):
        served = kind is EventType.SLATE_SERVED
        days = draw(st.integers(0, 400) | st.integers(0, 9))
        made.append(
            Event(
                id=f"{ids}-{place}",
                type=kind,
                customer=ANNA,
                item=draw(NAME) if kind in DONE else None,
                items=tuple(draw(st.lists(NAME, max_size=6, unique=True))) if served else (),
                occurred_at=NOW + timedelta(hours=1, days=-days),
            )
        )
    return made


@st.composite
def profiles(draw: st.DrawFn) -> Profile | None:
    if not draw(st.booleans()):
        return None
    slates = {"hero": StoredSlate(draw(LIST), "recommender/9")} if draw(st.booleans()) else {}
    at = int(NOW.timestamp()) - draw(st.sampled_from((0, 5, 900))) * 86_400
    published = Published(at=at, segment=draw(st.sampled_from((None, "loyal"))), slates=slates)
    return Profile(ANNA, history_of(draw(events())), published)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    block = Block(
        name="hero",
        size=4,
        allow_repeats=draw(st.booleans()),
        repeat_after_days=draw(st.sampled_from((0.0, 30.0))),
        categories=draw(st.sampled_from(((), ("sweet",), ("no such",)))),
        rotation_days=draw(st.sampled_from((None, 0.5, 14.0))),
        category_cap=draw(st.sampled_from((None, 1, 2))),
        brand_cap=draw(st.sampled_from((None, 1))),
        popularity_cap=draw(st.sampled_from((None, 1))),
        popular_share=0.3,
        price_spread=draw(st.sampled_from((None, 2.0))),
        new_share=draw(st.sampled_from((None, 0.5))),
        diversity=draw(st.sampled_from((None, 0.5))),
        items=tuple(Item(id=name, title=name) for name in STATIC),
    )
    return Question(
        block=block,
        count=draw(st.integers(1, 8)),
        now=NOW,
        profile=draw(profiles()),
        exclude=frozenset(draw(LIST)),
    )


def answered(snapshot: Snapshot, question: Question) -> list[str]:
    """The items of the slate."""
    return [pick.item for pick in choose(snapshot, question, rank(snapshot, [question])[0]).picks]


def at_hand(snapshot: Snapshot, question: Question) -> set[str]:
    """Every item that any rung has and the block may show to the customer, spelled out."""
    block, copy, published = question.block, snapshot.catalogue, Published()
    listed = {*STATIC, *(() if snapshot.model is None else BUNDLE.items)}
    if question.profile is not None:
        published = question.profile.published
        listed.update(slate for one in published.slates.values() for slate in one.items)
    if copy is not None:
        names = "popular", segment_shelf(published.segment or "")
        listed.update(
            item for name in names if name in copy.shelves for item in copy.shelves[name].items
        )
    found = [find_item(snapshot, block, name) for name in listed - question.exclude]
    known = [item for item in found if item is not None]
    return set(able_items(known, block, question.history, NOW))


@settings(max_examples=200, deadline=None)
@given(snapshots(), questions())
def test_no_rung_breaks_a_rule(snapshot: Snapshot, question: Question) -> None:
    choice = choose(snapshot, question, rank(snapshot, [question])[0])
    chosen = [pick.item for pick in choice.picks]
    assert len(chosen) == len(set(chosen)) <= question.count
    assert not set(chosen) & question.exclude
    for item in chosen:
        found = find_item(snapshot, question.block, item)
        assert found is not None
        assert found.available_at(NOW)
        if question.block.categories and item not in STATIC:
            assert set(question.block.categories) & set(found.categories)
    history = question.history
    if not question.block.allow_repeats:
        assert not set(chosen) & history.owned()
    if question.block.repeat_after_days:
        lately = NOW.timestamp() - 30 * 86_400
        recent = {item for item, at in history.bought.items() if at > lately}
        assert not set(chosen) & recent
    if choice.served_by is not Rung.MODEL:
        assert choice.reason is not None


@settings(max_examples=200, deadline=None)
@given(snapshots(), questions())
def test_a_slate_has_its_full_number_whenever_enough_items_may_be_shown(
    snapshot: Snapshot, question: Question
) -> None:
    may_come = at_hand(snapshot, question)
    chosen = answered(snapshot, question)
    assert set(chosen) <= may_come
    assert len(chosen) == min(question.count, len(may_come))


@settings(max_examples=100, deadline=None)
@given(snapshots(), questions())
def test_the_same_question_gets_the_same_answer(snapshot: Snapshot, question: Question) -> None:
    first, again = (choose(snapshot, question, rank(snapshot, [question])[0]) for _ in range(2))
    assert msgspec.structs.replace(again, slate=first.slate) == first


@settings(max_examples=100, deadline=None)
@given(snapshots(), questions(), events("more"))
def test_more_history_never_makes_a_slate_fail_or_short(
    snapshot: Snapshot, question: Question, more: list[Event]
) -> None:
    known = question.profile or Profile(ANNA)
    longer = Profile(ANNA, known.history.fold(more), known.published)
    for profile in (longer, Profile(ANNA, decode_history(encode(longer.history)))):
        then = replace(question, profile=profile)
        assert len(answered(snapshot, then)) == min(then.count, len(at_hand(snapshot, then)))
