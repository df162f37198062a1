from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from features import columns as c
from features.engine import open_engine
from features.lake import SAME_ID_DAYS, Lake
from features.tables import event_table
from tests.unit.features.making import NOW, event

# All days are within reach of each other, so that an id is an event whatever its day.
sent = st.tuples(st.sampled_from("abcdef"), st.integers(0, SAME_ID_DAYS), st.integers(1, 99))


@settings(max_examples=10, deadline=None)
@given(batches=st.lists(st.lists(sent, min_size=1, max_size=6), min_size=1, max_size=4))
def test_whoever_sends_an_id_how_often_the_first_counts(
    batches: list[list[tuple[str, int, int]]],
) -> None:
    expected: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        lake = Lake(folder)
        for batch in batches:
            known = len(expected)
            for name, _, quantity in batch:
                expected.setdefault(name, quantity)
            table = event_table(
                event(name, NOW - timedelta(days=days), quantity=float(quantity))
                for name, days, quantity in batch
            )
            assert lake.merge_events(table).inserted == len(expected) - known
        engine = open_engine()
        with closing(engine.con):
            rows = lake.events(engine).to_pyarrow().to_pylist()
    assert {row[c.ID]: row[c.QUANTITY] for row in rows} == expected
    assert len(rows) == len(expected)
