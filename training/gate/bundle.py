"""Can the bundle serve: is it whole, of a sane size, and without a trace of customers?"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from features.errors import BundleError
from serving.model.bundle import Bundle, check_bundle
from serving.model.scoring import open_scorer
from training.checks import check
from training.reports import Check

MAX_BYTES: Final = 4 << 30
"""Of all arrays: what a scorer of the embedded size can map beside its stores."""
MAX_SHARE: Final = 0.5
"""Of all popularity that one item may hold: above it the slates that fill up are one item's."""
CUSTOMER_KEY: Final = re.compile(r"ck_[0-9a-f]{32}")
"""How customer keys look (`features.identity`)."""


def check_sound(bundle: Bundle) -> Check:
    """Arrays are finite and fit the items, and the scorer opens."""
    try:
        check_bundle(bundle)
        open_scorer(bundle)
    except BundleError as error:
        return check("sound", passed=False, found=f"the bundle can't serve: {error}")
    except (ValueError, ArithmeticError, LookupError) as error:
        # A scorer trusts what is checksummed; what was just fitted may be anything.
        found = f"the bundle can't serve: {type(error).__name__}: {error}"
        return check("sound", passed=False, found=found)
    return check("sound", passed=True, found="finite, in shape, opens as a scorer")


def check_size(bundle: Bundle) -> Check:
    """It fits into a scorer's memory."""
    total = sum(array.nbytes for array in bundle.arrays.values())
    return check(
        "size",
        passed=total <= MAX_BYTES,
        found=f"{total:,} bytes of arrays for {len(bundle.items):,} items",
        cure=f"at most {MAX_BYTES:,} can be served: fewer factors or neighbours",
        evidence={"bytes": total, "at_most": MAX_BYTES},
    )


def check_no_customers(bundle: Bundle) -> Check:
    """No customer key is in it, and no array has a row a customer."""
    manifest = bundle.manifest
    texts = [*bundle.items, *manifest.params, *map(str, manifest.params.values()), *bundle.arrays]
    keys = sum(CUSTOMER_KEY.search(text) is not None for text in texts)
    customers = manifest.data.customers
    rows = [
        name
        for name, array in bundle.arrays.items()
        if array.ndim > 1 and customers in array.shape and customers != manifest.items
    ]
    found = "none" if not keys and not rows else f"{keys} customer keys"
    if rows:
        found = f"array {rows[0]} has a row for each of {customers} customers"
    return check(
        "no customers",
        passed=not keys and not rows,
        found=f"customers inside: {found}",
        cure="a bundle holds items only; look at where the ids come from",
        evidence={"keys": keys, "arrays": len(rows)},
    )


def check_popularity(bundle: Bundle) -> Check:
    """Popularity tells items apart, is not negative, and is not all one item's."""
    popularity = bundle.popularity.astype(np.float64)
    total = float(popularity.sum())
    share = float(popularity.max() / total) if total > 0 else float("nan")
    least = float(popularity.min())
    several = len(popularity) > 2  # noqa: PLR2004 - of two items one always holds half
    constant = several and least == popularity.max()
    passed = least >= 0 and total > 0 and not constant and not (several and share > MAX_SHARE)
    what = "the same for all" if constant else f"from {least:g}, {share:.1%} of it one item's"
    return check(
        "popularity",
        passed=passed,
        found=f"popularity of {len(popularity):,} items is {what}",
        cure="look for one item's flood of events, or for a fit that lost its counts",
        evidence={"least": least, "top_share": share, "at_most": MAX_SHARE},
    )


def check_twins(final: Bundle, twin: Bundle) -> Check:
    """What will serve is of the recipe that was judged: same algorithm, parameters and widths."""
    ours, theirs = final.manifest, twin.manifest
    differing = [
        name
        for name, same in (
            ("algorithm", ours.algorithm == theirs.algorithm),
            ("params", ours.params == theirs.params),
            ("weighting", ours.weighting == theirs.weighting),
            ("arrays", _widths(final) == _widths(twin)),
        )
        if not same
    ]
    return check(
        "twins",
        passed=not differing,
        found=f"differs from its judged twin in: {', '.join(differing) or 'nothing'}",
        cure="only what was judged may serve: fit both by one recipe",
    )


def _widths(bundle: Bundle) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Array → dtype, and the lengths of the axes behind the first that do not count items (0)."""
    items = bundle.manifest.items
    return {
        name: (array.dtype.name, tuple(0 if n == items else n for n in array.shape[1:]))
        for name, array in bundle.arrays.items()
    }
