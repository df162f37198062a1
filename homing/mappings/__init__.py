"""Mappings that come with Homing: for its demo, and as examples to begin from."""

from __future__ import annotations

from importlib.resources import files

from features.mapping import FileMapping, parse_mapping

NAMES = (
    "complete-journey-campaigns",
    "complete-journey-purchases",
    "complete-journey-redemptions",
    "online-retail-2",
)


def packaged(name: str) -> FileMapping:
    """One of `NAMES`.

    Raises:
        InvalidArgument: It is not a mapping.
        OSError: There is none of that name.
    """
    file = f"{name}.toml"
    return parse_mapping(files(__name__).joinpath(file).read_text(encoding="utf-8"), file)
