"""An override: what a person decides about an item, above what any model says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from features.errors import InvalidArgument, Problem, TooLarge, shorten
from features.event import MAX_TEXT, limit_trouble, parse_each, schema_problem

MAX_OVERRIDES = 1_000
"""Overrides that are kept, and in one request."""
MAX_POSITION = 50
MAX_NOTE = 500
"""Characters."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


class Action(StrEnum):
    """What an override does to its item."""

    PIN = "pin"
    BAN = "ban"
    BOOST = "boost"


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person decided about an item.

    Attributes:
        id: Its name; putting one of the same name replaces it.
        action: What it does.
        item: The item's id.
        block: Only in this block; in all of them when None.
        segment: Only for customers of this segment; for everybody when None.
        position: Of a pin: where the item is put, from 1. A slate that is shorter has it last.
        strength: Of a boost: it raises the item by this part of its slate's length, above 0 to 1.
        starts_at: Not in force before; aware, UTC.
        ends_at: Not in force from then on; aware, UTC.
        note: Why, for whoever reads it later.
        created_at: When it was decided; aware, UTC.
    """

    id: str
    action: Action
    item: str
    created_at: datetime
    block: str | None = None
    segment: str | None = None
    position: int | None = None
    strength: float | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    note: str = ""

    def in_force(self, now: datetime) -> bool:
        """Whether it counts at that moment."""
        return (self.starts_at is None or self.starts_at <= now) and not self.ended(now)

    def ended(self, now: datetime) -> bool:
        """Whether it will never count again."""
        return self.ends_at is not None and self.ends_at <= now


class WireOverride(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An override as a person or a shop writes it; an `id` that is left out is made of the rest."""

    action: Action
    item: str
    id: str | None = None
    block: str | None = None
    segment: str | None = None
    position: int | None = None
    strength: float | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    note: str = ""


def parse_overrides(raw: object, now: datetime) -> list[Override]:
    """Overrides from decoded JSON: one object or a list, whole or not at all.

    Args:
        raw: Decoded JSON.
        now: When they are decided, aware.

    Raises:
        InvalidArgument: Any element is refused; the error lists up to `MAX_PROBLEMS` problems.
        TooLarge: More than `MAX_OVERRIDES` elements.
    """
    overrides, problems = parse_each(raw, lambda one: parse_override(one, now), MAX_OVERRIDES)
    if problems:
        raise InvalidArgument(problems)
    return overrides


def parse_override(element: object, now: datetime) -> Override:
    """One override from one decoded JSON object.

    Raises:
        InvalidArgument: It breaks the schema or a limit.
    """
    try:
        wire = msgspec.convert(element, WireOverride)
    except msgspec.ValidationError as error:
        raise InvalidArgument([schema_problem(element, str(error))]) from error
    problem = _problem(wire, now)
    if problem is not None:
        raise InvalidArgument([problem])
    values = msgspec.structs.asdict(wire)
    for name in ("starts_at", "ends_at"):
        if values[name] is not None:
            values[name] = values[name].astimezone(UTC)
    values["id"] = wire.id or override_id(wire)
    if wire.action is Action.PIN:
        values["position"] = wire.position or 1
    elif wire.action is Action.BOOST:
        values["strength"] = wire.strength or 1.0
    return Override(**values, created_at=now.astimezone(UTC))


def override_id(wire: WireOverride) -> str:
    """The name of an override that was given none: of the same action, item and scope, the same."""
    said = msgspec.json.encode([wire.action, wire.item, wire.block, wire.segment])
    return f"ov_{hashlib.blake2b(said, digest_size=8).hexdigest()}"


def with_overrides(
    kept: Sequence[Override], new: Iterable[Override], now: datetime
) -> tuple[Override, ...]:
    """What is to be kept once some more are put: in the order of their names, none that ended.

    One that says what was kept under its name stays as old as it was.

    Raises:
        TooLarge: More than `MAX_OVERRIDES`.
    """
    known = {override.id: override for override in kept}
    for override in new:
        before = known.get(override.id)
        same = before is not None and before == msgspec.structs.replace(
            override, created_at=before.created_at
        )
        known[override.id] = before if before is not None and same else override
    left = [known[name] for name in sorted(known) if not known[name].ended(now)]
    if len(left) > MAX_OVERRIDES:
        reason, cure = f"more than {MAX_OVERRIDES}", "drop some that are not needed any more"
        value = f"{len(left)} overrides"
        raise TooLarge([Problem(index=None, field="", value=value, reason=reason, cure=cure)])
    return tuple(left)


def _problem(wire: WireOverride, now: datetime) -> Problem | None:
    """The first limit that a well-typed override breaks."""
    for field, (fits, reason, cure) in _LIMITS.items():
        value = getattr(wire, field)
        if value is not None and not fits(value):
            return _refused(wire, field, reason, cure)
    return _setting_problem(wire) or _time_problem(wire, now)


def _refused(wire: WireOverride, field: str, reason: str, cure: str) -> Problem:
    value = shorten(getattr(wire, field))
    return Problem(index=None, field=field, value=value, reason=reason, cure=cure)


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


_TEXT_CURE = f"send 1 to {MAX_TEXT} printable characters"
_LIMITS: Mapping[str, tuple[Callable[..., bool], str, str]] = {
    "item": (_is_text, "not a usable id", _TEXT_CURE),
    "id": (
        lambda text: _NAME.fullmatch(text) is not None,
        "not a usable name",
        "send 1 to 64 letters, digits and _ . : -, or leave it out",
    ),
    "block": (_is_text, "not a usable name", _TEXT_CURE),
    "segment": (_is_text, "not a usable name", _TEXT_CURE),
    "position": (
        lambda place: 1 <= place <= MAX_POSITION,
        "out of range",
        f"send 1 to {MAX_POSITION}",
    ),
    "strength": (lambda part: 0 < part <= 1, "out of range", "send a part of 1, like 0.5, up to 1"),
    "note": (
        lambda text: len(text) <= MAX_NOTE,
        "too long",
        f"send at most {MAX_NOTE} characters",
    ),
}


def _setting_problem(wire: WireOverride) -> Problem | None:
    for field, action in (("position", Action.PIN), ("strength", Action.BOOST)):
        if getattr(wire, field) is not None and wire.action is not action:
            reason = f"a {wire.action} has none"
            return _refused(wire, field, reason, f"leave it out, or send the action `{action}`")
    return None


def _time_problem(wire: WireOverride, now: datetime) -> Problem | None:
    for field in ("starts_at", "ends_at"):
        moment = getattr(wire, field)
        if moment is None:
            continue
        trouble = limit_trouble(moment)
        if trouble is not None:
            return _refused(wire, field, *trouble)
    if wire.ends_at is None:
        return None
    if wire.ends_at <= now:
        return _refused(wire, "ends_at", "in the past", "send a later one; to end it, drop it")
    if wire.starts_at is not None and wire.ends_at <= wire.starts_at:
        return _refused(wire, "ends_at", "before it starts", "send one after `starts_at`")
    return None
