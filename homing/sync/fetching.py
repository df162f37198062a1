"""Fetching by dlt: what is new at the source, as Parquet files of flat rows.

dlt keeps the cursor with what was fetched up to it: rows and state are one package, and a package
that was not loaded yet is loaded by the next run. So a fetch that is killed goes on where its last
package ended. All of it is in a folder of the source's own; dlt sends no telemetry, and reads no
configuration but what it is given here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

# Read when dlt is imported first, and when a pipeline begins.
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # its logs repeat what was asked; what failed is told by us
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}

import dlt
import msgspec
from dlt.common.exceptions import DltException
from dlt.destinations import filesystem
from dlt.extract import DltResource

from features.errors import Unavailable
from features.identity import CustomerKeys
from homing.sync.declared import Rows
from homing.sync.flat import Fetched, Flattener, Row, columns_of

TABLE: Final = "rows"
SOURCE: Final = "pulled"
DATASET: Final = "fetched"


class Opened(NamedTuple):
    """A source that can be asked.

    Attributes:
        resource: Gives its records from the cursor on; anew for every package.
        pages: How many pages make a package, where records come in the order of the cursor; None
            for all in one.
    """

    resource: Callable[[], DltResource]
    pages: int | None


class Fetcher:
    """A dlt pipeline for one source.

    Args:
        name: The source's.
        folder: Its own; dlt's state and what it fetched are kept there.
    """

    def __init__(self, name: str, folder: Path) -> None:
        # Where dlt would look for files of configuration, and keep what it knows of this machine.
        for variable in ("DLT_PROJECT_DIR", "DLT_DATA_DIR", "DLT_LOCAL_DIR"):
            os.environ[variable] = str(folder.absolute())
        self._name = name
        self._staged = folder.absolute() / "staged"
        self._work = folder.absolute() / "pipeline"
        self._pipeline = dlt.pipeline(
            pipeline_name=SOURCE,
            pipelines_dir=str(self._work),
            destination=filesystem(bucket_url=self._staged.as_uri()),
            dataset_name=DATASET,
        )

    def fetch(self, opened: Opened, rows: Rows, keys: CustomerKeys) -> Iterator[Fetched]:
        """Fetch what is new; gives what was ever fetched, after each package.

        Args:
            opened: The source.
            rows: How its records become rows.
            keys: Makes the customer keys.

        Raises:
            Unavailable: The source, or the disk, failed; what was fetched is kept.
        """
        if self._pipeline.has_pending_data:
            self._run(None)
            yield self.fetched()
        before: object = self
        while True:
            limited = None if before == self.cursor() else opened.pages
            before = self.cursor()
            resource = opened.resource()
            resource = resource if limited is None else resource.add_limit(limited)
            self._run(_source(resource, rows, Flattener(rows, keys)))
            yield self.fetched()
            # The last has no limit: more records than a package takes may have the same cursor.
            if limited is None:
                return

    def fetched(self) -> Fetched:
        """What was ever fetched."""
        kept = self._resources().get(TABLE, {}).get("fetched", {})
        return msgspec.convert(kept, Fetched)

    def cursor(self) -> object:
        """The cursor's last value; None before the first record."""
        for kept in self._resources().values():
            for one in kept.get("incremental", {}).values():
                return one["last_value"]
        return None

    def files(self) -> list[Path]:
        """The files of rows that were fetched and not yet dropped."""
        return sorted((self._staged / DATASET / TABLE).glob("*.parquet"))

    def tidy(self) -> None:
        """Drop what dlt keeps of packages that are loaded."""
        shutil.rmtree(self._work / SOURCE / "load" / "loaded", ignore_errors=True)

    def _resources(self) -> Mapping[str, Any]:
        sources: Mapping[str, Any] = self._pipeline.state.get("sources", {})
        found: Mapping[str, Any] = sources.get(SOURCE, {}).get("resources", {})
        return found

    def _run(self, data: Any) -> None:  # noqa: ANN401 - dlt's own
        try:
            self._pipeline.run(data, loader_file_format="parquet")
        except (DltException, OSError) as error:
            message = (
                f"the source {self._name} could not be fetched: {_cause(error)}; what came before "
                "is kept, and the next `homing sync` goes on there"
            )
            raise Unavailable(message) from error


def _source(resource: DltResource, rows: Rows, flattener: Flattener) -> Any:  # noqa: ANN401 - dlt's own
    """The rows of a resource, as dlt wants them."""
    hints: Any = {
        name: {"data_type": "double" if is_number else "text", "nullable": True}
        for name, is_number in columns_of(rows).items()
    }

    def flat(page: Any) -> Iterator[list[Row]]:  # noqa: ANN401 - dlt's own
        state = dlt.current.resource_state()
        fetched = msgspec.convert(state.get("fetched", {}), Fetched)
        made = fetched.add(page if isinstance(page, list) else [page], flattener)
        state["fetched"] = msgspec.to_builtins(fetched)
        yield made

    transformer = dlt.transformer(
        flat, data_from=resource, name=TABLE, columns=hints, write_disposition="append"
    )
    resource.selected = False

    def pulled() -> Any:  # noqa: ANN401 - dlt's own
        return resource, transformer

    return dlt.source(pulled, name=SOURCE)()


def _cause(error: BaseException) -> str:
    """What is at the bottom of an error; a message may repeat records or secrets."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    response = getattr(error, "response", None)
    status = "" if response is None else f" {response.status_code}"
    return f"{type(error).__name__}{status}"
