"""Following the catalogue: read it again when it changes, and keep a copy on local disk."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import structlog

from features.errors import HomingError
from features.item import Item
from features.stores.opening import Stores
from serving.breaker import Breaker
from serving.catalogue import CatalogueCopy, read_catalogue
from serving.local_catalogue import LocalCatalogue
from serving.metrics import Metrics
from serving.snapshot import Current

_log = structlog.get_logger(__name__)


class CatalogueFollower:
    """Keeps the process on the newest catalogue, and tells whether the store answers.

    Args:
        stores: Whose catalogue is read.
        current: Where a copy is put.
        breaker: Closed again when the store answers.
        local: Copies on local disk, shared with other workers.
        metrics: Say whether the store is up.
    """

    def __init__(
        self,
        stores: Stores,
        current: Current,
        breaker: Breaker,
        local: LocalCatalogue,
        metrics: Metrics,
    ) -> None:
        self._stores = stores
        self._current = current
        self._breaker = breaker
        self._local = local
        self._metrics = metrics
        self.store_up = True
        self._emptied = False
        # A copy that was read before a change must not replace one that shows the change.
        self._changing = threading.Lock()

    def load_local(self) -> bool:
        """Start from the copy on local disk, or one that is loaded; whether there was one."""
        copy = self._current.snapshot.catalogue
        if copy is None:
            copy = self._local.load()
            if copy is None:
                return False
            self._current.use_catalogue(copy)
        self._metrics.catalogue_items.set(len(copy.items))
        return True

    def look(self) -> None:
        """Read the catalogue again if it changed. Never raises."""
        try:
            self._stores.profiles.ping()
            self._read()
        except HomingError as error:
            self._note(error)
        except Exception as error:  # noqa: BLE001 - the answering must go on whatever a store raises
            self._metrics.internal.inc()
            self._note(error)
        else:
            self._note(None)
            self._breaker.succeeded()

    def put(self, items: Sequence[Item]) -> int:
        """Add or replace items in the catalogue and, at once, in what this process answers from.

        Raises:
            StoreUnavailable: The catalogue can't be written.
        """
        with self._changing:
            kept = self._stores.catalogue.put_many(items)
            self._current.put_items(items)
        return kept

    def _read(self) -> None:
        copy = self._current.snapshot.catalogue
        if copy is not None and copy.version == self._stores.catalogue.version():
            return
        # Workers without a catalogue have nothing better to do than to wait for who reads it.
        with self._changing, self._local.turn(wait=copy is None) as mine:
            if mine:
                self._use(self._newest())

    def _use(self, copy: CatalogueCopy) -> None:
        known = self._current.snapshot.catalogue
        # Items are never taken out: a catalogue without any has lost them, and will be filled soon.
        emptied = known is not None and len(known.items) > 0 and len(copy.items) == 0
        if emptied and not self._emptied:
            _log.error("the catalogue is empty, keeping the copy of it: send the items again")
        self._emptied = emptied
        if not emptied:
            self._current.use_catalogue(copy)
            self._metrics.catalogue_items.set(len(copy.items))

    def _newest(self) -> CatalogueCopy:
        """As another worker has left it, or else from the store."""
        shared = self._local.shared(self._stores.catalogue.version())
        if shared is not None:
            return shared
        copy = read_catalogue(self._stores.catalogue)
        if len(copy.items):
            copy = self._local.keep(copy)
        _give_back()
        return copy

    def _note(self, error: Exception | None) -> None:
        up = error is None
        if not up:
            self._metrics.failures.labels("store").inc()
        if up != self.store_up:
            say = _log.info if up else _log.warning
            say("store", up=up, error=None if error is None else str(error))
        self.store_up = up
        self._metrics.store_up.set(int(up))


def _give_back() -> None:
    """Give the memory that reading took back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
