"""What a process answers from: a model, a catalogue and blocks, seen whole or not at all.

Readers take `Current.snapshot` once per answer and see no change until the next. Writers build the
new snapshot beside and put it there in one assignment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from features.item import Item
from serving.catalogue import CatalogueCopy
from serving.model.bundle import Bundle
from serving.model.scoring import Scorer
from serving.ranking.blocks import Block
from serving.ranking.bundle_view import bundle_view
from serving.ranking.overrides import NO_OVERRIDES, Overrides
from serving.ranking.view import ItemView


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that was verified and can score.

    Attributes:
        version: As `serving.model.registry` names the registered version.
        name: For people and answers, like `recommender/12`.
        bundle: Its data.
        scorer: Its verb.
    """

    version: str
    name: str
    bundle: Bundle
    scorer: Scorer


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that an answer is made from, besides the profile.

    Attributes:
        blocks: By name.
        model: None until one was loaded.
        catalogue: None until one was read.
        view: The model's items in the catalogue; None without a model.
        previous: The model before, for roll-back.
        overrides: What persons decided about items.
    """

    blocks: Mapping[str, Block] = field(default_factory=dict)
    model: LoadedModel | None = None
    catalogue: CatalogueCopy | None = None
    view: ItemView | None = None
    previous: LoadedModel | None = None
    overrides: Overrides = NO_OVERRIDES


class Current:
    """Holds the snapshot of a process.

    Args:
        blocks: The first ones, by name.
        before: Sees every new snapshot before an answer is made from it, to warm it up.

    Attributes:
        snapshot: The one to answer from; read it once per answer.
    """

    def __init__(
        self,
        blocks: Mapping[str, Block] | None = None,
        before: Callable[[Snapshot], object] | None = None,
    ) -> None:
        self.snapshot = Snapshot(blocks={} if blocks is None else blocks)
        self._before = before
        self._writing = threading.Lock()

    def use_model(self, model: LoadedModel) -> None:
        """Answer with this model from now on, and keep the one before."""
        with self._writing:
            now = self.snapshot
            view = _view(model, now.catalogue)
            self._use(replace(now, model=model, view=view, previous=now.model))

    def use_catalogue(self, copy: CatalogueCopy) -> None:
        """Answer with this catalogue from now on."""
        with self._writing:
            now = self.snapshot
            if now.catalogue is not None and now.catalogue.is_like(copy):
                # The views stay, and with them the memory that workers share.
                known = replace(now.catalogue, version=copy.version)
                self.snapshot = replace(now, catalogue=known)
                return
            self._use(replace(now, catalogue=copy, view=_view(now.model, copy)))

    def use_blocks(self, blocks: Mapping[str, Block]) -> None:
        """Answer by these blocks from now on."""
        with self._writing:
            self._use(replace(self.snapshot, blocks=blocks))

    def use_overrides(self, overrides: Overrides) -> None:
        """Obey these overrides from now on."""
        with self._writing:
            # Not warmed up: nothing that answers are made from has changed.
            self.snapshot = replace(self.snapshot, overrides=overrides)

    def put_items(self, items: Iterable[Item]) -> None:
        """Show these items at once, before the catalogue is read again."""
        with self._writing:
            now = self.snapshot
            if now.catalogue is not None:
                copy = now.catalogue.with_items(items)
                # Not warmed up: it is wanted now, and nearly all of it is in use.
                self.snapshot = replace(now, catalogue=copy, view=_view(now.model, copy))

    def _use(self, snapshot: Snapshot) -> None:
        if self._before is not None:
            self._before(snapshot)
        self.snapshot = snapshot


def _view(model: LoadedModel | None, catalogue: CatalogueCopy | None) -> ItemView | None:
    if model is None:
        return None
    # Without a catalogue nothing can be drawn, so nothing is available.
    items = {} if catalogue is None else catalogue.items
    return bundle_view(model.bundle, items)
