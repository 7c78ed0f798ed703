from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ecg_tl import lock
from ecg_tl.lock import exclusive_lock, try_lock

HOLD = (
    "import sys, time; from pathlib import Path; from ecg_tl.lock import try_lock\n"
    "with try_lock(Path(sys.argv[1])) as state:\n    print(state, flush=True); time.sleep(600)\n"
)


def test_a_lock_is_held_once_also_within_a_process(tmp_path: Path) -> None:
    with try_lock(tmp_path / "l") as first, try_lock(tmp_path / "l") as second:
        assert (first, second) == ("held", "busy")
    with try_lock(tmp_path / "l") as again:
        assert again == "held"
    assert (tmp_path / "l").is_file()


def test_a_killed_holder_frees_it_and_whoever_waits_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with try_lock(path) as state:
            assert state == "busy"
        threading.Timer(0.3, holder.kill).start()
        with exclusive_lock(path, "waiting") as held:
            assert held
    finally:
        holder.kill()
        holder.wait()
    assert "waiting" in capfd.readouterr().err


@pytest.mark.parametrize("code", sorted(lock._UNSUPPORTED))
def test_where_there_are_no_locks_work_goes_on_and_no_file_is_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    for _ in range(2):
        with try_lock(tmp_path / "l") as state, exclusive_lock(tmp_path / "l", "waiting") as held:
            assert (state, held) == ("unsupported", False)


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), try_lock(tmp_path / "file" / "l"):
        pass
