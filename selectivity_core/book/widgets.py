"""Sliders over pictures drawn beforehand. They move in JupyterLab and in a rendered page that has no kernel.

A callback needs a kernel; a link between two widgets in the browser does not. So every picture of a sweep is
drawn once, as a frame of a stack that shows one at a time, and the slider's index is linked to the stack's.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from xml.etree import ElementTree

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

from ..errors import BookError

Frame = bytes | str
"""A picture: the bytes of a PNG, or the text of an SVG."""

_DPI = 192  # two dots for each CSS pixel, crisp on a dense screen
_CSS_DPI = 96
_STYLE = "display:block;max-width:100%;height:auto;background:#fff;border-radius:4px"
_KEEP_DESCRIPTION = {"description_width": "initial"}


def png_frame(figure: Figure) -> bytes:
    """Draw a figure on white as a PNG of 256 colours, and close it.

    A palette makes a plot about three times smaller than full colour; a figure left open would be shown
    a second time under the cell.

    Args:
        figure: drawn; it cannot be used afterwards.
    """
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=_DPI, facecolor="white")
    plt.close(figure)
    with Image.open(raw) as image:
        flat = image.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
    flat.save(small, format="png", optimize=True, dpi=(_DPI, _DPI))
    return small.getvalue()


def picture(frame: Frame, *, alt: str) -> HTML:
    """One picture with its alternative text, for a figure that has no slider.

    Args:
        frame: the bytes of a PNG, or the text of an SVG.
        alt: what it shows, in words.

    Raises:
        BookError: the frame is neither PNG nor SVG, or the alternative text is empty.
    """
    return HTML(_image(frame, alt=alt, label=""))


def frames_slider(
    frames: Sequence[Frame],
    labels: Sequence[str],
    *,
    description: str,
    alts: Sequence[str],
    selected: int = 0,
) -> ipywidgets.VBox:
    """A slider above a picture: position k shows frame k.

    Args:
        frames: the pictures, in order.
        labels: what the slider reads at each position; all different.
        description: the name of what the slider changes, such as "α".
        alts: what each picture shows, in words, for those who cannot see it.
        selected: the position at the start.

    Raises:
        BookError: no frames, another number of labels or alts than of frames, an empty or repeated label,
            an empty alt, a frame that is neither PNG nor SVG, or a start that is not a position.
    """
    slider = _slider(labels, description, selected)
    stack = _stack(frames, labels, alts, selected)
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])


def frames_slider_with_choice(
    choices: Mapping[str, Sequence[Frame]],
    labels: Sequence[str],
    *,
    description: str,
    choice_description: str,
    alts: Mapping[str, Sequence[str]],
    selected: int = 0,
    choice: str | None = None,
) -> ipywidgets.VBox:
    """A slider and a list to choose from, such as α and the layer, above one picture.

    Args:
        choices: for each entry of the list the frames that the slider runs through.
        labels: what the slider reads at each position, the same for all choices.
        description: the name of what the slider changes.
        choice_description: the name of what the list chooses.
        alts: for each entry the alternative text of each of its frames.
        selected: the slider's position at the start.
        choice: the entry chosen at the start; the first if None.

    Raises:
        BookError: as for `frames_slider`, or no choices, alts for other choices than frames, or an unknown
            `choice`.
    """
    names = list(choices)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise BookError(f"{choice_description!r} needs at least one choice, each with a name; given {names}")
    if set(alts) != set(names):
        raise BookError(f"alts must be given for the choices {names}; given for {list(alts)}")
    start = names[0] if choice is None else choice
    if start not in names:
        raise BookError(f"choice must be one of {names}; given {choice!r}")

    slider = _slider(labels, description, selected)
    inner = [_stack(choices[name], labels, alts[name], selected) for name in names]
    dropdown = ipywidgets.Dropdown(
        options=names,
        index=names.index(start),
        description=choice_description,
        tooltip=choice_description,
        style=_KEEP_DESCRIPTION,
        layout=ipywidgets.Layout(max_width="100%"),
    )
    outer = ipywidgets.Stack(inner, selected_index=dropdown.index)
    ipywidgets.jslink((dropdown, "index"), (outer, "selected_index"))
    for stack in inner:
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([dropdown, slider, outer])


def _slider(labels: Sequence[str], description: str, selected: int) -> ipywidgets.SelectionSlider:
    labels = list(labels)
    if not all(isinstance(label, str) and label.strip() for label in labels):
        raise BookError(f"labels must be texts that are not empty; given {labels}")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise BookError(f"labels must all differ; given more than once: {', '.join(repeated)}")
    if not labels:
        raise BookError("a slider needs at least one frame; given none")
    if not 0 <= selected < len(labels):
        raise BookError(f"selected must be a position from 0 to {len(labels) - 1}; given {selected}")
    return ipywidgets.SelectionSlider(
        options=labels,
        index=selected,
        description=description,
        tooltip=description,
        style=_KEEP_DESCRIPTION,
        layout=ipywidgets.Layout(width="100%", max_width="44em"),
    )


def _stack(frames: Sequence[Frame], labels: Sequence[str], alts: Sequence[str], selected: int) -> ipywidgets.Stack:
    if not len(frames) == len(labels) == len(alts):
        raise BookError(
            f"there must be one label and one alt for each frame; given {len(frames)} frames, "
            f"{len(labels)} labels and {len(alts)} alts"
        )
    pages = [
        ipywidgets.HTML(_image(frame, alt=alt, label=label))
        for frame, alt, label in zip(frames, alts, labels, strict=True)
    ]
    return ipywidgets.Stack(pages, selected_index=selected)


def _image(frame: Frame, *, alt: str, label: str) -> str:
    """The `<img>` of a frame: its own data, a width so that nothing jumps while it loads, white behind it."""
    if not isinstance(alt, str) or not alt.strip():
        raise BookError(f"alt must say in words what the picture shows; given {alt!r}")
    media, content, size = _svg(frame) if isinstance(frame, str) else _png(frame)
    data = base64.b64encode(content).decode("ascii")
    return (
        f'<img class="selectivity-frame dark-light" alt="{escape(alt)}" data-label="{escape(label)}" {size}'
        f'style="{_STYLE}" src="data:{media};base64,{data}">'
    )


def _png(frame: bytes) -> tuple[str, bytes, str]:
    try:
        with Image.open(io.BytesIO(frame), formats=["PNG"]) as image:
            dpi = image.info.get("dpi", (_CSS_DPI, _CSS_DPI))[0]
            width, height = (round(side * _CSS_DPI / dpi) for side in image.size)
            image.verify()
    except (OSError, SyntaxError, TypeError) as error:  # what Pillow raises at a broken file
        raise BookError(
            f"a frame must be the bytes of a PNG or the text of an SVG; given {repr(frame)[:30]}"
        ) from error
    return "image/png", frame, f'width="{width}" height="{height}" '


def _svg(frame: str) -> tuple[str, bytes, str]:
    try:
        root = ElementTree.fromstring(frame)
    except ElementTree.ParseError as error:
        raise BookError(f"a frame given as text must be an SVG; given {frame[:20]!r}: {error}") from error
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise BookError(f"a frame given as text must be an SVG; its root element is {root.tag}")
    return "image/svg+xml", frame.encode("utf-8"), ""
