"""What docs/following.md says of files, settings and metrics is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.settings import Settings
from features.toml_tables import Table
from homing.follow.declared import Auth, Declared, Sse, WebSocket, parse_declared
from homing.follow.settings import FollowSettings
from homing.follow.tally import Tally
from tests.shop import END

PAGE = (Path(__file__).parents[4] / "docs/following.md").read_text()


def rows(after: str) -> dict[str, str]:
    """Key → default, of the first table of three columns behind a text."""
    table = PAGE.split(after, 1)[1].split("| key | default | meaning |\n|---|---|---|\n")[1]
    found = re.findall(r"^\| `(\w+)` \| (.+?) \|", table.split("\n\n")[0], re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize(
    ("after", "kind"),
    [("`auth`, of both kinds", Auth), ("## Server-sent events", Sse), ("## WebSockets", WebSocket)],
)
def test_the_tables_name_every_key_with_its_default(after: str, kind: type[Table]) -> None:
    told = rows(after)
    defaults = dict(zip(kind.__struct_fields__[::-1], kind.__struct_defaults__[::-1], strict=False))
    assert set(told) == set(kind.__struct_fields__)
    for key, shown in told.items():
        if shown not in {"needed", "–"}:
            default = defaults[key]
            written = str(default).lower() if isinstance(default, bool) else default
            assert shown.strip("`") == (
                f"{written:g}" if isinstance(written, float) else f"{written}"
            )


def test_the_table_of_a_file_names_what_is_not_a_kind_of_feed() -> None:
    assert set(rows("## A feed")) == set(Declared.__struct_fields__) - {
        "sse",
        "websocket",
        "changes",
    }


def test_the_examples_are_feeds() -> None:
    shop, tickets = (
        parse_declared(text, "docs/following.md")
        for text in re.findall(r"```toml\n(name.*?)```", PAGE, re.DOTALL)[:2]
    )
    assert shop.sse is not None
    assert tickets.websocket is not None


def test_the_table_of_settings_names_every_one_with_its_default() -> None:
    told = dict(re.findall(r"^\| `HOMING_(\w+)` \| `?(.+?)`? \|", PAGE, re.MULTILINE))
    fields = FollowSettings.model_fields.keys() - Settings.model_fields.keys()
    assert set(told) == {name.upper() for name in fields}
    for name in fields:
        default = FollowSettings.model_fields[name].default
        assert told[name.upper()] == ("–" if default is None else str(default))


def test_the_table_of_metrics_names_every_one() -> None:
    table = PAGE.split("| metric `homing_follow_…` |", 1)[1]
    told = {f"homing_follow_{name}" for name in re.findall(r"`([a-z_]+)`", table)}
    families = list(Tally("shop", FixedClock(END)).collect())
    assert told == {sample.name for family in families for sample in family.samples}
