"""`homing sync` of a database by cursor, from SQLite and from a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import SettingsError, Unavailable
from features.progress import silent
from homing.sync.command import SyncReport, sync
from homing.sync.settings import SyncSettings
from tests.pulled import events
from tests.services import postgres_server

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")
sqlalchemy = pytest.importorskip(
    "sqlalchemy", reason="SQLAlchemy is not installed: pip install 'homing[sync]'"
)

# BigQuery's driver, if a test had it loaded before, takes the name of a function of PostgreSQL's.
pytestmark = pytest.mark.filterwarnings("ignore:Class unnest will not make use")

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILE = """
name = "till"

[sql]
table = "lines"
chunk = 3

[cursor]
field = "changed_at"
pages = 1

[rows]
customer = "member"
columns = { receipt = "receipt", line = "line", at = "sold_at", sku = "sku", paid = "paid" }
numbers = ["paid"]

[event]
customer = "customer"
type = "purchase"
time = { column = "at", zone = "UTC" }
item = "sku"
value = "paid"
currency = { constant = "EUR" }
id = ["receipt", "line"]
"""

Put = Callable[..., None]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'till.db'}"
        return
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'homing[sync]'")
    with postgres_server() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def put(url: str) -> Iterator[Put]:
    """Writes lines of receipts into the shop's own table."""
    engine = sqlalchemy.create_engine(url)
    lines = sqlalchemy.Table(
        "lines",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("receipt", sqlalchemy.String(20)),
        sqlalchemy.Column("line", sqlalchemy.Integer),
        sqlalchemy.Column("member", sqlalchemy.String(20)),
        sqlalchemy.Column("sku", sqlalchemy.String(20)),
        sqlalchemy.Column("paid", sqlalchemy.Numeric(10, 2)),
        sqlalchemy.Column("sold_at", sqlalchemy.DateTime),
        sqlalchemy.Column("changed_at", sqlalchemy.DateTime),
    )
    lines.create(engine)

    def call(*numbers: int, same: bool = False) -> None:
        sold = datetime(2026, 2, 1)  # noqa: DTZ001 - as a till writes it
        with engine.begin() as connection:
            for number in numbers:
                moment = sold + timedelta(minutes=0 if same else number)
                row = {
                    "receipt": f"r{number // 2}",
                    "line": number % 2,
                    "member": f"m{number % 5}",
                    "sku": "0017",
                    "paid": Decimal("12.30"),
                    "sold_at": moment,
                    "changed_at": moment,
                }
                connection.execute(lines.insert().values(**row))

    yield call
    engine.dispose()


def _sync(home: Path, url: str, text: str = FILE) -> SyncReport:
    (home / "syncs").mkdir(exist_ok=True)
    (home / "syncs" / "till.toml").write_text(text)
    settings = SyncSettings(home=home, secret="s" * 32, syncs_folder=home / "syncs")
    return sync(settings, "till", {"HOMING_SYNC_TILL_URL": url}, FixedClock(NOW), silent)


def test_rows_of_a_table_become_events_and_new_ones_alone_are_fetched(
    tmp_path: Path, url: str, put: Put
) -> None:
    put(*range(11))
    first = _sync(tmp_path, url)
    assert first.landed is not None
    assert (first.records, first.landed.inserted, first.landed.customers) == (11, 11, 5)
    found = events(tmp_path)
    assert (found[0]["id"], found[0]["item"], found[0]["value"]) == ("till:r0:0", "0017", 12.3)
    assert found[0]["occurred_at"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert _sync(tmp_path, url).landed is None
    put(11, 12)
    second = _sync(tmp_path, url)
    assert second.landed is not None
    assert (second.records, second.landed.inserted) == (2, 2)
    assert len(events(tmp_path)) == 13


def test_more_rows_of_one_moment_than_a_package_takes_are_all_fetched(
    tmp_path: Path, url: str, put: Put
) -> None:
    put(*range(20), same=True)
    assert _sync(tmp_path, url).records == 20
    assert len(events(tmp_path)) == 20


def test_rows_of_a_query_in_any_order_become_events_and_new_ones_alone_are_fetched(
    tmp_path: Path, url: str, put: Put
) -> None:
    asked = 'query = "SELECT * FROM lines ORDER BY paid, changed_at DESC"'
    text = FILE.replace('table = "lines"', asked)
    put(*range(11))
    assert _sync(tmp_path, url, text).records == 11
    put(11, 12)
    assert _sync(tmp_path, url, text).records == 2
    assert len(events(tmp_path)) == 13


def test_a_query_without_a_cursor_is_asked_for_all_of_it(
    tmp_path: Path, url: str, put: Put
) -> None:
    before, _, after = FILE.partition("[cursor]")
    text = before.replace('table = "lines"', 'query = "SELECT * FROM lines"')
    text += "[rows]" + after.partition("[rows]")[2]
    put(*range(4))
    assert [_sync(tmp_path, url, text).records for _ in range(2)] == [4, 4]
    assert len(events(tmp_path)) == 4


def test_a_table_that_is_not_there_is_told_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unavailable, match="NoSuchTableError"):
        _sync(tmp_path, url)


def test_an_url_that_is_none_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="database's URL can't be used") as raised:
        _sync(tmp_path, "nodb://ada:hunter2@host/shop")
    assert "hunter2" not in str(raised.value)
