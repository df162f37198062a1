"""Writes what answers need when no model answers: slates, scores and shelves, ahead of time.

`prepare` computes everything into a staging folder and touches no profile; `deliver` writes it
into the profile store. Both go on where an interrupted one stopped. Only the published half of a
profile is written: its history belongs to the ingest loop.

A stored slate is what the model would answer itself at the moment of publishing, with what speaks
for its items; and with it goes what it was made from, so that whoever serves can tell whether it
still is. Items behind those for which anything is said are spare.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from features.engine import declared, open_engine
from features.item import Item
from features.lake import Lake
from features.profile import History, Profile, Published, Spoken, StoredSlate
from features.profile_codec import encode, exposed_digest, history_digest
from features.progress import Advance
from features.stores.codec import items_digest
from features.stores.ports import Catalogue, ProfileStore
from serving.model.bundle import Bundle
from serving.model.scoring import Scorer, open_scorer
from serving.ranking.blocks import Block, block_digest
from serving.ranking.bundle_view import bundle_view
from serving.ranking.chain import Ask, rank_many
from serving.ranking.opinion import Opinion
from serving.ranking.overrides import Overrides
from serving.ranking.top import Rows
from serving.ranking.view import ItemView
from training.churn.model import ChurnModel
from training.dataset import load_dataset
from training.judging import together
from training.known import Known, know
from training.register import CHURN, RECOMMENDER
from training.segments import NEW
from training.shelves import make_shelves
from training.staging import Plan, Staging


@dataclass(frozen=True, eq=False)
class Champions:
    """The models that publish.

    Attributes:
        recommender: Ranks.
        recommender_version: Like `recommender/12`.
        churn: Scores; None without a churn champion.
        churn_version: Like `churn/3`; "" without one.
        unread: Why a churn champion that there is scores nobody; None when it does.
    """

    recommender: Bundle
    recommender_version: str
    churn: ChurnModel | None = None
    churn_version: str = ""
    unread: str | None = None

    def versions(self) -> dict[str, str]:
        """Registered model → version."""
        named = {RECOMMENDER: self.recommender_version, CHURN: self.churn_version}
        return {model: version for model, version in named.items() if version}


@dataclass(frozen=True)
class Sources:
    """Where a publish reads, and what it is told.

    Attributes:
        profiles: Histories of customers.
        catalogue: What can be shown.
        lake: Features.
        blocks: Block name → its rules.
        batch: Customers scored at once at the most.
        spare: Stored slates hold so many times their block's items.
        now: Aware.
    """

    profiles: ProfileStore
    catalogue: Catalogue
    lake: Lake
    blocks: Mapping[str, Block]
    batch: int
    spare: int
    now: datetime

    def plan(self, models: Champions, as_of: datetime, lake_version: int) -> Plan:
        """What a publish with these models is to write."""
        rules = msgspec.json.encode([self.blocks, self.spare], order="sorted")
        return Plan(
            models=models.versions(),
            blocks=hashlib.sha256(rules).hexdigest(),
            as_of=as_of,
            lake_version=lake_version,
            started=self.now,
        )


@dataclass(frozen=True)
class Delivered:
    """What `deliver` wrote.

    Attributes:
        customers: Profiles.
        slates: Stored slates in all.
        scored: Customers with a churn score.
        segments: Segment → customers.
        shelves: Shelf → items.
    """

    customers: int
    slates: int
    scored: int
    segments: dict[str, int]
    shelves: dict[str, int]


def prepare(sources: Sources, models: Champions, staging: Staging, advance: Advance) -> None:
    """Compute all that is to be published into the staging folder; no profile is touched.

    Args:
        sources: Where to read.
        models: What scores.
        staging: Goes on behind the last batch that it holds.
        advance: Told of customers done, and of all.

    Raises:
        StoreUnavailable: Profiles, the catalogue or the staging folder fail.
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
        BundleError: A model can't score.
    """
    if staging.complete:
        return
    catalogue = {item.id: item for item in sources.catalogue.all()}
    known = know(sources.lake, models.churn, staging.plan, catalogue, sources.now)
    total, done = sources.profiles.count(), staging.count() * sources.batch
    slates = _Slates(sources, models, catalogue)
    for profiles in _batches(sources, staging.last_customer()):
        staging.add(slates.publish(profiles, known))
        done += len(profiles)
        advance(min(done, total), total)
    staging.finish(_shelves(sources, models, staging.plan, known, catalogue))


def deliver(
    profiles: ProfileStore, catalogue: Catalogue, staging: Staging, advance: Advance
) -> Delivered:
    """Write a complete staging into the stores, then drop it.

    Args:
        profiles: Get their published halves.
        catalogue: Gets the shelves.
        staging: Is complete.
        advance: Told of batches done, and of all.

    Raises:
        StoreUnavailable: A store fails; calling again goes on.
    """
    shelves = staging.shelves()
    total, customers, slates, scored = staging.count(), 0, 0, 0
    counted: Counter[str] = Counter()
    for done, batch in enumerate(staging.batches(), start=1):
        profiles.publish(batch)
        customers += len(batch)
        for published in batch.values():
            slates += len(published.slates)
            scored += CHURN in published.scores
            counted[published.segment or NEW] += 1
        advance(done, total)
    catalogue.put_shelves(shelves)
    staging.drop()
    lengths = {name: len(items) for name, items in shelves.items()}
    return Delivered(customers, slates, scored, dict(counted), lengths)


def _batches(sources: Sources, after: str) -> Iterator[list[Profile]]:
    """Profiles in the order of customer keys."""
    while keys := sources.profiles.customers(after=after, limit=sources.batch):
        found = sources.profiles.get_many(keys)
        yield [found[key] for key in keys if key in found]
        after = keys[-1]


def _shelves(
    sources: Sources,
    models: Champions,
    plan: Plan,
    known: Known,
    catalogue: Mapping[str, Item],
) -> dict[str, tuple[str, ...]]:
    bundle = models.recommender
    engine = open_engine()
    with closing(engine.con), declared(sources.lake.root):
        events = sources.lake.events(engine, plan.lake_version)
        dataset = load_dataset(events, bundle.manifest.weighting, plan.as_of)
    segment_of = dict(zip(known.customers, known.segments, strict=True))
    return make_shelves(bundle, dataset, segment_of, catalogue, sources.now)


class _Slates:
    """Ranks customers, as many at once as are judged at once, as if they asked just now."""

    def __init__(self, sources: Sources, models: Champions, catalogue: Mapping[str, Item]) -> None:
        bundle = models.recommender
        self._sources = sources
        self._bundle = bundle
        self._models = models.versions()
        self._version = models.recommender_version
        self._scorer: Scorer = open_scorer(bundle)
        self._view: ItemView = bundle_view(bundle, catalogue)
        self._catalogue = items_digest(catalogue.values())
        self._blocks = {name: block_digest(block) for name, block in sources.blocks.items()}
        self._overrides = Overrides(sources.catalogue.overrides().overrides)

    def publish(self, profiles: Sequence[Profile], known: Known) -> dict[str, Published]:
        """The published half of each customer."""
        slates: list[dict[str, StoredSlate]] = []
        with threadpool_limits(1, user_api="blas"):  # as when they are judged
            for part in together(len(profiles), len(self._bundle.items)):
                slates += self._slates([profile.history for profile in profiles[part]])
        return {
            profile.customer: self._complete(known.published(profile), profile, of_one)
            for profile, of_one in zip(profiles, slates, strict=True)
        }

    def _complete(
        self, published: Published, profile: Profile, slates: dict[str, StoredSlate]
    ) -> Published:
        """With slates, and with what tells whether these still stand.

        They are without what is banned just now, and made as if nobody had decided anything else.
        So a block that overrides concern gets no digest: its slates don't stand once they end.
        """
        history, overrides, now = encode(profile.history), self._overrides, self._sources.now
        orders = {name: overrides.orders(name, published.segment, now) for name in self._blocks}
        slates = {name: _allowed(slate, orders[name].banned) for name, slate in slates.items()}
        return msgspec.structs.replace(
            published,
            slates=slates,
            models=self._models,
            history=history_digest(history),
            exposed=exposed_digest(history),
            catalogue=self._catalogue,
            blocks={name: digest for name, digest in self._blocks.items() if not orders[name].any},
        )

    def _slates(self, histories: Sequence[History]) -> list[dict[str, StoredSlate]]:
        """The slates of some customers, by block."""
        now, blocks = self._sources.now, self._sources.blocks
        opinion = Opinion(self._bundle, self._scorer, histories, now)
        strangers = sorted({*range(len(histories))}.difference(opinion.known))
        theirs = [histories[place] for place in opinion.known]
        ranked = [self._ranked(opinion, theirs, block) for block in blocks.values()]
        said = _said(opinion, ranked)
        made: list[dict[str, StoredSlate]] = [{} for _ in histories]
        for (name, block), of_block, of_items in zip(blocks.items(), ranked, said, strict=True):
            for place, (_, rows), spoken in zip(opinion.known, of_block, of_items, strict=True):
                made[place][name] = self._stored(rows, spoken)
            asks = [self._ask(block, histories[place]) for place in strangers]
            popular = rank_many(self._view, None, asks, now)
            for place, rows in zip(strangers, popular, strict=True):
                made[place][name] = self._stored(rows)
        return made

    def _ranked(
        self, opinion: Opinion, histories: Sequence[History], block: Block
    ) -> list[tuple[Rows, Rows]]:
        """What the model answers to each that it knows, and that with spare items behind."""
        asks = [self._ask(block, history) for history in histories]
        deep = [ranking.rows for ranking in opinion.rankings(self._view, asks)]
        if not block.rules:
            return [(rows, rows) for rows in deep]
        # Under rules a longer slate need not begin like a shorter one.
        asks = [Ask(block, history) for history in histories]
        own = [ranking.rows for ranking in opinion.rankings(self._view, asks)]
        return [
            (rows, np.append(rows, more[~np.isin(more, rows)])[: len(more)])
            for rows, more in zip(own, deep, strict=True)
        ]

    def _ask(self, block: Block, history: History) -> Ask:
        return Ask(block, history, count=block.size * self._sources.spare)

    def _stored(self, rows: Rows, spoken: tuple[Spoken | None, ...] = ()) -> StoredSlate:
        items = tuple(self._bundle.items[row] for row in rows.tolist())
        return StoredSlate(items, self._version, spoken)


def _said(
    opinion: Opinion, ranked: Sequence[Sequence[tuple[Rows, Rows]]]
) -> list[list[tuple[Spoken | None, ...]]]:
    """What speaks for the items that the model answers: of each block for each customer."""
    own = [[rows for rows, _ in of_block] for of_block in ranked]
    said = opinion.spoken([np.concatenate(of_one) for of_one in zip(*own, strict=True)])
    of_each = [iter(of_one) for of_one in said]
    return [
        [tuple(islice(of_one, len(rows))) for of_one, rows in zip(of_each, of_block, strict=True)]
        for of_block in own
    ]


def _allowed(slate: StoredSlate, banned: frozenset[str]) -> StoredSlate:
    """A slate without what is banned."""
    if banned.isdisjoint(slate.items):
        return slate
    left = [place for place, item in enumerate(slate.items) if item not in banned]
    items = tuple(slate.items[place] for place in left)
    spoken = tuple(slate.spoken[place] for place in left if place < len(slate.spoken))
    return StoredSlate(items, slate.model, spoken)
