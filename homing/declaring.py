"""What files that declare outside sources share: where they are, and variables for their secrets.

A variable is `HOMING_SYNC_<NAME>_…` or `HOMING_FOLLOW_<NAME>_…`; `HOMING_SYNC_SHOP_TOKEN_FILE`
names the mounted file that holds what `HOMING_SYNC_SHOP_TOKEN` would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from features.errors import InvalidArgument, SettingsError
from features.toml_tables import refused

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


class Variables:
    """The variables of one source, by the end of their names.

    Args:
        prefix: What the names of all begin with, like `HOMING_SYNC_`.
        name: The source's.
        environ: Of the process.
    """

    def __init__(self, prefix: str, name: str, environ: Mapping[str, str]) -> None:
        self._prefix = prefix + re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_"
        self._environ = environ

    def get(self, key: str) -> str:
        """The value of one.

        Raises:
            SettingsError: It is not set, twice, or its file can't be read; no value is shown.
        """
        variable = self._prefix + key
        value, file = (self._environ.get(one, "").strip() for one in (variable, f"{variable}_FILE"))
        if value and file:
            message = f"{variable} and {variable}_FILE are both set: leave one out"
            raise SettingsError(message)
        if file:
            value = _content(f"{variable}_FILE", Path(file))
        if not value:
            message = f"{variable} is not set: set it, or {variable}_FILE to a mounted file"
            raise SettingsError(message)
        return value


def filled(given: object, value_of: Callable[[str], str]) -> object:
    """A value of a file, with variables in the places of all texts that name them.

    Args:
        given: Text, or tables and lists of it.
        value_of: Name of a variable → its value.
    """
    if isinstance(given, str):
        return _VARIABLE.sub(lambda found: value_of(found[1]), given)
    if isinstance(given, dict):
        return {key: filled(value, value_of) for key, value in given.items()}
    if isinstance(given, list | tuple):
        return [filled(value, value_of) for value in given]
    return given


def check_source_name(name: str, file: str) -> None:
    """Return if a source may be called so.

    Args:
        name: The source's.
        file: Where it stands, for the message.

    Raises:
        InvalidArgument: It may not.
    """
    if _NAME.fullmatch(name) is None:
        raise refused(file, "name", name, "not a usable name", "use a-z, 0-9, - and _")


def find_file(name: str, places: Sequence[Path], setting: str) -> Path:
    """The file that declares the source of that name, in the first folder that has one.

    Args:
        name: The source's.
        places: Folders.
        setting: The variable that names the folder of the shop's own, for the message.

    Raises:
        InvalidArgument: There is none.
    """
    for place in places:
        path = place / f"{name}.toml"
        if _NAME.fullmatch(name) is not None and path.is_file():
            return path
    known = sorted({path.stem for place in places for path in place.glob("*.toml")})
    choices = f"choose {', '.join(known)}, or " if known else ""
    cure = f"{choices}describe it in {setting}"
    raise InvalidArgument.of(name, field="name", reason="no such source", cure=cure)


def _content(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{variable} {path} can't be read as text: see to the mount"
        raise SettingsError(message) from error
