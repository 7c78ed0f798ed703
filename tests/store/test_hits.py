"""What waits for a second landmark comes back by rows, from memory or a file; no room for it is told."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import StoreError
from ecg_tl.store import hits
from ecg_tl.store.hits import HitSpool, hits_of

RECORDS = 20


@given(
    additions=st.lists(st.lists(st.integers(0, RECORDS - 1), max_size=30), max_size=8),
    at_once=st.integers(1, RECORDS + 3),
    in_memory=st.sampled_from([1, 200, 2**20]),
)
@settings(max_examples=50, deadline=None)
def test_all_come_back_by_rows_in_the_order_they_came(
    additions: list[list[int]], at_once: int, in_memory: int
) -> None:
    number = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hits, "_IN_MEMORY", in_memory)
        spool = HitSpool(RECORDS, at_once)
    with spool:
        for rows in additions:
            one = np.array(rows, dtype=np.int32)
            landmark = np.arange(number, number + len(rows))
            spool.add(hits_of(one, one + 1, one / np.float32(4), landmark))
            number += len(rows)
        ranges = list(spool.by_rows())
    for begin, found in enumerate(ranges):
        assert np.isin(found["one"], np.arange(begin * at_once, (begin + 1) * at_once)).all()
        for row in np.unique(found["one"]):
            assert (np.diff(found["landmark"][found["one"] == row]) > 0).all()
    together = np.concatenate(ranges)
    assert sorted(together["landmark"].tolist()) == list(range(number))
    given = np.concatenate([np.zeros(0, int), *additions]).astype(int)
    assert (together["one"] == given[together["landmark"]]).all()
    assert (together["other"] == together["one"] + 1).all()
    assert (together["lag"] == together["one"] / 4).all()


def test_no_room_for_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hits, "_IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    some = hits_of(np.arange(5), np.arange(5), np.zeros(5), np.arange(5))
    with HitSpool(RECORDS, 4) as spool, pytest.raises(StoreError, match=r"gone.*room.*TMPDIR"):
        spool.add(some)
