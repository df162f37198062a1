"""The ladder: model → profile → segment → popular → static, one step down for each thing missing.

Every rung ranks through the one chain, so that its rules (owned, stock, categories, caps) hold
whoever answers. A rung that gives too few items is filled up from those below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from features.item import Item
from features.profile import History, Profile, Spoken
from serving.catalogue import POPULAR, segment_shelf
from serving.ranking.blocks import Block, RuleName
from serving.ranking.chain import Ask as RankAsk
from serving.ranking.chain import Ranking, rankings
from serving.ranking.opinion import Opinion
from serving.ranking.overrides import (
    NO_ORDERS,
    Arranged,
    Orders,
    Overrides,
    able_items,
    arranged,
)
from serving.ranking.view import ItemView, item_view
from serving.slate import Choice, Moved, Pick, Reason, Rung, because_of, slate_id
from serving.snapshot import Snapshot


@dataclass(frozen=True)
class Question:
    """What the ladder needs to know besides the snapshot.

    Attributes:
        block: The rules.
        profile: None when the customer is unknown or can't be read.
        cause: Why the profile can't be read; None when it was.
        exclude: Items of the send's other blocks, and others that must not come.
        count: Items wanted.
        now: Aware.
        orders: The overrides that concern it; the ladder itself looks them up.
    """

    block: Block
    count: int
    now: datetime
    profile: Profile | None = None
    cause: Reason | None = None
    exclude: frozenset[str] = frozenset()
    orders: Orders = NO_ORDERS

    @property
    def rules(self) -> RankAsk:
        """The question as the chain takes it: nothing banned, and pinned items come later."""
        return RankAsk(
            self.block, self.history, self.exclude.union(self.orders.closed), self.full_count
        )

    @property
    def full_count(self) -> int:
        """Items that are ranked: where overrides move some, a whole slate, whatever is shown."""
        return max(self.count, self.block.size) if self.orders.wanted else self.count

    @property
    def shelf_rules(self) -> RankAsk:
        """The same for a list of popular items, of which there is nothing to cap."""
        return self._without(popularity_cap=None)

    @property
    def stored_rules(self) -> RankAsk:
        """The same for a slate that was made under all rules, by somebody who knew more.

        What was shown until then has let its items down already.
        """
        asked = self._without(popularity_cap=None, diversity=None)
        made = 0 if self.profile is None else self.profile.published.at
        return replace(asked, history=self.history.shown_after(made))

    @property
    def open_rules(self) -> RankAsk:
        """The same without the block's categories: its static items need not be of them.

        They are shown as they are configured, and items of several rungs as these gave them.
        """
        anything: dict[str, object] = {"categories": (), "exclude_categories": ()}
        return self._without(rotation_days=None, popularity_cap=None, diversity=None, **anything)

    @property
    def history(self) -> History:
        """What the customer did; empty for an unknown one."""
        return History() if self.profile is None else self.profile.history

    @property
    def segment(self) -> str | None:
        """The customer's, as it was last published."""
        return None if self.profile is None else self.profile.published.segment

    def under(self, overrides: Overrides) -> Question:
        """The same question with the orders that concern it."""
        orders = overrides.orders(self.block.name, self.segment, self.now)
        return self if orders is self.orders else replace(self, orders=orders)

    def _without(self, **settings: object) -> RankAsk:
        return replace(self.rules, block=msgspec.structs.replace(self.block, **settings))


@dataclass(frozen=True, eq=False)
class Ranked:
    """What the model answers to one question.

    Attributes:
        ranking: Its slate, rows of the snapshot's view.
        spoken: What speaks most for each of these rows.
    """

    ranking: Ranking
    spoken: tuple[Spoken | None, ...]


Picks = list[Pick]


def rank(snapshot: Snapshot, questions: Sequence[Question]) -> list[Ranked | None]:
    """The model's own answers, all scored at once; None where it has none.

    Args:
        snapshot: Answers None to all when it has no model.
        questions: All of the same moment.
    """
    model, view = snapshot.model, snapshot.view
    ranked: list[Ranked | None] = [None] * len(questions)
    if model is None or view is None or not questions:
        return ranked
    histories = [question.history for question in questions]
    questions = [question.under(snapshot.overrides) for question in questions]
    opinion = Opinion(model.bundle, model.scorer, histories, questions[0].now)
    slates = opinion.rankings(view, [questions[place].rules for place in opinion.known])
    spoken = opinion.spoken([ranking.rows for ranking in slates])
    for place, ranking, of_slate in zip(opinion.known, slates, spoken, strict=True):
        ranked[place] = Ranked(ranking, of_slate)
    return ranked


def choose(snapshot: Snapshot, question: Question, ranked: Ranked | None) -> Choice:
    """A slate from the best rung that can give one.

    Args:
        snapshot: What there is to answer from.
        question: What is asked.
        ranked: What `rank` gave for this question on this snapshot.

    Returns:
        As many picks as wanted, unless the whole ladder has fewer that may be shown.
    """
    question = question.under(snapshot.overrides)
    picks: Picks = []
    rungs: list[tuple[Rung, str | None]] = []
    for rung, model, found in _climb_down(snapshot, question, ranked):
        taken = {pick.item for pick in picks}
        fresh = [pick for pick in found if pick.item not in taken]
        if fresh:
            rungs.append((rung, model))
            picks += fresh
        if len(picks) >= question.full_count:
            break
    if len(rungs) > 1:
        picks = _capped(snapshot, question, picks)
    if question.orders.wanted:
        picks = _ordered(snapshot, question, picks)
    served_by, model = rungs[0] if rungs else (Rung.STATIC, None)
    alone = served_by is Rung.MODEL and len(rungs) == 1
    return Choice(
        slate=slate_id(),
        served_by=served_by,
        reason=None if alone else _reason(snapshot, question, ranked),
        model=model,
        picks=tuple(picks[: question.count]),
    )


def choose_static(block: Block, count: int, reason: Reason) -> Choice:
    """The block's static items as they are configured: what needs nothing and cannot fail."""
    picks = tuple(Pick(item.id) for item in block.items[:count])
    return Choice(slate=slate_id(), served_by=Rung.STATIC, reason=reason, model=None, picks=picks)


def find_item(snapshot: Snapshot, block: Block, item: str) -> Item | None:
    """The item as it is drawn: the catalogue's, or a static one."""
    if snapshot.catalogue is not None and item in snapshot.catalogue.items:
        return snapshot.catalogue.items[item]
    return next((known for known in block.items if known.id == item), None)


def _climb_down(
    snapshot: Snapshot, question: Question, ranked: Ranked | None
) -> Iterator[tuple[Rung, str | None, Picks]]:
    """Each rung that has anything, best first, with the model that ranked it and its picks."""
    if ranked is not None and snapshot.model is not None and snapshot.view is not None:
        yield Rung.MODEL, snapshot.model.name, _explained(snapshot.view, ranked)
    for rung, model, view in _lists(snapshot, question):
        ranking = rankings(view, None, [_rules(question, rung)], question.now)[0]
        rows = ranking.rows.tolist()
        yield rung, model, [Pick(view.items[row], None, _moved(ranking, row)) for row in rows]


def _rules(question: Question, rung: Rung) -> RankAsk:
    """What a rung below the model is asked."""
    if rung is Rung.STATIC:
        return question.open_rules
    return question.stored_rules if rung is Rung.PROFILE else question.shelf_rules


def _lists(snapshot: Snapshot, question: Question) -> Iterator[tuple[Rung, str | None, ItemView]]:
    """The rungs below the model: each an ordered list of items."""
    copy, model = snapshot.catalogue, snapshot.model
    items: Mapping[str, Item] = {} if copy is None else copy.items
    shelves: Mapping[str, ItemView] = {} if copy is None else copy.shelves
    if question.profile is not None:
        published = question.profile.published
        stored = published.slates.get(question.block.name)
        if stored is not None:
            yield Rung.PROFILE, stored.model, item_view(tuple(dict.fromkeys(stored.items)), items)
        shelf = segment_shelf(published.segment or "")
        if shelf in shelves:
            yield Rung.SEGMENT, None, shelves[shelf]
    if POPULAR in shelves:
        yield Rung.POPULAR, None, shelves[POPULAR]
    if model is not None and snapshot.view is not None:
        # By the popularity that the bundle carries: a shop that has not published yet has it.
        yield Rung.POPULAR, model.name, snapshot.view
    known = {item.id: items.get(item.id, item) for item in question.block.items}
    yield Rung.STATIC, None, item_view(tuple(known), known)


def _explained(view: ItemView, ranked: Ranked) -> Picks:
    """The model's picks, each with the item of the history that spoke most for it."""
    return [
        Pick(
            view.items[row],
            None if said is None else because_of(said.type, said.item),
            _moved(ranked.ranking, row),
        )
        for row, said in zip(ranked.ranking.rows.tolist(), ranked.spoken, strict=True)
    ]


def _moved(ranking: Ranking, row: int) -> Moved | None:
    """How rules moved a row; None when they did not."""
    move = ranking.moves.get(row)
    return None if move is None else Moved(move.position, move.rules)


def _capped(snapshot: Snapshot, question: Question, picks: Picks) -> Picks:
    """Picks of several rungs under the rules of one slate: a cap counts over all of them."""
    items = {pick.item: find_item(snapshot, question.block, pick.item) for pick in picks}
    known = {item_id: item for item_id, item in items.items() if item is not None}
    view = item_view(tuple(known), known)
    ranking = rankings(view, None, [question.open_rules], question.now)[0]
    of = {pick.item: pick for pick in picks}
    return [
        _moved_again(of[view.items[row]], _moved(ranking, row)) for row in ranking.rows.tolist()
    ]


def _moved_again(pick: Pick, moved: Moved | None) -> Pick:
    """A pick that rules may have moved among those of its rung, and now among those of all."""
    if moved is None:
        return pick
    if pick.moved is not None:
        said = {*pick.moved.rules, *moved.rules}
        rules = tuple(name for name in RuleName if name in said)
        moved = Moved(pick.moved.from_position, rules)
    return msgspec.structs.replace(pick, moved=moved)


def _ordered(snapshot: Snapshot, question: Question, picks: Picks) -> Picks:
    """Picks with those that overrides bring in, where they want them."""
    block, orders = question.block, question.orders
    wanted = (find_item(snapshot, block, item) for item in orders.wanted)
    known = [item for item in wanted if item is not None and item.id not in question.exclude]
    able = able_items(known, block, question.history, question.now)
    of = {pick.item: pick for pick in picks[: question.full_count]}
    return [
        _moved_at_last(of.get(one.item, Pick(one.item)), one)
        for one in arranged(tuple(of), orders, block.size, able)
    ]


def _moved_at_last(pick: Pick, said: Arranged) -> Pick:
    """A pick that overrides moved, after what rules did to it."""
    if not said.orders:
        return pick
    moved = pick.moved or Moved(said.before, ())
    return msgspec.structs.replace(
        pick, moved=msgspec.structs.replace(moved, overrides=said.orders)
    )


def _reason(snapshot: Snapshot, question: Question, ranked: Ranked | None) -> Reason:
    """Why the model did not answer, or not alone."""
    if question.cause is not None:
        return question.cause
    if question.profile is None:
        return Reason.UNKNOWN
    if snapshot.model is None:
        return Reason.NO_MODEL
    return Reason.NO_HISTORY if ranked is None else Reason.TOO_FEW
