from __future__ import annotations

import numpy as np
import pytest

from ecg_tl.store.parts import RowParts

WHOLE = np.arange(9 * 2 * 3, dtype=np.int16).reshape(9, 2, 3)
PARTS = RowParts([WHOLE[:4], WHOLE[4:4], WHOLE[4:5], WHOLE[5:]])


@pytest.mark.parametrize(
    "key",
    [
        0,
        np.int64(4),
        -1,
        slice(2, 7),
        slice(None, None, -2),
        np.array([8, 0, 4, 4, -9]),
        [3, 5],
        np.array([], dtype=np.int64),
        WHOLE[:, 0, 0] % 4 == 0,
        (np.array([5, 1]), slice(None), slice(0, 2)),
        (7, 1),
        (slice(3, 6), 0, slice(1, None)),
    ],
    ids=str,
)
def test_parts_are_read_as_the_whole(key: object) -> None:
    found = PARTS[key]
    np.testing.assert_array_equal(found, WHOLE[key])  # type: ignore[index]
    assert found.dtype == WHOLE.dtype


def test_parts_become_the_whole_array() -> None:
    np.testing.assert_array_equal(np.array(PARTS), WHOLE)
    assert (len(PARTS), PARTS.shape, PARTS.dtype) == (9, (9, 2, 3), WHOLE.dtype)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(PARTS, copy=False)


@pytest.mark.parametrize("key", [9, -10, np.array([0, 9])])
def test_a_row_that_is_not_there_is_an_error(key: object) -> None:
    with pytest.raises(IndexError):
        PARTS[key]
