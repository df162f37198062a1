"""Every error that Homing declares, in one tree.

::

    HomingError
    ├── InputError              what the caller sent can't be used; nothing of it was kept
    │   ├── InvalidEvent
    │   ├── InvalidItem
    │   ├── InvalidArgument
    │   ├── NotFound
    │   └── TooLarge
    ├── AccessError             the caller may not do this
    │   ├── Unauthenticated
    │   └── Forbidden
    ├── SettingsError           the service is set up wrongly
    │   └── MissingExtra
    ├── Unavailable             a dependency does not answer; asking again later may help
    │   ├── StoreUnavailable
    │   ├── LakeUnavailable
    │   ├── RegistryUnavailable
    │   └── Overloaded          more is being asked than can be answered
    ├── LakeMissing             no history where the lake should be
    ├── ImportDiffers           the lake does not hold what the imported file says
    ├── BundleError             a model's files do not fit their manifest
    │   └── ForeignBundle       they are of a form that this version does not read
    ├── NotEnoughData           too little history for what was asked
    └── Refused                 the work is sound but must not go on
        ├── AlreadyRunning
        └── GateRefused

A message names the thing, the value and the cure. `Unavailable` lowers the rung of an answer; it
never becomes a template's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of bytes that it can't read: of text that is no UTF-8, and of what is nested
too deep, it raises Python's own errors."""

SHOWN = 120
"""Characters of a refused value that a message repeats."""


def shorten(value: object) -> str:
    """A refused value as a message may show it: its repr, at most `SHOWN` characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


class HomingError(Exception):
    """The root. `str(error)` is one line that a person can act upon."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with one part of an input.

    Attributes:
        index: Which element of a list, from 0; None where the input is a single thing.
        field: The field's name, "" for the element as a whole.
        value: The refused value, shortened.
        reason: What is wrong with it.
        cure: What to send instead.
    """

    index: int | None
    field: str
    value: str
    reason: str
    cure: str

    def __str__(self) -> str:
        """The problem as one line."""
        where = "" if self.index is None else f"[{self.index}]"
        name = ".".join(part for part in (where, self.field) if part) or "input"
        return f"{name} = {self.value}: {self.reason}; {self.cure}"


class InputError(HomingError):
    """What the caller sent can't be used; nothing of it was kept.

    Args:
        problems: All that is wrong, at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        super().__init__(f"{self.problems[0]}" + (f" (and {more} more)" if more else ""))


class InvalidEvent(InputError):
    """An event that breaks the schema or the limits."""


class InvalidItem(InputError):
    """An item that breaks the schema or the limits."""


class InvalidArgument(InputError):
    """An argument of a request or a command that can't be used."""

    @classmethod
    def of(cls, value: object, *, field: str, reason: str, cure: str) -> InvalidArgument:
        """The error for one argument."""
        problem = Problem(index=None, field=field, value=shorten(value), reason=reason, cure=cure)
        return cls([problem])


class NotFound(InputError):
    """The named thing does not exist."""

    @classmethod
    def of(cls, value: object, *, field: str, reason: str, cure: str) -> NotFound:
        """The error for one name."""
        problem = Problem(index=None, field=field, value=shorten(value), reason=reason, cure=cure)
        return cls([problem])


class TooLarge(InputError):
    """A body or a list beyond its declared limit."""


class AccessError(HomingError):
    """The caller may not do this; the message never repeats what the caller showed."""


class Unauthenticated(AccessError):
    """No key, or none that is known and still valid."""


class Forbidden(AccessError):
    """The key is known and lacks the scope."""


class SettingsError(HomingError):
    """The service is set up wrongly; the message names the setting."""


class MissingExtra(SettingsError):
    """An optional library is not installed.

    Args:
        what: What needs it, as a user would call it.
        extra: The extra of the `homing` distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a library that is not installed: pip install 'homing[{extra}]'"
        )


class Unavailable(HomingError):
    """A dependency does not answer; asking again later may help."""


class StoreUnavailable(Unavailable):
    """The profile store, the catalogue or the event log can't be read or written."""


class LakeUnavailable(Unavailable):
    """The lake can't be read or written just now."""


class RegistryUnavailable(Unavailable):
    """The model registry does not answer, or has no such version or alias."""


class Overloaded(Unavailable):
    """More is being asked at once than can be answered in time."""


class LakeMissing(HomingError):
    """There is no history where the lake should be."""


class ImportDiffers(HomingError):
    """The lake does not hold what the imported file says; the message gives both."""


class BundleError(HomingError):
    """A model's files do not fit their manifest; the message names the file."""


class ForeignBundle(BundleError):
    """A model's files may be whole, but are of a form that this version of Homing does not read."""


class NotEnoughData(HomingError):
    """Too little history for what was asked; the message says how much is needed."""


class Refused(HomingError):
    """The work is sound but must not go on."""


class AlreadyRunning(Refused):
    """Another process is doing this work already."""


class GateRefused(Refused):
    """The challenger did not beat the champion; the message says by what."""
