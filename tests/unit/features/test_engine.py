from __future__ import annotations

import builtins
from contextlib import closing
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pytest

from features.engine import declared, open_duckdb, open_engine
from features.errors import LakeUnavailable, MissingExtra


def test_times_are_in_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with closing(open_duckdb()) as con:
        sql = "SELECT CAST(TIMESTAMPTZ '2026-01-01T00:00:00Z' AS VARCHAR) AS t"
        assert con.sql(sql).to_arrow_table().column("t")[0].as_py() == "2026-01-01 00:00:00+00"


def test_what_does_not_fit_into_memory_goes_to_the_given_folder(tmp_path: Path) -> None:
    sql = "SELECT current_setting('temp_directory') AS t"
    with closing(open_duckdb(spill=tmp_path)) as con:
        assert con.sql(sql).to_arrow_table().column("t")[0].as_py() == str(tmp_path)
    with closing(open_duckdb()) as con:
        assert con.sql(sql).to_arrow_table().column("t")[0].as_py() == ""


def test_an_engine_computes() -> None:
    engine = open_engine()
    with closing(engine.con):
        ones = ibis.memtable(pa.table({"one": [1, 1]}))
        table = engine.create_table("ones", ones.mutate(two=2), temp=True)
        assert table.one.sum().to_pyarrow().as_py() == 2


@pytest.mark.parametrize("library", ["duckdb", "ibis"])
def test_a_missing_library_says_the_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object) -> object:
        if name == library:
            message = f"No module named {name!r}"
            raise ModuleNotFoundError(message)
        return real(name, *args)  # type: ignore[arg-type] # the same arguments as they came

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"homing\[train\]"):
        open_engine()


def test_an_unreadable_file_is_a_declared_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with (
        closing(open_duckdb()) as con,
        pytest.raises(LakeUnavailable, match="the lake can't be used"),
        declared("the lake"),
    ):
        con.read_parquet(str(broken))


def test_a_full_disk_is_told_as_such() -> None:
    message = "IO Error: Could not write file: No space left on device"
    with pytest.raises(LakeUnavailable, match="free space on its disk"), declared("the import"):
        raise duckdb.IOException(message)
