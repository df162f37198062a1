"""Settings of what is followed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from features.settings import Settings


class FollowSettings(Settings):
    """What following a feed needs besides.

    Attributes:
        follows_folder: Folder of TOML files, one for each feed.
        follow_host: Address on which it answers `/metrics`.
        follow_port: Port on which it does; 0 for none.
    """

    follows_folder: Path | None = None
    follow_host: str = "127.0.0.1"
    follow_port: int = Field(default=0, ge=0, le=65_535)
