"""Blocks: the places in an e-mail, configured in one TOML file.

One table a block, by name::

    [hero]
    size = 4
    allow_repeats = false
    [[hero.items]]          # the static rung: what is shown when nothing else can be
    id = "gift-card"
    title = "A gift card"
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Callable
from enum import StrEnum
from importlib import resources
from pathlib import Path

import msgspec

from features.errors import SettingsError, shorten
from features.event import MAX_ITEMS
from features.item import Item, check_item

MAX_SIZE = MAX_ITEMS
"""Items in one slate."""
MAX_NEW_DAYS = 3_650
"""The longest that an item may count as new."""
MAX_ROTATION_DAYS = 365
"""The longest half-life of a showing."""
BUILT_IN = "blocks.toml"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class RuleName(StrEnum):
    """Every rule of a slate as a whole, in the order in which they are asked.

    Each has the name of the setting that asks for it. The first is the last to yield.
    """

    ROTATION = "rotation_days"
    CATEGORY_CAP = "category_cap"
    BRAND_CAP = "brand_cap"
    POPULARITY_CAP = "popularity_cap"
    NEW_SHARE = "new_share"
    PRICE_SPREAD = "price_spread"
    DIVERSITY = "diversity"


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place in an e-mail and its rules.

    Attributes:
        name: As templates ask for it; from the table's name.
        size: Items in a slate, 1 to `MAX_SIZE`.
        allow_repeats: Whether items that the customer owns may come back.
        repeat_after_days: An item that was bought or returned within so many days stays away,
            whatever `allow_repeats` says. From 0.
        categories: Only items in any of these; all items when empty.
        exclude_categories: No item in any of these.
        rotation_days: An item that was shown and not wanted stands further behind; in so many
            days a showing comes to count half. This and all that follow are rules of the slate as
            a whole: None for none, and each yields rather than leave a slate short.
        category_cap: At most so many items of the same narrowest category.
        brand_cap: At most so many items of the same brand.
        popularity_cap: At most so many of the most popular items.
        popular_share: Which are the most popular: this part of all items.
        new_share: Of every so many places at least this part goes to new items.
        new_days: Which are new: became available within so many days.
        price_spread: The dearest item costs at least so many times the cheapest.
        diversity: How much unlike items count against better ones, 0 to 1, both excluded.
        items: The static answer.
    """

    name: str = ""
    size: int
    allow_repeats: bool = False
    repeat_after_days: float = 0.0
    categories: tuple[str, ...] = ()
    exclude_categories: tuple[str, ...] = ()
    rotation_days: float | None = None
    category_cap: int | None = None
    brand_cap: int | None = None
    popularity_cap: int | None = None
    popular_share: float = 0.01
    new_share: float | None = None
    new_days: float = 30.0
    price_spread: float | None = None
    diversity: float | None = None
    items: tuple[Item, ...] = ()

    @property
    def rules(self) -> tuple[RuleName, ...]:
        """The rules of the slate as a whole that this block asks for, in their order."""
        return tuple(name for name in RuleName if getattr(self, name) is not None)


def load_blocks(path: Path | None = None) -> dict[str, Block]:
    """Blocks by name, in the file's order.

    Args:
        path: A TOML file; the built-in `hero`, `cross_sell` and `buy_again` when None.

    Raises:
        SettingsError: The file can't be read or a value can't be used; the message names file,
            block, field and value.
    """
    where = "the built-in blocks" if path is None else str(path)
    tables = _read(path, where)
    if not tables:
        message = f"{where}: no block in it; add a table like [hero] with size = 4"
        raise SettingsError(message)
    return {name: _block(where, name, table) for name, table in tables.items()}


def block_digest(block: Block) -> int:
    """64 bits that tell a block's rules from any others."""
    written = msgspec.json.encode(block, order="sorted")
    return int.from_bytes(hashlib.blake2b(written, digest_size=8).digest(), "big")


def _read(path: Path | None, where: str) -> dict[str, object]:
    try:
        if path is None:
            text = resources.files("serving.ranking").joinpath(BUILT_IN).read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        return tomllib.loads(text)
    except OSError as error:
        message = f"{where}: can't be read: {error.strerror}; see HOMING_BLOCKS_FILE"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{where}: not TOML: {error}"
        raise SettingsError(message) from error


def _block(where: str, name: str, table: object) -> Block:
    if _NAME.fullmatch(name) is None:
        message = f"{where}: block {shorten(name)}: name it with letters, digits, - and _"
        raise SettingsError(message)
    try:
        block = msgspec.structs.replace(msgspec.convert(table, Block), name=name)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        field = f", {path.rstrip('`')} = {shorten(_at(table, path))}" if path else ""
        cure = f"compare it with the built-in {BUILT_IN}"
        message = f"{where}: block {name}{field}: {reason}; {cure}"
        raise SettingsError(message) from error
    problem = _problem(block)
    if problem is not None:
        message = f"{where}: block {name}, {problem}"
        raise SettingsError(message)
    return block


def _at(table: object, path: str) -> object:
    """What a table holds under the first name of a path."""
    first = re.split(r"[.\[`]", path)[0]
    return table.get(first) if isinstance(table, dict) else table


def _problem(block: Block) -> str | None:
    """The first limit that a block breaks."""
    if not 1 <= block.size <= MAX_SIZE:
        return f"size = {block.size}: give 1 to {MAX_SIZE}"
    if not (math.isfinite(block.repeat_after_days) and block.repeat_after_days >= 0):
        return f"repeat_after_days = {block.repeat_after_days}: give a number of days from 0"
    out_of_range = _rule_problem(block)
    if out_of_range is not None:
        return out_of_range
    if len({item.id for item in block.items}) < len(block.items):
        return "items: an id comes twice; a slate shows an item once"
    for place, item in enumerate(block.items):
        problem = check_item(item)
        if problem is not None:
            return f"items[{place}].{problem}"
    return None


def _rule_problem(block: Block) -> str | None:
    """The first setting of a rule that is out of its range."""
    least = math.ceil(100 / block.size) / 100
    limits: tuple[tuple[str, Callable[[float], bool], str], ...] = (
        (
            "rotation_days",
            lambda days: 0 < days <= MAX_ROTATION_DAYS,
            f"give days up to {MAX_ROTATION_DAYS}, like 14.0, or leave it out",
        ),
        ("category_cap", lambda cap: cap >= 1, "give a number from 1, or leave it out"),
        ("brand_cap", lambda cap: cap >= 1, "give a number from 1, or leave it out"),
        ("popularity_cap", lambda cap: cap >= 1, "give a number from 1, or leave it out"),
        ("popular_share", lambda part: 0 < part < 1, "give a part of all items, like 0.01"),
        (
            "new_share",
            lambda part: least <= part <= 1,
            f"give {least} (one place of {block.size}) to 1, or leave it out",
        ),
        ("new_days", lambda days: 0 < days <= MAX_NEW_DAYS, f"give days up to {MAX_NEW_DAYS}"),
        (
            "price_spread",
            lambda times: 1 < times < math.inf,
            "give a number above 1, like 2.0, or leave it out",
        ),
        ("diversity", lambda part: 0 < part < 1, "give a part of 1, like 0.3, or leave it out"),
    )
    for name, fits, cure in limits:
        value = getattr(block, name)
        if value is not None and not fits(value):
            return f"{name} = {value}: {cure}"
    return None
