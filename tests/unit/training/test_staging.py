from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from features.errors import StoreUnavailable
from features.profile import Published
from training.staging import Plan, Staging, read_plan

PLAN = Plan(
    models={"recommender": "recommender/1"},
    blocks="rules",
    as_of=datetime(2026, 1, 1, tzinfo=UTC),
    lake_version=3,
    started=datetime(2026, 1, 2, tzinfo=UTC),
)
ONE, TWO = {"ck_a": Published(at=1), "ck_b": Published(at=1)}, {"ck_c": Published(at=2)}


def test_what_is_staged_comes_back_in_order_and_is_dropped_once_it_was_taken(
    tmp_path: Path,
) -> None:
    staging, resumed = Staging.open(tmp_path / "p", PLAN)
    staging.add(ONE)
    staging.add(TWO)
    assert (resumed, staging.complete, staging.last_customer()) == (False, False, "ck_c")
    staging.finish({"popular": ("x",)})
    batches = staging.batches()
    assert next(batches) == ONE
    assert staging.count() == 2  # the first is still being delivered
    assert next(batches) == TWO
    assert staging.count() == 1
    assert list(batches) == []
    assert staging.shelves() == {"popular": ("x",)}


def test_the_same_work_goes_on_with_the_first_plan(tmp_path: Path) -> None:
    Staging.open(tmp_path / "p", PLAN)[0].add(ONE)
    later = msgspec.structs.replace(PLAN, started=PLAN.started + timedelta(hours=1), lake_version=4)
    staging, resumed = Staging.open(tmp_path / "p", later)
    assert resumed
    assert staging.plan == PLAN
    assert staging.last_customer() == "ck_b"


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(PLAN, models={"recommender": "recommender/2"}),
        msgspec.structs.replace(PLAN, blocks="other rules"),
        msgspec.structs.replace(PLAN, started=PLAN.started + timedelta(hours=25)),
    ],
)
def test_other_work_or_stale_work_begins_anew(tmp_path: Path, other: Plan) -> None:
    Staging.open(tmp_path / "p", PLAN)[0].add(ONE)
    staging, resumed = Staging.open(tmp_path / "p", other)
    assert not resumed
    assert (staging.last_customer(), staging.plan) == ("", other)


def test_a_half_written_batch_is_no_batch(tmp_path: Path) -> None:
    staging, _ = Staging.open(tmp_path / "p", PLAN)
    (tmp_path / "p" / ".batch-00000000.msgpack").write_bytes(b"half")
    assert staging.count() == 0


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"a": 1', b'{"blocks": "\xff"}'])
def test_a_folder_without_a_plan_that_can_be_read_has_none(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_bytes(content)
    assert read_plan(tmp_path) is None


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be written"):
        Staging.open(tmp_path / "file" / "p", PLAN)
