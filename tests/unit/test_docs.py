"""What the docs say of settings, events, commands and files is true."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from pydantic.fields import FieldInfo
from typer.core import TyperGroup

from features import mapping
from features.clock import FixedClock
from features.cloudevents import parse_cloudevents
from features.conditions import Must, Reject, Rule, When
from features.event import Event, EventType, parse_events
from features.identity import CustomerKeys
from features.mapping import parse_mapping
from features.money import Exchange
from features.repairs import parse_repair
from features.settings import Settings
from features.sources.generic_mapping import EventPaths, Signature, parse_webhook
from features.toml_tables import Table
from homing.cli import app
from homing.follow.settings import FollowSettings
from homing.sync.declared import Auth, Cursor, Rest, Rows, Sql, parse_declared
from homing.sync.settings import SyncSettings
from serving.keys import KeyFile
from serving.ranking.blocks import load_blocks
from serving.settings import ServeSettings
from serving.signing import check_signed
from serving.slate import Reason, Rung
from training.settings import TrainingSettings

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
ROW = re.compile(r"^\| `(HOMING_\w+)` \| (.+?) \|", re.MULTILINE)


def read(name: str) -> str:
    return (TOP / name).read_text()


def fields_of_settings() -> dict[str, FieldInfo]:
    kinds = (Settings, ServeSettings, TrainingSettings, SyncSettings, FollowSettings)
    return {name: field for kind in kinds for name, field in kind.model_fields.items()}


def test_the_tables_of_settings_name_every_setting_and_no_other() -> None:
    told = [name for name, _ in ROW.findall(read("docs/operations.md"))]
    assert sorted(told) == sorted(f"HOMING_{name.upper()}" for name in fields_of_settings())


def test_the_tables_of_settings_give_the_defaults() -> None:
    told = dict(ROW.findall(read("docs/operations.md")))
    for name, field in fields_of_settings().items():
        # What is computed from others, or has no default, is told in words.
        if field.default not in {None, ""}:
            assert told[f"HOMING_{name.upper()}"] == f"`{field.default}`"


def test_the_page_of_events_names_every_field_and_every_type() -> None:
    page = read("docs/events.md")
    fields = page.split("## Fields")[1].split("## Types")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", fields, re.MULTILINE)) == set(Event.__struct_fields__)
    types = page.split("## Types")[1].split("## All or nothing")[0]
    assert {name for name in re.findall(r"`(\w+)`", types) if name in list(EventType)} == set(
        EventType
    )


def test_the_interface_names_every_rung_and_every_reason() -> None:
    page = read("docs/api.md")
    for word in [*Rung, *Reason]:
        assert f"`{word}`" in page


def known_commands() -> dict[str, set[str]]:
    """Command → its options, as the command line has them."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    found = {}
    for name, command in group.commands.items():
        below = command.commands if isinstance(command, TyperGroup) else {"": command}
        for part, one in below.items():
            options = {option for param in one.params for option in param.opts}
            found[f"{name} {part}".strip()] = {o for o in options if o.startswith("--")}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_command_that_a_page_tells_to_run_exists(page: Path) -> None:
    known = known_commands()
    code = re.findall(r"`([^`]+)`", page.read_text().replace("```", "`"))
    lines = [line.strip() for part in code for line in part.splitlines()]
    for line in lines:
        if not re.match(r"homing \S", line):
            continue
        words = line.split("#")[0].split()[1:]
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        assert name is not None or words[0] == "key", line
        for option in [word.split("=")[0] for word in words if word.startswith("--")]:
            assert name is not None
            assert option in known[name] | {"--help"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), f"{page.name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, f"{page.name}: {target}"


def blocks_of(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", read(page), re.DOTALL)


def test_the_examples_of_events_are_events() -> None:
    keys, now = CustomerKeys(b"s" * 32), datetime(2026, 2, 1, tzinfo=UTC)
    plain, whose, cloud = (json.loads(text) for text in blocks_of("docs/events.md", "json"))
    [event] = parse_events(plain, keys, now)
    [known] = parse_events(whose, keys, now)
    [sent] = parse_cloudevents(cloud, keys, now)
    assert (event.item, sent.item) == ("sku-4411", "sku-4411")
    assert (known.customer, known.alias) == (event.customer, keys.resolve("visitor-7f3a"))


def test_the_examples_of_blocks_and_mappings_are_read(tmp_path: Path) -> None:
    [blocks] = blocks_of("docs/api.md", "toml")
    (tmp_path / "blocks.toml").write_text(blocks)
    assert load_blocks(tmp_path / "blocks.toml").keys() == {"hero"}
    mappings = blocks_of("docs/importing.md", "toml")
    # The first is a whole one, and the others are sections that it may have besides.
    made = parse_mapping("\n".join(mappings), "docs/importing.md")
    assert made.currency is not None
    assert made.catalogue is not None
    assert len(made.contract) == 2


def test_the_example_of_what_is_pulled_is_read() -> None:
    declared = parse_declared("".join(blocks_of("docs/pulling.md", "toml")), "docs/pulling.md")
    assert declared.rest is not None
    assert declared.rest.auth is not None
    assert (declared.cursor is not None, len(declared.contract)) == (True, 1)


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        (
            "docs/importing.md",
            (
                *(mapping.EventMapping, mapping.ItemMapping, mapping.Value, mapping.Moment),
                *(mapping.Source, mapping.Join, mapping.FileMapping, mapping.TypeColumn),
                *(Exchange, When, Must, Rule, Reject),
            ),
        ),
        ("docs/pulling.md", (Rest, Sql, Cursor, Rows, Auth)),
    ],
)
def test_every_word_of_a_file_is_told(page: str, kinds: tuple[type[Table], ...]) -> None:
    told = " ".join([*blocks_of(page, "toml"), *re.findall(r"`([^`\n]+)`", read(page))])
    words = {word for kind in kinds for word in kind.__struct_fields__}
    assert words - set(re.findall(r"\w+", told)) == set()


def test_the_page_of_sources_tells_every_word_of_a_mapping_and_its_examples_are_read() -> None:
    till, rule, repair = blocks_of("docs/sources.md", "toml")
    assert len(parse_webhook(f"{till}\n{rule}", "docs/sources.md").contract) == 1
    parse_repair(repair, "docs/sources.md")
    page = read("docs/sources.md").split("## Any other sender")[1].split("## Dead letters")[0]
    told = {
        word for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE) for word in row.split(", ")
    }
    fields = {*Signature.__struct_fields__, *EventPaths.__struct_fields__}
    assert told - {"word", "---"} == {f"`{field}`" for field in fields}


def test_the_signed_url_of_the_example_is_accepted(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    keys = KeyFile(tmp_path / "keys.json", clock)
    made = keys.create("mail", ["recommend"])
    [code] = blocks_of("docs/api.md", "python")
    names = {"KEY_ID": made.key.id, "SIGNING_KEY": made.signing_key}
    exec(code, names)  # noqa: S102 - our own page
    _, _, query = names["url"].partition("?")
    assert check_signed("/v1/recommendations", query.encode(), keys, clock.now()) == made.key


def told_rooms() -> set[Path]:
    """Every file and folder of the table of rooms; those after the first lie beside it."""
    table = read("docs/architecture.md").split("## The rooms")[1].split("## Four processes")[0]
    rooms = set()
    for cell in re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[2:]:
        names = re.findall(r"`([^`]+)`", cell)
        folder = names[0].rpartition("/")[0] if "/" in names[0] else ""
        rooms |= {TOP / name if (TOP / name).exists() else TOP / folder / name for name in names}
    return rooms


def test_every_room_of_the_house_exists() -> None:
    assert [room for room in told_rooms() if not room.exists()] == []


@pytest.mark.parametrize("top", ["features", "serving", "training", "homing"])
def test_every_module_and_package_is_in_the_list_of_rooms(top: str) -> None:
    modules = [path for path in (TOP / top).glob("*.py") if not path.name.startswith("__")]
    packages = [path.parent for path in (TOP / top).glob("*/__init__.py")]
    rooms = told_rooms()
    assert [path.name for path in modules + packages if path not in rooms] == []


def test_every_decision_is_in_the_list() -> None:
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", read("docs/decisions/README.md"))
    assert listed == sorted(path.name for path in (TOP / "docs/decisions").glob("0*.md"))
