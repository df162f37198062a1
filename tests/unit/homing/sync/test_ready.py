"""What the page says of the files that are ready."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")
from features.clock import SystemClock
from homing.declaring import filled
from homing.sync.command import READY
from homing.sync.declared import load_declared
from homing.sync.rest import patient_session, rest_resource

PAGE = Path(__file__).parents[4] / "docs/pulling.md"
TOLD = dict(
    re.findall(r"^\| `([\w-]+)` \| .+ \| (`[A-Z_`, ]+`) \|$", PAGE.read_text(), re.MULTILINE)
)


@pytest.mark.parametrize("name", sorted(path.stem for path in READY.glob("*.toml")))
def test_the_page_names_the_variables_of_each(name: str) -> None:
    declared, asked = load_declared(READY / f"{name}.toml"), set()

    def value_of(variable: str) -> str:
        asked.add(variable)
        return "2026-01-01"

    if declared.rest is not None:
        with patient_session(SystemClock()) as session:
            rest_resource(name, (declared.rest, declared.cursor), value_of, session)
    elif declared.sql is not None:
        filled(declared.sql.query, value_of)
        asked.add("URL")
    assert asked - {"TODAY"} == set(re.findall(r"\w+", TOLD[name]))
