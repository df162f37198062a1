from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from features.event import EventType
from serving.ranking.view import item_view
from tests.unit.serving.model.samples import bundle_of
from tests.unit.training.samples import AT, UNTIL, purchase, table
from training.judging import Trial
from training.slate_metrics import backdrop_of
from training.split import load_held_out


def test_slates_are_held_against_what_customers_had_each_item_counted_once() -> None:
    past = ("a b", "a a a", "a c", "stranger")
    events = [
        purchase(number, item, AT - timedelta(hours=hour + 1), kind)
        for number, history in enumerate(past)
        for hour, item in enumerate(history.split())
        for kind in (EventType.VIEW, EventType.PURCHASE)
    ]
    after = [purchase(number, "d", AT) for number in range(len(past))]
    held_out = load_held_out(table([*events, *after]), AT, UNTIL)
    items = ("a", "b", "c", "d")
    bundle = bundle_of("popularity", items, arrays={"popularity": np.ones(4, np.float32)})
    found = backdrop_of(Trial(bundle, held_out, item_view(items, None)))
    # Three, one, one and nobody of four had them; what nobody had counts as had by one.
    assert found.bits.tolist() == pytest.approx([np.log2(4 / 3), 2.0, 2.0, 2.0])
    assert found.percentile.tolist() == [0.875, 0.5, 0.5, 0.125]
    tastes = dict(zip(held_out.customers, found.taste.tolist(), strict=True))
    expected = [(0.875 + 0.5) / 2, 0.875, (0.875 + 0.5) / 2, np.nan]
    keys = [purchase(number, "a", AT).customer for number in range(len(past))]
    assert [tastes[customer] for customer in keys] == pytest.approx(expected, nan_ok=True)
