"""Events whose ids the lake has with other content, set aside for who takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.importing import CHANGED, Destination
from features.lake import Lake
from features.mapping import parse_mapping
from features.source_file import SourceFile
from features.stores.opening import open_stores
from tests.unit.features.imported import EVENT, events, parquet, rows, run

MAPPING = EVENT + 'id = ["line"]\nquantity = "units"'


@pytest.fixture
def taken() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def into(tmp_path: Path, taken: list[dict[str, Any]]) -> Destination:
    def take(table: pa.Table) -> None:
        taken.extend(table.to_pylist())

    stores = open_stores("memory://")
    lake = Lake(str(tmp_path / "lake"))
    return Destination(lake, stores.profiles, stores.catalogue, changed=take)


def test_they_are_set_aside_and_the_others_go_in(
    tmp_path: Path, into: Destination, taken: list[dict[str, Any]]
) -> None:
    run(parquet(tmp_path, rows({"line": 1, "units": 1}, {"line": 2, "units": 1})), MAPPING, into)
    again = rows({"line": 1, "units": 5}, {"line": 2, "units": 1}, {"line": 3, "units": 2})
    report = run(parquet(tmp_path, again), MAPPING, into)
    assert (report.rows, report.accepted) == (3, 2)
    assert (report.inserted, report.already_there) == (1, 1)
    assert report.rejected == {CHANGED: 1}
    assert [(one["id"], one["quantity"]) for one in taken] == [("shop:1", 5.0)]
    assert [one["quantity"] for one in sorted(events(into.lake), key=lambda one: one["id"])] == [
        1.0,
        1.0,
        2.0,
    ]


def test_all_of_them_may_be_set_aside(
    tmp_path: Path, into: Destination, taken: list[dict[str, Any]]
) -> None:
    run(parquet(tmp_path, rows({"line": 1, "units": 1})), MAPPING, into)
    report = run(parquet(tmp_path, rows({"line": 1, "units": 9})), MAPPING, into)
    assert (report.accepted, report.inserted, len(taken)) == (0, 0, 1)
    nothing = run(parquet(tmp_path, rows({"line": 1, "units": -1})), MAPPING, into)
    assert nothing.rejected == {"quantity not positive": 1}


def test_where_nothing_has_changed_nobody_is_asked(tmp_path: Path, into: Destination) -> None:
    def refuse(_: pa.Table) -> None:
        pytest.fail("nothing has changed")

    file = parquet(tmp_path, rows({"line": 1, "units": 1}))
    for _ in range(2):
        run(file, MAPPING, replace(into, changed=refuse))


def test_rows_that_are_left_out_are_told_with_the_reason(tmp_path: Path) -> None:
    mapping = MAPPING + (
        '\n[[event.reject]]\nreason = "meant"\nwhen = { column = "line", equals = 4 }'
    )
    given = rows({"line": 1, "units": 1}, {"line": 2, "units": -1}, {"line": 4, "units": 1})
    source = SourceFile(parquet(tmp_path, given), parse_mapping(mapping, "m.toml"))
    latest = "2026-03-01T00:00:00+00:00"
    every = sorted(reason for reason, _ in source.left_out(latest, but=[]))
    ((reason, row),) = source.left_out(latest, but=["meant"])
    source.close()
    assert every == ["meant", "quantity not positive"]
    assert (reason, row["id"], row["quantity"]) == ("quantity not positive", "shop:2", -1.0)
