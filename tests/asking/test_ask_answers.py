"""A short run of `benchmarks/ask_answers.py`: right where fine-tuning helps or hurts, never the opposite."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from ask_answers import TRUTHS, counts, simulate

from ecg_tl.asking.designs import LADDER
from ecg_tl.study.report.first_page import first_page


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS)
def test_the_answer_is_right_and_never_the_opposite(truth: str) -> None:
    counted = counts(TRUTHS[truth], LADDER[1], 800, 4, np.random.default_rng(5))
    assert counted["right"] >= 3
    assert counted["held"] >= 3
    if TRUTHS[
        truth
    ].gain:  # where nothing differs a false alarm is allowed, and rare: a test of four cannot tell
        assert not counted["wrong"]


def test_the_first_page_says_what_to_use_by_how_much_how_sure_and_what_would_help() -> None:
    page = list(first_page(simulate(LADDER[0], TRUTHS["helps"], 800, np.random.default_rng(6)).findings))
    text = "\n".join(page)
    for heading in ("What to use", "By how much", "How sure", "Why", "Surer"):
        assert sum(heading in line for line in page) == 1
    assert "Fine-tune resnet1d18 from up with full." in text or "Validation scores prefer" in text
    assert "It holds for this split and this one training of up." in text
