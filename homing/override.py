"""`homing override`: pin, ban and boost items by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from features.clock import SystemClock
from features.errors import InvalidArgument, NotFound
from features.override import Action, Override, parse_override
from features.settings import Settings, load_settings
from features.stores.opening import open_stores
from features.stores.ports import Catalogue
from homing.output import Output

override_app = typer.Typer(
    help="Pin, ban and boost items by hand; every scorer obeys within two seconds.",
    no_args_is_help=True,
)

Item = Annotated[str, typer.Argument(help="The item's id.")]
Block = Annotated[str | None, typer.Option(help="Only in this block; in all without it.")]
Segment = Annotated[str | None, typer.Option(help="Only for this segment; for all without it.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Not before; now without it.")
]
Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="A day like 2026-12-24, all of it, or a time with its zone."),
]
Note = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]
Name = Annotated[str | None, typer.Option("--id", help="Its name; made of the rest without it.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


class Listed(msgspec.Struct, frozen=True):
    """All overrides that have not ended."""

    overrides: tuple[Override, ...]


class Dropped(msgspec.Struct, frozen=True):
    """The ids of those that were dropped."""

    dropped: tuple[str, ...]


@override_app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List them: those in force, and those that are to come."""
    now = SystemClock().now()
    with _catalogue() as catalogue:
        kept = catalogue.overrides().overrides
    left = tuple(override for override in kept if not override.ended(now))
    nothing = "no overrides: homing override ban ITEM --until DAY"
    Output(as_json=as_json).answer(Listed(left), [_table(left, now)] if left else [nothing])


@override_app.command()
def pin(  # noqa: PLR0913, PLR0917 - its options
    item: Item,
    position: Annotated[int, typer.Option(help="Its place in the slate, from 1.")] = 1,
    block: Block = None,
    segment: Segment = None,
    since: Since = None,
    until: Until = None,
    note: Note = "",
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Put an item in its place of every slate that may show it."""
    said = {"position": position, "block": block, "segment": segment, "note": note, "id": name}
    _put(Action.PIN, item, as_json=as_json, since=since, until=until, **said)


@override_app.command()
def ban(  # noqa: PLR0913, PLR0917 - its options
    item: Item,
    block: Block = None,
    segment: Segment = None,
    since: Since = None,
    until: Until = None,
    note: Note = "",
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Show an item nowhere any more."""
    said = {"block": block, "segment": segment, "note": note, "id": name}
    _put(Action.BAN, item, as_json=as_json, since=since, until=until, **said)


@override_app.command()
def boost(  # noqa: PLR0913, PLR0917 - its options
    item: Item,
    strength: Annotated[
        float, typer.Option(help="How far up: this part of the slate's length, up to 1.")
    ] = 1.0,
    block: Block = None,
    segment: Segment = None,
    since: Since = None,
    until: Until = None,
    note: Note = "",
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Move an item up in every slate that may show it."""
    said = {"strength": strength, "block": block, "segment": segment, "note": note, "id": name}
    _put(Action.BOOST, item, as_json=as_json, since=since, until=until, **said)


@override_app.command()
def drop(
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="As `list` shows them.")],
    as_json: Json = False,
) -> None:
    """End some at once."""
    with _catalogue() as catalogue:
        kept = {override.id for override in catalogue.overrides().overrides}
        for name in names:
            if name not in kept:
                cure = "see `homing override list`; nothing was dropped"
                raise NotFound.of(name, field="id", reason="no such override", cure=cure)
        catalogue.drop_overrides(names)
    Output(as_json=as_json).answer(Dropped(tuple(names)), [f"dropped {name}" for name in names])


def moment(text: str | None, option: str, of_day: Callable[[datetime], datetime]) -> str | None:
    """A time as the command line has it, in ISO 8601 with its zone.

    Args:
        text: A time, or a day of UTC; None for none.
        option: Its name.
        of_day: From the beginning of a day to the time that the day stands for.

    Raises:
        InvalidArgument: It is neither.
    """
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return of_day(datetime(day.year, day.month, day.day, tzinfo=UTC)).isoformat()
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        cure = "give a day like 2026-12-24, or a time like 2026-12-24T18:00+01:00"
        reason = "not a time"
        raise InvalidArgument.of(text, field=option, reason=reason, cure=cure) from error


def _put(
    action: Action,
    item: str,
    *,
    as_json: bool,
    since: str | None,
    until: str | None,
    **said: object,
) -> None:
    # Numbers and models come with these: only who decides something waits for them.
    from serving.overrides import check_scopes  # noqa: PLC0415
    from serving.ranking.blocks import load_blocks  # noqa: PLC0415

    said["starts_at"] = moment(since, "from", lambda day: day)
    said["ends_at"] = moment(until, "until", lambda day: day + timedelta(days=1))
    now = SystemClock().now()
    override = parse_override({"action": action, "item": item, **said}, now)
    blocks = load_blocks(load_settings(Settings).blocks_file)
    with _catalogue() as catalogue:
        check_scopes([override], catalogue, blocks)
        catalogue.put_overrides([override], now)
    Output(as_json=as_json).answer(override, [f"{override.id}  {sentence(override)}"])


def sentence(override: Override) -> str:
    """What an override says, in words."""
    what = f"{override.action} {override.item}"
    if override.position is not None:
        what += f" to place {override.position}"
    if override.strength is not None:
        what += f" by {override.strength:.0%} of the slate"
    where = "everywhere" if override.block is None else f"in {override.block}"
    whom = "" if override.segment is None else f", for {override.segment}"
    until = "" if override.ends_at is None else f", until {override.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"{what} {where}{whom}{until}"


def _table(overrides: Sequence[Override], now: datetime) -> Table:
    table = Table("id", "what", "since", "note")
    for override in overrides:
        since = override.starts_at or override.created_at
        state = f"{since:%Y-%m-%d %H:%M}" + ("" if override.in_force(now) else " (to come)")
        table.add_row(override.id, sentence(override), state, override.note)
    return table


@contextmanager
def _catalogue() -> Iterator[Catalogue]:
    stores = open_stores(load_settings(Settings).resolved_store_url())
    try:
        yield stores.catalogue
    finally:
        stores.close()
