from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from features.lake import Lake
from features.tables import item_table
from serving.model.bundle import Bundle
from tests.shop import make_shop
from tests.unit.training.home import clock_of, fill
from training.recommend import History, judge, open_history
from training.recommenders.recipe import default_recipe
from training.span import span_of


def silent(_done: int, _total: int) -> None:
    """Nobody listens."""


def fitted(history: History, at: datetime) -> Bundle:
    """What item-kNN makes of everything before a moment."""
    return history.fit(default_recipe("item_knn"), at)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A small shop whose first item has sold out since."""
    home: Path = tmp_path_factory.mktemp("recommend")
    shop = make_shop(40, days=100)
    lake = Lake(fill(home, shop).resolved_lake_path())
    lake.merge_items(item_table([msgspec.structs.replace(shop.items[0], in_stock=False)]))
    span = span_of(lake, timedelta(days=28), clock_of(shop))
    with open_history(lake, span, shop.end) as opened:
        yield opened


def test_what_sold_out_since_could_still_be_shown_then(history: History) -> None:
    assert history.catalogue is not None
    assert all(item.in_stock for item in history.catalogue.values())


def test_a_champion_is_judged_on_days_that_it_has_not_seen(history: History) -> None:
    span = history.span
    bundles = {"popularity": history.fit(default_recipe("popularity"), span.cutoff)}
    seen = span.end - timedelta(days=10)
    judged = judge(history, bundles, "popularity", fitted(history, seen), silent)
    unseen = history.held_out(seen, span.end).customers
    assert judged.answers["champion"]["repeat"].customers == unseen
    older = fitted(history, span.cutoff - timedelta(days=10))
    whole = judge(history, bundles, "popularity", older, silent)
    assert whole.answers["champion"]["repeat"].customers != unseen
    assert (
        whole.answers["champion"]["repeat"].customers
        == history.held_out(span.cutoff, span.end).customers
    )
