"""History from files: `homing import FILE --mapping M.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.clock import Clock
from features.identity import CustomerKeys
from features.lake import Lake
from features.stores.ports import Catalogue, ProfileStore

Progress = Callable[[int, int], None]
"""Told how much is done of how much."""


@dataclass(frozen=True)
class Destination:
    """Where an import goes: the lake, and the stores that shall know of it at once."""

    lake: Lake
    profiles: ProfileStore | None = None
    catalogue: Catalogue | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    rows: int
    accepted: int
    rejected: Mapping[str, int]
    inserted: int
    already_there: int
    items: int
    items_rejected: Mapping[str, int]
    customers: int
    checksum: str
    version: int | None


def load_mapping(path: Path) -> Any:  # noqa: ANN401 - stub
    """The mapping that a TOML file holds."""
    raise NotImplementedError


def packaged_mapping(name: str) -> Any:  # noqa: ANN401 - stub
    """A mapping of `homing/mappings`."""
    raise NotImplementedError


def import_file(
    path: Path,
    mapping: Any,  # noqa: ANN401 - stub
    into: Destination,
    keys: CustomerKeys,
    clock: Clock,
    progress: Progress | None = None,
) -> ImportReport:
    """Read a file into the lake, the profiles and the catalogue."""
    raise NotImplementedError
