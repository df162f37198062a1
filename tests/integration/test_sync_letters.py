"""What a sync set aside: shown with its reason, repaired and sent by `homing replay`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.clock import SystemClock
from features.importing import CHANGED
from features.ingest import Ingest
from features.lake import Lake
from features.money import NO_RATE
from features.stores.opening import open_log, open_stores
from tests.integration.test_sync_rest import FILE
from tests.pulled import Shop, events, order, shop_server
from tests.shop import SECRET
from tests.unit.homing.test_cli import run

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")

SEND = "; can be read now: --send"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    (tmp_path / "shop.toml").write_text(FILE)
    for name in ("HOMING_HOME", "HOMING_SYNCS_FOLDER"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HOMING_SECRET", SECRET)
    with shop_server() as served:
        monkeypatch.setenv("HOMING_SYNC_SHOP_URL", served.url)
        yield served


class Shell:
    """The command line, and the ingest loop beside it."""

    def __init__(
        self, home: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._home = home
        self._patch = patch
        self._capsys = capsys

    def __call__(self, *words: str) -> Any:  # noqa: ANN401 - a report
        assert run(self._patch, *words, "--json") == 0
        return json.loads(self._capsys.readouterr().out)

    def waiting(self) -> dict[str, str]:
        """Reason that is shown → number of the letter, of those of the shop."""
        found = self("replay", "--source", "sync:shop")["waiting"]
        return {one["reason"]: str(one["id"]) for one in found}

    def repaired(self, number: str, *changes: str) -> None:
        """Send one letter with a repair."""
        repair = self._home / "mend.toml"
        repair.write_text("\n".join(["[set]", *changes]))
        sent = self("replay", "--id", number, "--repair", str(repair), "--send")
        assert sent == {"waiting": [], "sent": 1, "dropped": 0}

    def ingested(self) -> list[dict[str, Any]]:
        """The lake's events, once the loop has moved what was sent."""
        log = open_log(f"sqlite:///{self._home / 'events.db'}")
        stores = open_stores(f"sqlite:///{self._home / 'profiles.db'}")
        ingest = Ingest(log, stores.profiles, Lake(str(self._home / "lake")), SystemClock())
        ingest.fold_once()
        ingest.merge_once()
        log.close()
        stores.close()
        return events(self._home)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def line(**fields: object) -> list[dict[str, object]]:
    return [{"no": 1, "sku": "lamp", "pieces": 1, "price": 5, **fields}]


def test_what_a_sync_set_aside_is_shown_repaired_and_sent(shop: Shop, shell: Shell) -> None:
    shop.orders = [
        order(1, lines=line(sku="ship", price=1000)),
        order(2, lines=line(sku="cup", pieces=-2)),
        order(3, created_at="soon", lines=line(sku="hat")),
        order(4, lines=line()),
    ]
    assert shell("sync", "shop")["landed"]["inserted"] == 1
    shop.orders = [order(4, updated_at="2026-01-01T11:00:00Z", lines=line(price=7))]
    assert shell("sync", "shop")["letters"] == {CHANGED: 1}

    waiting = shell.waiting()
    dear, changed = f"nothing costs a thousand{SEND}", f"{CHANGED}{SEND}"
    (undated,) = (reason for reason in waiting if "`$.occurred_at`" in reason)
    (unsold,) = set(waiting) - {dear, changed, undated}
    assert unsold.startswith("quantity")

    assert shell("replay", "--id", waiting[dear], "--send")["sent"] == 1
    absolute = '{path = "%s", absolute = true}'
    amounts = (f"{name} = {absolute % name}" for name in ("quantity", "value"))
    shell.repaired(waiting[unsold], *amounts)
    shell.repaired(waiting[undated], 'occurred_at = {constant = "2026-01-01T10:03:00Z"}')
    shell.repaired(waiting[changed], 'id = {constant = "shop:4:1:again"}')
    assert shell.waiting() == {}

    found = {one["id"]: (one["item"], one["quantity"], one["value"]) for one in shell.ingested()}
    assert found == {
        "shop:1:1": ("ship", 1.0, 1000.0),
        "shop:2:1": ("cup", 2.0, 10.0),
        "shop:3:1": ("hat", 1.0, 5.0),
        "shop:4:1": ("lamp", 1.0, 5.0),
        "shop:4:1:again": ("lamp", 1.0, 7.0),
    }


ENRICHED = """
[catalogue]
fill_value = true

[currency]
to = "EUR"
rates = { GBP = 1.2 }

[[contract]]
rule = "what is sold is known"
must = { known = true }
"""


def test_money_without_a_rate_and_items_that_nobody_knows_are_letters_as_they_came(
    tmp_path: Path, shop: Shop, shell: Shell
) -> None:
    unnamed = FILE.replace('title = "sku"', "title = { sql = \"nullif(sku, 'ghost')\" }")
    (tmp_path / "shop.toml").write_text(unnamed + ENRICHED)
    shop.orders = [
        order(1, lines=line()),
        order(2, lines=line(sku="cup", price=2), currency="CHF"),
        order(3, lines=line(sku="ghost")),
        order(4, lines=line(price=None)),
    ]
    report = shell("sync", "shop")
    unknown = "what is sold is known"
    assert report["letters"] == {NO_RATE: 1, unknown: 1}
    assert report["landed"]["exchanged"] == {"GBP": {"rows": 2, "paid": 10.0, "value": 12.0}}
    waiting = shell.waiting()
    shell.repaired(
        waiting[f"{NO_RATE}{SEND}"], "value = {constant = 2.1}", 'currency = {constant = "EUR"}'
    )
    shell.repaired(waiting[f"{unknown}{SEND}"], 'item = {constant = "lamp"}')
    found = [(one["item"], one["value"], one["currency"]) for one in shell.ingested()]
    assert found == [
        ("lamp", 6.0, "EUR"),
        ("cup", 2.1, "EUR"),
        ("lamp", 6.0, "EUR"),
        ("lamp", 6.0, "EUR"),
    ]
