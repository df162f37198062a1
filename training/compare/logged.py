"""A comparison's page beside the run that made a version, for who looks at MLflow."""

from __future__ import annotations

import msgspec

from features.errors import RegistryUnavailable
from training.compare.page import page
from training.compare.report import Comparison
from training.tracking import Tracking

PAGE = "compare.html"
"""The artifact of a challenger's run: the challenger against what it had to beat."""


def log_page(
    tracking: Tracking, version: tuple[str, str], comparison: Comparison, file: str = PAGE
) -> Comparison:
    """Keep the page with a version's run; the comparison that names it.

    Args:
        tracking: Where.
        version: Registered model and number.
        comparison: What the page tells.
        file: Name of the artifact.

    Raises:
        RegistryUnavailable: MLflow does not answer, or the version has no run.
    """
    run = tracking.version(*version).run_id
    if not run:
        message = f"{'/'.join(version)} has no run in MLflow to keep a page with"
        raise RegistryUnavailable(message)
    with tracking.client() as client:
        client.log_text(run, page(of_nobody(comparison)), file)
    return msgspec.structs.replace(comparison, logged=file)


def of_nobody(comparison: Comparison) -> Comparison:
    """The comparison without its example customers: a registry tells of no single customer."""
    slates = comparison.slates
    if slates is None:
        return comparison
    return msgspec.structs.replace(comparison, slates=msgspec.structs.replace(slates, examples=()))
