"""Following the `champion` alias: load beside, verify, swap whole, keep the last for roll-back."""

from __future__ import annotations

import threading

import stamina
import structlog

from features.errors import RegistryUnavailable
from serving.metrics import Metrics
from serving.model.bundle import Bundle, load_bundle
from serving.model.registry import (
    RECOMMENDER,
    LocalVersions,
    ModelRegistry,
    load_version,
    number_of,
)
from serving.model.scoring import open_scorer
from serving.snapshot import Current, LoadedModel

_log = structlog.get_logger(__name__)


def loaded_model(version: str, bundle: Bundle) -> LoadedModel:
    """A version that can score.

    Raises:
        BundleError: Its arrays are not what its algorithm needs.
    """
    name = f"{RECOMMENDER}/{number_of(version)}"
    return LoadedModel(version, name, bundle, open_scorer(bundle))


class _Patience:
    """Looks to let pass before a refused version is tried again: 1, 2, 4 … at most 64."""

    def __init__(self) -> None:
        self._next = 1
        self._left = 1

    def over(self) -> bool:
        """Whether to try now."""
        if self._left > 0:
            self._left -= 1
            return False
        self._next = min(2 * self._next, 64)
        self._left = self._next
        return True


class ModelFollower:
    """Keeps the process on the champion.

    Nothing here runs inside an answer, and nothing here ends an answer: whatever fails, the model
    that serves keeps serving.

    Args:
        registry: Says which version should serve, and brings it.
        local: Versions on local disk.
        current: Where a loaded model is put.
        metrics: Count swaps and refusals.
    """

    def __init__(
        self, registry: ModelRegistry, local: LocalVersions, current: Current, metrics: Metrics
    ) -> None:
        self._registry = registry
        self._local = local
        self._current = current
        self._metrics = metrics
        self._lock = threading.Lock()
        self._refused: str | None = None
        self._patience = _Patience()
        self.registry_up = True

    def load_local(self) -> bool:
        """Start without the registry: from what is loaded, or from the version that served last.

        Whether there was any.
        """
        loaded = self._current.snapshot.model
        if loaded is not None:
            self._note_loaded(loaded)
            return True
        version = self._local.current()
        if version is None:
            return False
        try:
            self._use(version, load_bundle(self._local.folder(version)))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the process starts
            # Dropped, so that the registry's own copy is fetched at the first look.
            self._refuse(version, error)
            self._refused = None
            self._local.discard(version)
            return False
        return True

    def look(self) -> None:
        """Ask for the champion, and load it when it is another one. Never raises."""
        with self._lock:
            try:
                version = self._registry.champion()
            except Exception as error:  # noqa: BLE001 - MLflow raises what it does not declare
                self._note_registry(error)
                return
            self._note_registry(None)
            if version is None or version == self._serving():
                return
            if version != self._refused or self._patience.over():
                self._follow(version)

    def _follow(self, version: str) -> None:
        before = self._current.snapshot.previous
        try:
            if before is not None and before.version == version:
                # Rolled back: the one before is still in memory.
                self._swap(before)
            else:
                self._use(version, self._fetch(version))
        except RegistryUnavailable as error:
            self._note_registry(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the old one serves
            self._refuse(version, error)
        else:
            self._refused = None
            self._settle(version)

    @stamina.retry(on=RegistryUnavailable, attempts=3, timeout=60.0)
    def _fetch(self, version: str) -> Bundle:
        return load_version(self._registry, self._local, version)

    def _use(self, version: str, bundle: Bundle) -> None:
        self._swap(loaded_model(version, bundle))

    def _swap(self, model: LoadedModel) -> None:
        self._current.use_model(model)
        self._note_loaded(model)

    def _note_loaded(self, model: LoadedModel) -> None:
        self._metrics.reloads.inc()
        self._metrics.model_version.set(int(number_of(model.version)))
        _log.info("model loaded", model=model.name, algorithm=model.bundle.manifest.algorithm)

    def _settle(self, version: str) -> None:
        """Start with it next time, and keep no more than it and the one before."""
        previous = self._current.snapshot.previous
        kept = {version} | ({previous.version} if previous is not None else set())
        try:
            self._local.remember(version)
            self._local.keep(kept)
        except OSError as error:
            _log.warning("model not remembered", model=version, error=str(error))

    def _refuse(self, version: str, error: Exception) -> None:
        self._metrics.reload_failures.inc()
        if version != self._refused:
            self._patience = _Patience()
        serving = self._serving()
        _log.error("model refused", model=version, serving=serving, error=str(error))
        self._refused = version

    def _serving(self) -> str | None:
        model = self._current.snapshot.model
        return None if model is None else model.version

    def _note_registry(self, error: Exception | None) -> None:
        up = error is None
        if not up:
            self._metrics.failures.labels("registry").inc()
        if up != self.registry_up:
            say = _log.info if up else _log.warning
            say("registry", up=up, error=None if error is None else str(error))
        self.registry_up = up
        self._metrics.registry_up.set(int(up))
