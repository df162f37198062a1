"""The uncleaned invoices of a UK gift shop (UCI Online Retail II), with cancellations and fees."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from features.clock import SystemClock
from features.engine import open_engine
from features.importing import Destination, import_file
from features.lake import Lake
from homing.mappings import packaged
from tests.unit.features.making import KEYS

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("HOMING_DATA", REPO / ".." / "shared" / "data"))
FILE = DATA / "online-retail-2" / "online_retail.parquet"

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason=f"no {FILE}: set HOMING_DATA to the folder with online-retail-2 in it"
)


def test_two_years_of_invoices_come_in_clean(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    report = import_file(FILE, packaged("online-retail-2"), Destination(lake), KEYS, SystemClock())
    assert report.rows == 711_967
    assert report.accepted + sum(report.rejected.values()) == report.rows
    assert report.accepted == report.inserted == 549_277
    assert report.rejected == {"no customer": 160_183, "not a product": 2_467, "no price": 40}
    assert report.customers == 4_932
    engine = open_engine()
    with closing(engine.con):
        events = lake.events(engine)
        kinds = {
            row["type"]: row["n"]
            for row in events.group_by("type").aggregate(n=events.count()).to_pyarrow().to_pylist()
        }
        amounts = events.aggregate(
            least_quantity=events.quantity.min(), least_value=events.value.min()
        ).to_pyarrow()
    assert set(kinds) == {"purchase", "return"}
    assert 10_000 < kinds["return"] < 13_660  # of all C… lines, those of known customers
    assert amounts.to_pylist()[0]["least_quantity"] > 0
    assert amounts.to_pylist()[0]["least_value"] >= 0
