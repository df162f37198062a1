"""What the environment says of sources: `HOMING_WEBHOOK_<NAME>_…`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from features.errors import SettingsError, shorten
from features.event import is_currency

PREFIX: Final = "HOMING_WEBHOOK_"
MOST_SECRETS: Final = 2

_PEM = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----", re.DOTALL)


class Variables:
    """What the environment says of one source.

    Args:
        name: The source's.
        environ: All of the environment.
    """

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.name = name
        self._environ = environ
        self._prefix = PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())

    def variable(self, option: str) -> str:
        """The whole name of one."""
        return f"{self._prefix}_{option}"

    def get(self, option: str) -> str:
        """Its value; empty where it is not set."""
        return self._environ.get(self.variable(option), "").strip()

    def one_of(self, option: str, known: Sequence[str]) -> str:
        """Its value among those that are known; the first where it is not set.

        Raises:
            SettingsError: It is another one.
        """
        value = self.get(option) or known[0]
        if value not in known:
            message = f"{self.variable(option)} is {shorten(value)}: choose {' or '.join(known)}"
            raise SettingsError(message)
        return value

    def currency(self) -> str | None:
        """`CURRENCY`, None where it is not set.

        Raises:
            SettingsError: It is none.
        """
        value = self.get("CURRENCY")
        if value and not is_currency(value):
            message = f"{self.variable('CURRENCY')} is no ISO 4217 code: write one like GBP"
            raise SettingsError(message)
        return value or None

    def secrets(self) -> tuple[str, ...]:
        """One or two; none where the source is not set up.

        Raises:
            SettingsError: The file can't be read, or there are too many, or two ways to give them.
        """
        text, file = self.get("SECRET"), self.get("SECRET_FILE")
        if text and file:
            message = f"{self.variable('SECRET')} and …_FILE are both set: leave one out"
            raise SettingsError(message)
        found = _split(_content(self.variable("SECRET_FILE"), Path(file)), "\n") if file else ()
        found = found or _split(text, "\n,")
        if file and not found:
            message = f"{self.variable('SECRET_FILE')} {file} is empty: write the secret into it"
            raise SettingsError(message)
        if len(found) > MOST_SECRETS:
            message = (
                f"{self.variable('SECRET')} has {len(found)} secrets: give one, or two while it is "
                "being changed; one that has a comma in it belongs into a file"
            )
            raise SettingsError(message)
        return found


def shown(environ: Mapping[str, str]) -> dict[str, str]:
    """What is set of webhooks, as it may be shown: without secrets."""
    return {
        name: "***" if name.endswith("_SECRET") else value
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX)
    }


def _split(text: str, marks: str) -> tuple[str, ...]:
    """The secrets of a text; a key in PEM's form is one, whatever is in it."""
    found = _PEM.findall(text) or re.split(f"[{marks}]", text)
    return tuple(one.strip() for one in found if one.strip())


def _content(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{variable} {path} can't be read: {error.strerror}; see to the mount"
        raise SettingsError(message) from error
    except UnicodeDecodeError as error:
        message = f"{variable} {path} is not UTF-8: write the secret as text"
        raise SettingsError(message) from error
