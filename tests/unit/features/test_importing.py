from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet as pq

from features.clock import FixedClock
from features.errors import ImportDiffers, InvalidArgument, LakeUnavailable
from features.importing import STAGED, Destination, ImportReport, import_file
from features.lake import Lake, MergeReport
from features.mapping import parse_mapping
from features.profile import history_of
from features.staging import Staging, Summary
from features.stores.opening import open_stores
from features.tables import event_table
from tests.unit.features.imported import EVENT, ITEMS, NOW, bytes_below, events, parquet, rows, run
from tests.unit.features.making import KEYS, event, item


@pytest.fixture
def into(tmp_path: Path) -> Destination:
    stores = open_stores("memory://")
    return Destination(Lake(str(tmp_path / "lake")), stores.profiles, stores.catalogue)


def test_a_row_becomes_an_event(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT + 'value = "paid"\nquantity = "units"\ncurrency = {constant = "GBP"}'
    file = parquet(tmp_path, rows({"paid": 3.5, "units": 2}))
    report = run(file, mapping, into)
    assert (report.rows, report.accepted, report.inserted, report.customers) == (1, 1, 1, 1)
    (found,) = events(into.lake)
    name = found.pop("id")
    assert name.startswith("shop:")
    assert found == {
        "type": "purchase",
        "customer": KEYS.resolve("7"),
        "occurred_at": datetime(2026, 2, 1, tzinfo=UTC),
        "item": "lamp",
        "quantity": 2.0,
        "value": 3.5,
        "currency": "GBP",
        "source": "shop",
        "machine": False,
        "date": "2026-02-01",
    }


def test_importing_again_changes_nothing(tmp_path: Path, into: Destination) -> None:
    file = parquet(tmp_path, rows({}, {"what": "hat"}))
    first = run(file, EVENT, into)
    again = run(file, EVENT, into)
    assert (first.inserted, first.already_there) == (2, 0)
    assert (again.inserted, again.already_there) == (0, 2)
    assert (again.checksum, again.version) == (first.checksum, first.version)
    assert len(events(into.lake)) == 2


def test_a_line_that_is_written_twice_counts_twice(tmp_path: Path, into: Destination) -> None:
    file = parquet(tmp_path, rows({}, {}, {"what": "hat"}))
    assert run(file, EVENT, into).inserted == 3
    assert run(file, EVENT, into).inserted == 0
    first, second = sorted(one["id"] for one in events(into.lake) if one["item"] == "lamp")
    assert second == f"{first}-2"


def test_a_second_file_that_overlaps_adds_what_is_new(tmp_path: Path, into: Destination) -> None:
    run(parquet(tmp_path, rows({}, {"what": "hat"})), EVENT, into)
    report = run(parquet(tmp_path, rows({"what": "cup"}, {"what": "hat"})), EVENT, into)
    assert (report.inserted, report.already_there) == (1, 1)


def test_ids_may_be_made_of_columns(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT + 'id = ["invoice", "line"]'
    given = rows({"invoice": 5, "line": 1}, {"invoice": 5, "line": 2}, {"invoice": 5, "line": 2})
    report = run(parquet(tmp_path, given), mapping, into)
    assert report.rejected == {"same id twice in the file": 1}
    assert (report.rows, report.accepted) == (3, 2)
    assert [one["id"] for one in events(into.lake)] == ["shop:5:1", "shop:5:2"]


def test_an_id_that_comes_back_with_other_content_is_refused(
    tmp_path: Path, into: Destination
) -> None:
    mapping = EVENT + 'id = ["n"]\nquantity = "units"'
    run(parquet(tmp_path, rows({"n": 1, "units": 1})), mapping, into)
    with pytest.raises(ImportDiffers, match="1 events of the file are in the lake"):
        run(parquet(tmp_path, rows({"n": 1, "units": 9}, {"n": 2, "units": 1})), mapping, into)
    assert len(events(into.lake)) == 1


def test_outside_ids_land_nowhere(tmp_path: Path, into: Destination) -> None:
    file = parquet(tmp_path, rows({"who": "zoe@example.org"}, {"who": "zoe@example.org"}))
    run(file, EVENT, into)
    kept = bytes_below(Path(into.lake.root))
    assert KEYS.resolve("zoe@example.org").encode() in kept
    assert b"zoe" not in kept


def test_profiles_hold_what_the_events_say(tmp_path: Path, into: Destination) -> None:
    run(parquet(tmp_path, rows({}, {"what": "hat"}, {"who": "8"})), EVENT, into)
    assert into.profiles is not None
    profile = into.profiles.get(KEYS.resolve("7"))
    assert profile is not None
    seven = [one for one in events(into.lake) if one["customer"] == KEYS.resolve("7")]
    made = [event(one["id"], one["occurred_at"], item=one["item"]) for one in seven]
    assert profile.history == history_of(made)
    assert into.profiles.count() == 2


def test_the_last_of_several_purchases_counts_wherever_it_is_in_the_file(
    tmp_path: Path, into: Destination
) -> None:
    moments = [datetime(2026, 2, day, tzinfo=UTC) for day in range(20, 0, -1)]
    given = [{"at": at, "what": what} for at in moments for what in ("lamp", "hat", "cup")]
    run(parquet(tmp_path, rows(*given)), EVENT, into)
    assert into.profiles is not None
    profile = into.profiles.get(KEYS.resolve("7"))
    assert profile is not None
    assert profile.history.bought == dict.fromkeys(
        ("lamp", "hat", "cup"), int(moments[0].timestamp())
    )


def test_many_customers_are_folded_in_several_calls(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.staging.CUSTOMERS_AT_ONCE", 2)
    monkeypatch.setattr("features.staging.CHUNK_ROWS", 2)
    run(parquet(tmp_path, rows({"what": "first"})), EVENT, into)
    given = rows(*({"who": str(number)} for number in range(4)))
    assert run(parquet(tmp_path, given), EVENT, into).inserted == 4
    assert into.profiles is not None
    assert into.profiles.count() == 5


def test_an_import_may_fill_the_lake_alone(tmp_path: Path) -> None:
    into = Destination(Lake(str(tmp_path / "lake")))
    items = EVENT + '[items]\nid = "what"\ntitle = "what"'
    assert run(parquet(tmp_path, rows({})), items, into).items == 1


def test_progress_grows_to_the_whole(tmp_path: Path, into: Destination) -> None:
    told: list[tuple[int, int]] = []
    file = parquet(tmp_path, rows({}, {"who": None}))
    mapping = parse_mapping(EVENT, "m.toml")
    import_file(file, mapping, into, KEYS, FixedClock(NOW), lambda *step: told.append(step))
    assert told == sorted(told)
    assert told[-1] == (6, 6)


def test_a_file_without_a_good_row_is_reported_and_makes_no_lake(
    tmp_path: Path, into: Destination
) -> None:
    report = run(parquet(tmp_path, rows({"who": " "})), EVENT, into)
    assert report == ImportReport(rows=1, rejected={"no customer": 1})
    assert not into.lake.exists()
    run(parquet(tmp_path, rows({})), EVENT, into)
    assert run(parquet(tmp_path, rows({"who": ""})), EVENT, into).version == 0


def test_a_file_without_rows_is_no_error(tmp_path: Path, into: Destination) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("who,what,at\n")
    assert run(file, EVENT, into) == ImportReport()


def test_a_delta_table_is_read(tmp_path: Path, into: Destination) -> None:
    table = pq.read_table(parquet(tmp_path, rows({"kind": "a b"}, {"what": "hat", "kind": "c/d"})))
    write_deltalake(tmp_path / "source", table, partition_by=["kind"])
    assert run(tmp_path / "source", EVENT, into).inserted == 2


def test_items_are_what_most_rows_say(tmp_path: Path, into: Destination) -> None:
    mapping = ITEMS + (
        'brand = "maker"\nprice = "price"\ncurrency = {constant = "GBP"}\n'
        'categories = ["wide", "narrow"]\nattributes = {size = "size"}\n'
        'url = "https://shop.example/{what}?s={size}"\n'
    )
    same = {"maker": "M", "wide": "home", "narrow": None, "size": "S & M", "label": "Lamp"}
    given = rows(
        {**same, "price": 1.0},
        {**same, "price": 5.0},
        {**same, "price": 3.0, "label": "damages"},
        {**same, "price": 2.0, "what": "hat", "label": None},
        {**same, "price": 2.0, "what": None},
    )
    report = run(parquet(tmp_path, given), mapping, into)
    assert report.items_rejected == {"title: no title": 1, "no id": 1}
    assert into.catalogue is not None
    assert list(into.catalogue.all()) == [
        item(
            "lamp",
            title="Lamp",
            brand="M",
            price=3.0,
            currency="GBP",
            categories=("home",),
            attributes={"size": "S & M"},
            url="https://shop.example/lamp?s=S%20%26%20M",
        )
    ]


def test_a_file_without_good_items_leaves_the_catalogue_alone(
    tmp_path: Path, into: Destination
) -> None:
    report = run(parquet(tmp_path, rows({"label": ""})), ITEMS, into)
    assert (report.items, report.version) == (0, None)


@pytest.mark.parametrize(
    ("kept", "size"), [({"what": "lamp", "size": None}, {}), ({"size": "S"}, {"size": "S"})]
)
def test_an_empty_attribute_is_left_out(
    tmp_path: Path, into: Destination, kept: dict[str, Any], size: dict[str, str]
) -> None:
    given = rows({**kept, "label": "Lamp", "dummy": "x"})
    run(parquet(tmp_path, given), ITEMS + 'attributes = {size = "size", x = "dummy"}', into)
    assert into.catalogue is not None
    assert into.catalogue.get_many(["lamp"])["lamp"].attributes == {**size, "x": "x"}


def test_what_the_lake_lost_is_noticed(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Summary(1, 1, "0" * 16)
    monkeypatch.setattr(Staging, "found_in", lambda *_, **__: lost)
    with pytest.raises(ImportDiffers, match="holds 1 events of 1 customers"):
        run(parquet(tmp_path, rows({}, {"what": "hat"})), EVENT, into)


def test_a_lake_that_cannot_be_made_is_declared(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file is in the way")
    with pytest.raises(LakeUnavailable, match="can't be written"):
        run(parquet(tmp_path, rows({})), EVENT, Destination(Lake(str(tmp_path / "lake"))))


@pytest.mark.parametrize("step", ["add", "settle"])
def test_a_disk_that_fills_up_is_declared_and_leaves_nothing(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        message = "No space left on device"
        raise OSError(28, message)

    monkeypatch.setattr(Staging, step, full)
    with pytest.raises(LakeUnavailable, match="free space"):
        run(parquet(tmp_path, rows({})), EVENT, into)
    assert os.listdir(into.lake.root) == []  # noqa: PTH208 - names are enough


def test_what_a_killed_import_left_behind_is_removed(tmp_path: Path, into: Destination) -> None:
    left = Path(into.lake.root) / f"{STAGED}killed"
    left.mkdir(parents=True)
    (left / "raw.parquet").touch()
    run(parquet(tmp_path, rows({})), EVENT, into)
    assert not left.exists()


def test_an_import_beside_live_events_keeps_both(tmp_path: Path, into: Destination) -> None:
    into.lake.merge_events(event_table([event("live")]))
    assert run(parquet(tmp_path, rows({})), EVENT, into).inserted == 1
    assert len(events(into.lake)) == 2


def test_a_lake_that_appears_meanwhile_is_merged_into(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Staging.settle

    def meanwhile(staging: Staging) -> int:
        into.lake.merge_events(event_table([event("live")]))
        return real(staging)

    monkeypatch.setattr(Staging, "settle", meanwhile)
    assert run(parquet(tmp_path, rows({})), EVENT, into).inserted == 1


def test_a_lake_that_appears_while_rows_are_put_in_order_is_merged_into(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Lake.create_events

    def too_late(lake: Lake, staged: pa.RecordBatchReader, rows: int) -> MergeReport | None:
        lake.merge_events(event_table([event("live")]))
        return create(lake, staged, rows)

    monkeypatch.setattr(Lake, "create_events", too_late)
    assert run(parquet(tmp_path, rows({}, {"what": "hat"})), EVENT, into).inserted == 2
    assert {one["item"] for one in events(into.lake)} == {"lamp", "hat"}
    assert len(events(into.lake)) == 3


def test_rows_are_in_order_before_live_events_have_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    create = Lake.create_events

    def create_alone(lake: Lake, staged: pa.RecordBatchReader, rows: int) -> MergeReport | None:
        for file in Path(lake.root).rglob(f"{STAGED}*/*.parquet"):
            file.unlink()  # nothing is read of them any more
        return create(lake, staged, rows)

    monkeypatch.setattr(Lake, "create_events", create_alone)
    file = parquet(tmp_path, rows({}, {"at": NOW - timedelta(days=40)}))
    assert run(file, EVENT, Destination(lake)).inserted == 2


def test_times_beyond_tomorrow_are_rejected(tmp_path: Path, into: Destination) -> None:
    given = rows({"at": NOW + timedelta(hours=23)}, {"at": NOW + timedelta(days=2)})
    assert run(parquet(tmp_path, given), EVENT, into).rejected == {"time in the future": 1}


def test_a_mapping_that_does_not_fit_stops_before_anything_is_written(
    tmp_path: Path, into: Destination
) -> None:
    with pytest.raises(InvalidArgument, match="no such column"):
        run(parquet(tmp_path, rows({})), EVENT.replace('"what"', '"waht"'), into)
    assert not Path(into.lake.root).exists() or not os.listdir(into.lake.root)  # noqa: PTH208
