"""Settings of what is pulled."""

from __future__ import annotations

from pathlib import Path

from features.settings import Settings


class SyncSettings(Settings):
    """What a sync needs besides.

    Attributes:
        syncs_folder: Folder of TOML files, one for each source that is pulled; those that are
            ready are known without it.
    """

    syncs_folder: Path | None = None
