"""Whatever is loaded, stored and owned: no rung breaks a rule."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from features.event import Event, EventType
from features.item import Item
from features.profile import Profile, Published, StoredSlate, history_of
from serving.catalogue import make_copy, segment_shelf
from serving.fallback import Question, choose, find_item, rank
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
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


@st.composite
def profiles(draw: st.DrawFn) -> Profile | None:
    if not draw(st.booleans()):
        return None
    done = draw(
        st.lists(
            st.tuples(NAME, st.sampled_from((EventType.PURCHASE, EventType.RETURN, EventType.VIEW)))
        )
    )
    events = [
        Event(
            id=str(place),
            type=kind,
            customer=ANNA,
            item=item,
            occurred_at=NOW - timedelta(days=draw(st.integers(0, 400))),
        )
        for place, (item, kind) in enumerate(done)
    ]
    slates = {"hero": StoredSlate(draw(LIST), "recommender/9")} if draw(st.booleans()) else {}
    published = Published(at=1, segment=draw(st.sampled_from((None, "loyal"))), slates=slates)
    return Profile(ANNA, history_of(events), published)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    block = Block(
        name="hero",
        size=4,
        allow_repeats=draw(st.booleans()),
        repeat_after_days=draw(st.sampled_from((0.0, 30.0))),
        categories=draw(st.sampled_from(((), ("sweet",), ("no such",)))),
        category_cap=draw(st.sampled_from((None, 1, 2))),
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


@settings(max_examples=300, deadline=None)
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
def test_a_slate_is_full_as_long_as_static_items_may_be_shown(
    snapshot: Snapshot, question: Question
) -> None:
    chosen = {pick.item for pick in choose(snapshot, question, rank(snapshot, [question])[0]).picks}
    if len(chosen) < question.count:
        # Everything that is missing was forbidden.
        known = {} if snapshot.catalogue is None else snapshot.catalogue.items
        for name in set(STATIC) - chosen:
            stocked = name not in known or known[name].available_at(NOW)
            touched = name in question.history.bought or name in question.history.returned
            assert not stocked or touched or name in question.exclude
