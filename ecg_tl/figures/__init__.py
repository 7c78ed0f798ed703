"""Pictures: ECGs on millimetre paper, what a network found and looked at, and (`scores`) how good it is."""

from ecg_tl.figures.ecg import ecg_figure
from ecg_tl.figures.finding import Decision, finding_figure
from ecg_tl.figures.images import check_figure_path, figure_to_image, save_figure

__all__ = [
    "Decision",
    "check_figure_path",
    "ecg_figure",
    "figure_to_image",
    "finding_figure",
    "save_figure",
]
