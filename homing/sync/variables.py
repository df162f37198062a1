"""What the environment says of a source that is pulled: `HOMING_SYNC_<NAME>_…`, or a mounted file.

`HOMING_SYNC_SHOP_TOKEN_FILE` names the file that holds what `HOMING_SYNC_SHOP_TOKEN` would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from features.errors import SettingsError

PREFIX: Final = "HOMING_SYNC_"


class Variables:
    """The variables of one source, by the end of their names.

    Args:
        name: The source's.
        environ: Of the process.
    """

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._prefix = PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_"
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


def _content(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{variable} {path} can't be read as text: see to the mount"
        raise SettingsError(message) from error
