"""What every bundle keeps on its way through the disk."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from features.errors import BundleError
from serving.model.bundle import load_bundle
from tests.unit.serving.model.samples import bundle_of

ids = st.lists(st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable()), unique=True)
matrices = arrays.arrays(
    st.sampled_from([np.float32, np.int32, np.int64, np.uint8]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)


@settings(max_examples=25, deadline=None)  # the disk takes its time
@given(ids, matrices)
def test_what_is_saved_is_loaded(
    items: list[str], matrix: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    matrix = np.nan_to_num(matrix)
    saved = bundle_of(items=tuple(items), arrays={"matrix": matrix})
    with TemporaryDirectory() as parent:
        saved.save(Path(parent) / "1")
        loaded = load_bundle(Path(parent) / "1")
        assert loaded.items == saved.items
        assert loaded.arrays["matrix"].dtype == matrix.dtype
        np.testing.assert_array_equal(loaded.arrays["matrix"], matrix)


@settings(max_examples=25, deadline=None)  # the disk takes its time
@given(st.data())
def test_one_changed_byte_in_any_array_is_noticed(data: st.DataObject) -> None:
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "1"
        bundle_of(arrays={"matrix": np.arange(4, dtype=np.int32)}).save(folder)
        path = data.draw(st.sampled_from(sorted(folder.glob("*.npy"))))
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with pytest.raises(BundleError, match=path.name):
            load_bundle(folder)
