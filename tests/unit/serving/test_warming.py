from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from features.item import Item
from serving.catalogue import CatalogueCopy, make_copy
from serving.packed import Drawn
from serving.reload import loaded_model
from serving.snapshot import Current, Snapshot
from serving.warming import CUSTOMERS, warm_up
from tests.unit.serving.kit import BLOCKS, ITEMS, NAMES, NOW, Kit, chain_bundle
from tests.unit.serving.test_reload import failures, serving


def full() -> Snapshot:
    current = Current(BLOCKS)
    current.use_catalogue(make_copy(1, ITEMS, {"popular": NAMES}))
    current.use_model(loaded_model("1", chain_bundle()))
    return current.snapshot


def test_every_block_answers_made_up_customers() -> None:
    assert warm_up(full(), NOW) == sum(CUSTOMERS) * len(BLOCKS)


def test_the_items_of_the_answers_are_looked_at_already(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: set[str] = set()
    ready = CatalogueCopy.ready

    def noting(copy: CatalogueCopy, items: Sequence[str], moment: int) -> list[Drawn | None]:
        looked_at.update(items)
        return ready(copy, items, moment)

    monkeypatch.setattr(CatalogueCopy, "ready", noting)
    warm_up(full(), NOW)
    assert looked_at >= {"cream", "dates"}


def test_without_a_model_or_a_catalogue_there_is_less_to_warm() -> None:
    assert warm_up(Snapshot(BLOCKS), NOW) == 2 * len(BLOCKS)
    assert warm_up(Snapshot(), NOW) == 0


def test_every_block_is_asked_once_however_little_time_there_is() -> None:
    assert warm_up(full(), NOW, seconds=0) == len(BLOCKS)


def test_a_snapshot_is_warm_before_it_is_in_place() -> None:
    seen: list[tuple[bool, bool]] = []
    current = Current(BLOCKS, lambda new: seen.append((new.model is None, new is current.snapshot)))
    current.use_catalogue(make_copy(1, (Item(id="apple", title="Apple"),), {}))
    current.use_model(loaded_model("1", chain_bundle()))
    current.use_blocks(BLOCKS)
    assert seen == [(True, False), (False, False), (False, False)]


def test_a_model_that_can_not_answer_is_refused(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.parts.current._before = lambda snapshot: warm_up(snapshot, NOW)
    kit.stock()
    kit.promote("1")

    def burst(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("serving.warming.rank", burst)
    bundle = chain_bundle()
    manifest = msgspec.structs.replace(bundle.manifest, metrics={"another": 1.0})
    kit.promote("2", type(bundle)(manifest, bundle.items, bundle.arrays))
    assert (serving(kit), failures(kit)) == ("recommender/1", 1)
