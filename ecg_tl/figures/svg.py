"""Figures as small SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ecg_tl.figures.theme import FONTS, light, variables

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
POINTS_PER_INCH = 72.0  # matplotlib writes SVG in points; a point here is a pixel of the page

_NUMBER = re.compile(r"-?\d+\.\d+")
_NO_ROTATION = re.compile(r"\s*rotate\(-?0 [^)]*\)")
_SETTINGS: dict[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecg_tl",
    "font.family": ["sans-serif"],
    "font.sans-serif": list(FONTS),
    "font.size": 12.0,
    "text.parse_math": False,  # names of classes may hold dollar signs
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: Of the figure, used in ids and file names.
        title: What it shows, as a caption's first words.
        caption: How to read it.
        description: What a reader who cannot see it is told.
        wide: For screens and paper, as SVG, in pieces that fit a printed page.
        narrow: For phones; empty if `wide` fits them.
        legend: Pairs of a colour's role and a marker's name with what they stand for.
    """

    name: str
    title: str
    caption: str
    description: str
    wide: tuple[Markup, ...]
    narrow: tuple[Markup, ...] = ()
    legend: tuple[tuple[str, str, str], ...] = ()


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the report's fonts, and take names as they are, not as mathematics."""
    with (
        mpl.rc_context(_SETTINGS),  # type: ignore[arg-type]  # its keys are a closed list of literals
        warnings.catch_warnings(),
    ):
        # The reader's browser draws the letters, in fonts that this machine need not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def printable(text: str) -> str:
    """Put spaces in place of what no font draws and XML forbids: line breaks, controls, halves of letters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in pixels."""
    figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH))
    FigureCanvasAgg(figure)
    return figure


def sheet(figure: Figure) -> Axes:
    """Lay axes over the whole figure that count in pixels from its upper left corner."""
    width, height = figure.get_size_inches() * POINTS_PER_INCH
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Place axes, in pixels from the upper left corner, with a quiet frame: rules below and no box."""
    whole_width, whole_height = figure.get_size_inches() * POINTS_PER_INCH
    axes = figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=light("rule"), linewidth=1.0)
    axes.tick_params(
        length=0, pad=6, labelsize=11, labelcolor=light("muted"), color=light("rule"), which="both"
    )
    axes.grid(visible=True, axis="y", color=light("rule"), linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def picture(
    name: str,
    title: str,
    caption: str,
    description: str,
    wide: Sequence[Figure],
    narrow: Sequence[Figure] = (),
    legend: Sequence[tuple[str, str, str]] = (),
) -> Picture:
    """Turn figures into one of the page.

    Args:
        name: Of the figure; unique in the page.
        title: What it shows.
        caption: How to read it.
        description: What a reader who cannot see it is told.
        wide: Drawn for screens and paper; made within `drawing`.
        narrow: Drawn for phones, if those cannot show `wide`.
        legend: As `Picture.legend`.
    """
    pieces = [
        tuple(to_svg(figure, description, f"{name}-{kind}-{piece}") for piece, figure in enumerate(figures))
        for kind, figures in (("wide", wide), ("narrow", narrow))
    ]
    return Picture(name, title, caption, description, pieces[0], pieces[1], tuple(legend))


def to_svg(figure: Figure, label: str, name: str, themed: bool = True) -> Markup:
    """Turn a figure into an SVG element without ids that could meet those of another.

    Args:
        figure: Drawn in the light colours of `theme`.
        label: What it shows, for readers who cannot see it.
        name: Unique in the page; put before every id.
        themed: Whether colours become CSS variables, which the page must define.
    """
    text = io.StringIO()
    with drawing():
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(text.getvalue())
    width, height = figure.get_size_inches() * POINTS_PER_INCH
    for child in list(root):
        if child.tag == f"{{{SVG}}}metadata":
            root.remove(child)
    colours = variables() if themed else {}
    targets = {element.get(XLINK, "")[1:] for element in root.iter()}
    for element in root.iter():
        _slim(element, colours, f"{name}-", targets)
    _unwrap(root)
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
        "role": "img",
        "stroke-linejoin": "round",
        "aria-label": printable(label),
        "font-family": ",".join(f"'{font}'" if " " in font else font for font in FONTS) + ",sans-serif",
    }
    ElementTree.register_namespace("", SVG)
    # Markup: ElementTree has escaped every name in it.
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _slim(element: ElementTree.Element, colours: dict[str, str], prefix: str, targets: set[str]) -> None:
    """Drop what a reader never sees, shorten numbers, and hand colours over to the page."""
    if element.tag == f"{{{SVG}}}style":
        element.text = None
    if (own := element.attrib.pop("id", None)) and own in targets:
        element.set("id", prefix + own)
    if reference := element.attrib.pop(XLINK, None):
        element.set("href", f"#{prefix}{reference[1:]}")
    element.attrib.pop("clip-path", None)  # nothing is drawn that would need cutting off
    if transform := element.get("transform"):
        transform = _NO_ROTATION.sub("", transform)
        if transform:
            element.set("transform", _shorten(transform))
        else:
            del element.attrib["transform"]
    for key in ("d", "x", "y", "width", "height"):
        if key in element.attrib:
            element.set(key, _shorten(" ".join(element.attrib[key].split())))
    if style := element.get("style"):
        element.set("style", _restyle(style, colours))
    if element.tag != f"{{{SVG}}}text" and element.tag != f"{{{SVG}}}tspan":
        element.text = None
    element.tail = None


def _shorten(numbers: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), numbers)


def _restyle(style: str, colours: dict[str, str]) -> str:
    kept = []
    for declaration in style.split(";"):
        key, _, value = declaration.partition(":")
        key, value = key.strip(), value.strip()
        if key and key != "font-family":
            kept.append(f"{key}:{colours.get(value.lower(), value)}")
    return ";".join(kept)


def _unwrap(parent: ElementTree.Element) -> None:
    """Lift what lies in groups without attributes, and drop empty groups and definitions of style."""
    children: list[ElementTree.Element] = []
    for child in list(parent):
        _unwrap(child)
        if child.tag == f"{{{SVG}}}g" and not child.attrib:
            children.extend(child)
        elif not _invisible(child):
            children.append(child)
    parent[:] = children


def _invisible(element: ElementTree.Element) -> bool:
    """Tell empty definitions, style sheets, clips, and backgrounds that are drawn without a colour."""
    kind = element.tag.removeprefix(f"{{{SVG}}}")
    if kind in ("style", "clipPath"):
        return True
    return (kind == "defs" and not len(element)) or (kind == "path" and element.get("style") == "fill:none")
