"""Versions of registered models: what a registry knows of them, and the few calls that tell it.

A registry is reached in two ways: over HTTP (`mlflow_http`), which needs no library that takes
seconds to import, and through MLflow's own library, which knows all places and all ways in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from features.errors import RegistryUnavailable, shorten

_USERINFO: Final = re.compile(r"//\S*@")
_AUTHORIZATION: Final = re.compile(r"\b(Basic|Bearer) .*")
"""What proves who asks, in what a library says of a header that it refuses."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        number: As people and answers name it.
        registered: When, in milliseconds since 1970.
        run_id: Of the run that made it; "" without one.
        tags: Name → text.
        aliases: That name it now.
    """

    number: str
    registered: int
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()


class Versions(Protocol):
    """The registered models of one registry.

    Each call may block, and raises `RegistryUnavailable` where the registry does not answer or has
    not what was asked for.
    """

    def alias(self, model: str, alias: str) -> str | None:
        """Number of the version that an alias names; None while there is none, or no such model."""
        ...

    def version(self, model: str, number: str) -> Version:
        """One version."""
        ...

    def versions(self, model: str) -> list[Version]:
        """Every version of a model, the newest first; none while there is no such model."""
        ...

    def set_tag(self, model: str, number: str, name: str, text: str) -> None:
        """Give a version a tag, in place of one of that name."""
        ...

    def set_alias(self, model: str, alias: str, number: str) -> None:
        """Let an alias name this version from now on."""
        ...

    def drop_alias(self, model: str, alias: str) -> None:
        """Let an alias name no version any more."""
        ...


def newest_first(versions: list[Version]) -> list[Version]:
    """As `Versions.versions` tells them."""
    return sorted(versions, key=lambda version: int(version.number), reverse=True)


def redacted(url: str) -> str:
    """A URL as a message may show it: without who asks, and options, which may hold a password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2].partition('?')[0]}" if mark else url


def unanswered(url: str, error: Exception | str) -> RegistryUnavailable:
    """The error for a registry that does not answer as it should.

    Args:
        url: Of the registry.
        error: What happened. Of what a library says the first line is told, without the password
            of a URL and without a token in it.
    """
    told = _USERINFO.sub("//", str(error).partition("\n")[0])
    line = shorten(_AUTHORIZATION.sub(r"\1 …", told))
    return RegistryUnavailable(
        f"MLflow at {redacted(url)} does not answer: {line}; "
        "start it, or correct HOMING_TRACKING_URL"
    )


def unknown(url: str, model: str, number: str) -> RegistryUnavailable:
    """The error for a version that a registry does not have."""
    return RegistryUnavailable(
        f"MLflow at {redacted(url)} has no {model}/{number}: choose a version that "
        "`homing train` registered"
    )
