"""A campaign out of a file: one row a customer, a column for the arm, one for the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features.errors import InvalidArgument, NotEnoughData
from training.uplift.campaign import Campaign, check_randomised

Floats = NDArray[np.float64]

MAX_ROWS: Final = 5_000_000
MAX_COLUMNS: Final = 200
MAX_ARMS: Final = 10
MAX_VALUES: Final = 50
"""Different texts in a column from which on it names customers rather than kinds of them."""
FEWEST: Final = 100
"""Customers in each arm at least."""
CONTROLS: Final = frozenset(
    {"control", "holdout", "no e-mail", "no email", "no mail", "nobody", "none"}
)
"""What a control is taken to be called when nobody says, in lower case."""


def read_campaign(
    path: Path, *, arm: str, outcome: str, control: str | None = None, ignore: Sequence[str] = ()
) -> Campaign:
    """Read and check a campaign.

    Args:
        path: Parquet (`.parquet`, `.pq`), else CSV with a header.
        arm: The column that says what a customer got.
        outcome: The column of numbers that says what came of it.
        control: The arm that got nothing; without it, the one that is called so.
        ignore: Columns that are no features: other outcomes, ids.

    Returns:
        The campaign. Every other column is a feature: numbers as they are, text as one column of 0
        and 1 for each value. Columns that tell nothing, and texts of too many values, are left out.

    Raises:
        InvalidArgument: The file can't be read, or a column can't be what it is said to be.
        NotEnoughData: An arm has too few customers.
    """
    table = _read(path)
    for name in (arm, outcome, *ignore):
        if name not in table.column_names:
            cure = f"choose among {', '.join(table.column_names)}"
            raise InvalidArgument.of(name, field="column", reason="not in the file", cure=cure)
    arms, codes = _arms(table.column(arm), arm, control)
    names: list[str] = []
    columns: list[Floats] = []
    left_out: dict[str, str] = {}
    for name in table.column_names:
        if name in (arm, outcome, *ignore):
            continue
        encoded = dict(_encoded(name, table.column(name)))
        names += encoded
        columns += encoded.values()
        if not encoded:
            left_out[name] = "always the same, or no number and no text of few values"
    campaign = Campaign(
        names=names,
        features=_stacked(columns),
        arms=arms,
        arm=codes,
        outcome=_numbers(table.column(outcome), outcome),
        measure=outcome,
        left_out=left_out,
    )
    check_randomised(campaign)
    return campaign


def _read(path: Path) -> pa.Table:
    try:
        kind = path.suffix in (".parquet", ".pq")
        table = pq.read_table(path) if kind else pa_csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        said = str(error).partition("\n")[0]
        cure = "give a CSV file with a header, or a Parquet file"
        raise InvalidArgument.of(str(path), field="file", reason=said, cure=cure) from error
    if table.num_rows > MAX_ROWS or table.num_columns > MAX_COLUMNS:
        size = f"{table.num_rows:,} rows, {table.num_columns:,} columns"
        reason = f"more than {MAX_ROWS:,} rows or {MAX_COLUMNS} columns"
        raise InvalidArgument.of(size, field="file", reason=reason, cure="give a part of it")
    return table


def _arms(
    column: pa.ChunkedArray, name: str, control: str | None
) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the arms, the control first, and the place of each row's."""
    if column.null_count:
        reason = f"{column.null_count:,} rows have no arm"
        raise InvalidArgument.of(name, field="arm", reason=reason, cure="leave those rows out")
    text = pc.cast(column, pa.string())
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(text).to_pylist()}
    if not 1 < len(counts) <= MAX_ARMS:
        reason = f"{len(counts)} different arms"
        cure = f"give a column of 2 to {MAX_ARMS}"
        raise InvalidArgument.of(name, field="arm", reason=reason, cure=cure)
    first = _control(list(counts), control)
    fewest = min(counts, key=counts.__getitem__)
    if counts[fewest] < FEWEST:
        message = f"arm {fewest!r} has {counts[fewest]} customers: {FEWEST} are needed in each"
        raise NotEnoughData(message)
    arms = [first, *sorted(set(counts) - {first})]
    return arms, np.asarray(pc.index_in(text, pa.array(arms)).to_numpy(), dtype=np.int64)


def _control(arms: Sequence[str], control: str | None) -> str:
    found = [
        one for one in arms if (one.lower() in CONTROLS if control is None else one == control)
    ]
    if len(found) != 1:
        reason = "no arm of this file" if control else "can't tell which arm got nothing"
        cure = f"name it with --control: one of {', '.join(sorted(arms))}"
        raise InvalidArgument.of(control, field="control", reason=reason, cure=cure)
    return found[0]


def _encoded(name: str, column: pa.ChunkedArray) -> Iterator[tuple[str, Floats]]:
    """The feature columns of a file's column; none where it tells nothing that can be used."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        if len(np.unique(values[np.isfinite(values)])) > 1:
            yield name, values
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        seen = sorted(pc.unique(column.drop_null()).to_pylist())
        if 1 < len(seen) <= MAX_VALUES:
            for value in seen:
                equal = pc.fill_null(pc.equal(column, value), fill_value=False)
                yield f"{name}={value}", np.asarray(equal.to_numpy(), dtype=np.float64)


def _stacked(columns: Sequence[Floats]) -> Floats:
    if not columns:
        reason, cure = "no column is left as a feature", "give what was known before the mail"
        raise InvalidArgument.of(0, field="features", reason=reason, cure=cure)
    return np.column_stack(columns)


def _numbers(column: pa.ChunkedArray, name: str) -> Floats:
    try:
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        cure = "give a column of numbers, like 0 and 1, or money"
        raise InvalidArgument.of(name, field="outcome", reason="not numbers", cure=cure) from error
    if not np.isfinite(values).all():
        cure = "write 0 where nothing came of it, and leave out who can't be told"
        reason = f"{int((~np.isfinite(values)).sum()):,} rows have no number"
        raise InvalidArgument.of(name, field="outcome", reason=reason, cure=cure)
    return values
