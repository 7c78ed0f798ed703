"""Python processes that tests start: what they can import."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parent


def importing(folder: Path) -> dict[str, str]:
    """This environment, for a process that imports what a test in `folder` can."""
    earlier = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS), *filter(None, [earlier])])}
