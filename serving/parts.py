"""What a service is made of; `serving.bootstrap` puts it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from features.clock import Clock
from features.sources.opening import Opened
from features.stores.opening import Stores
from features.stores.ports import EventLog
from serving.blocks_file import BlocksFollower
from serving.breaker import Breaker
from serving.exposures import Exposures
from serving.keys import KeyFile
from serving.metrics import Metrics
from serving.overrides import OverrideFollower
from serving.readiness import Readiness
from serving.refresh import CatalogueFollower
from serving.reload import ModelFollower
from serving.settings import ServeSettings
from serving.snapshot import Current


@dataclass(frozen=True, eq=False)
class Parts:
    """What a service is made of.

    Attributes:
        settings: Limits and deadlines.
        stores: Profiles, catalogue and pins.
        log: Where events become durable.
        sources: Who may push, by name.
        exposures: Record what was shown.
        current: The snapshot that answers are made from.
        breaker: Of the stores.
        catalogue: Follows the catalogue.
        model: Follows the champion.
        overrides: Follows what persons decided about items.
        blocks_file: Follows the file of blocks.
        readiness: Whether the process should be sent requests.
        keys: Who may ask.
        clock: Tells the time.
        metrics: Count.
    """

    settings: ServeSettings
    stores: Stores
    log: EventLog
    sources: Mapping[str, Opened]
    exposures: Exposures
    current: Current
    breaker: Breaker
    catalogue: CatalogueFollower
    model: ModelFollower
    overrides: OverrideFollower
    blocks_file: BlocksFollower
    readiness: Readiness
    keys: KeyFile
    clock: Clock
    metrics: Metrics
