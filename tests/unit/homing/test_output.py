from __future__ import annotations

import json

import msgspec
import pytest
from rich.table import Table

from homing.output import Output


class Report(msgspec.Struct):
    rows: int
    words: str


def test_json_is_one_object_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).answer(Report(3, "long " * 100), ["3 rows"])

    assert json.loads(capsys.readouterr().out) == {"rows": 3, "words": "long " * 100}


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).answer(Report(3, ""), ["[3] rows, " + "x" * 200])

    assert capsys.readouterr().out == "[3] rows, " + "x" * 200 + "\n"


def test_a_table_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title="Models")
    table.add_column("model")
    table.add_row("als")

    Output(as_json=False).answer(Report(1, ""), [table])

    assert "als" in capsys.readouterr().out


def test_json_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=True).stages.stage("import"):
        pass

    assert capsys.readouterr().err == ""
