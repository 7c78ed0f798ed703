"""A script that prepares a store without `if __name__ == "__main__"`: its workers run it once more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PREPARE = """
from pathlib import Path
import ecg_tl.store.parallel as parallel
from ecg_tl.cli import main
parallel.SERIAL_BELOW = 0  # worker processes even for so few records
{call}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "worked"),
    [
        ("raise SystemExit(main(['data', 'prepare', 'ptbxl', *{words!r}]))", False),
        ("main(['data', 'prepare', 'ptbxl', *{words!r}])", True),  # the status of the workers' calls is lost
    ],
    ids=["status passed on", "status ignored"],
)
def test_it_ends_and_says_what_to_do(call: str, worked: bool, ptbxl_root: Path, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    words = ["--root", str(ptbxl_root), "--store_dir", str(stores), "--workers", "2"]
    script = tmp_path / "script.py"
    script.write_text(PREPARE.format(call=call.format(words=words)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode == 0) == worked
    assert "below `if __name__ == '__main__':`" in done.stderr
    assert "Traceback" not in done.stderr
    assert bool(list(stores.glob("ptbxl-*"))) == worked
    assert not list(stores.glob(".*partial*"))
