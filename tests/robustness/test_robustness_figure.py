"""The figure of robustness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_tl.errors import SettingError
from ecg_tl.figures import figure_to_image
from ecg_tl.robustness.conditions import Recorder, make_kinds
from ecg_tl.robustness.evaluation import CLEAN, ConditionResult, Robustness
from ecg_tl.robustness.figure import robustness_figure
from ecg_tl.robustness.subjects import Subject
from ecg_tl.signals import LEADS
from ecg_tl.statistics.intervals import Interval


def made_up(
    kinds: list[str] | None = None, names: tuple[str, ...] = ("a", "b"), low: float = 0.6
) -> Robustness:
    chosen, _ = make_kinds(Recorder(LEADS, 100.0, 1000), kinds)
    outcomes = []
    for kind, conditions in [(CLEAN, [(CLEAN, None)])] + [
        (kind.name, [(one.label, one.level) for one in kind.conditions]) for kind in chosen
    ]:
        for number, (label, level) in enumerate(conditions):
            for place, name in enumerate(names):
                score = 0.9 - 0.02 * place - (0.9 - low) * number / 7
                interval = Interval(score, score - 0.03, score + 0.02)
                scores = {"auroc_macro": score, "auroc_classes_scored": 4.0}
                outcomes.append(ConditionResult(name, kind, label, level, None, scores, interval, None, None))
    subjects = tuple(Subject(n, Path(n), None, np.zeros(5), None) for n in names)
    classes = ("A", "B", "C", "D", "E")
    return Robustness(
        subjects, tuple(chosen), tuple(outcomes), "auroc_macro", "ptbxl", "", 498, 480, classes, ()
    )


@pytest.mark.slow
def test_a_panel_a_kind_with_every_checkpoint_and_its_clean_score() -> None:
    result = made_up()
    figure = robustness_figure(result)
    panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == [kind.title for kind in result.kinds]
    assert len({axes.get_ylim() for axes in panels}) == 1
    for axes, kind in zip(panels, result.kinds, strict=True):
        assert axes.get_xlabel() == kind.scale
        assert len(axes.containers) == 2
        clean = {line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"}
        assert {0.9, 0.88} <= clean
        drawn = [container.lines[0] for container in axes.containers]
        colours = {line.get_color() for line in drawn}
        assert len(colours) == 2
        assert np.allclose(drawn[0].get_ydata(), [o.scores["auroc_macro"] for o in result.of("a", kind.name)])
    words = [text.get_text() for text in figure.texts]
    assert any("498 test records, 4 of 5 classes scored" in text for text in words)


@pytest.mark.slow
@pytest.mark.parametrize("names", [("a",), ("without lead_dropout", "with lead_dropout", "$third$")])
@pytest.mark.parametrize("kinds", [["gain"], ["leads_kept", "swap"], None])
def test_no_words_overlap_or_leave_the_sheet(names: tuple[str, ...], kinds: list[str] | None) -> None:
    figure = robustness_figure(made_up(kinds, names))
    figure_to_image(figure)
    width, height = figure.get_size_inches() * figure.dpi
    texts = [text for axes in figure.axes for text in (axes.xaxis.label, *axes.get_xticklabels())]
    texts += [text for axes in figure.axes for text in [axes._left_title]]
    texts += figure.texts + [text for legend in figure.legends for text in legend.get_texts()]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert -0.5 <= box.x0 < box.x1 <= width + 0.5
        assert -0.5 <= box.y0 < box.y1 <= height + 0.5
    for number, box in enumerate(boxes):
        for other in boxes[:number]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            assert apart, (texts[number].get_text(), box, other)


def test_without_intervals_there_are_points_alone() -> None:
    result = made_up(["gain"])
    bare = [ConditionResult(**{**one.__dict__, "interval": None}) for one in result.outcomes]
    figure = robustness_figure(Robustness(**{**result.__dict__, "outcomes": tuple(bare)}))
    assert figure.axes[0].get_ylim()[0] < 0.7


def test_unknown_kinds_have_no_panel() -> None:
    with pytest.raises(SettingError):
        made_up(["nothing"])
