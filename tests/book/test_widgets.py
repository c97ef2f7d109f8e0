import base64
import io
import warnings

import ipywidgets
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from PIL import Image

from selectivity_core.book.widgets import frames_slider, frames_slider_with_choice, picture, png_frame
from selectivity_core.errors import BookError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2"><title>{}</title></svg>'
FRAMES = [SVG.format(name) for name in "abc"]
LABELS = ["-1", "0", "1"]
ALTS = ["falls", "stays", "rises"]


def png(width=4, height=2, **options):
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, format="png", **options)
    return out.getvalue()


def img(html):
    (tag,) = BeautifulSoup(html, "html.parser").find_all("img")
    return tag


def links():
    """Source and target of every link between two widgets, as the page gets them."""
    live = ipywidgets.Widget.get_manager_state()["state"]
    return [
        (state["state"]["source"], state["state"]["target"])
        for state in live.values()
        if state["model_name"] == "LinkModel"
    ]


def reference(widget, name):
    return [f"IPY_MODEL_{widget.model_id}", name]


def slider(**changes):
    arguments = {"frames": FRAMES, "labels": LABELS, "description": "α", "alts": ALTS} | changes
    return frames_slider(arguments.pop("frames"), arguments.pop("labels"), **arguments)


def choice_slider(**changes):
    arguments = {
        "choices": {"first": FRAMES, "second": FRAMES},
        "labels": LABELS,
        "description": "α",
        "choice_description": "layer",
        "alts": {"first": ALTS, "second": ["down", "flat", "up"]},
    } | changes
    return frames_slider_with_choice(arguments.pop("choices"), arguments.pop("labels"), **arguments)


def test_png_frame_is_the_figure_in_few_colours_at_its_size():
    figure = Figure(figsize=(3, 2))
    figure.add_subplot().imshow(np.linspace(0, 1, 100).reshape(10, 10))
    full = io.BytesIO()
    figure.savefig(full, dpi=192, facecolor="white")
    frame = png_frame(figure)
    with Image.open(io.BytesIO(frame)) as small, Image.open(full) as large:
        assert small.size == large.size == (576, 384)
        assert small.mode == "P"
        difference = np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(large.convert("RGB"), int))
        assert difference.max() <= 40 and difference.mean() < 0.5
        assert tuple(np.asarray(small.convert("RGB"))[0, 0]) == (255, 255, 255)
    assert len(frame) < len(full.getvalue())


def test_png_frame_closes_a_figure_of_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = plt.figure()
    png_frame(figure)
    assert plt.get_fignums() == before


def test_picture_carries_its_words_and_its_bytes():
    tag = img(picture(png(), alt='5 < 6 & "so"')._repr_html_())
    assert tag["alt"] == '5 < 6 & "so"'
    media, _, data = tag["src"].partition(";base64,")
    assert media == "data:image/png"
    assert base64.b64decode(data) == png()


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (png(40, 20), ("40", "20")),  # no resolution: a CSS pixel each
        (png(40, 20, dpi=(192, 192)), ("20", "10")),
    ],
)
def test_a_png_has_its_size_in_css_pixels_so_that_nothing_jumps(frame, size):
    tag = img(picture(frame, alt="x").data)
    assert (tag["width"], tag["height"]) == size
    assert "max-width:100%" in tag["style"] and "height:auto" in tag["style"]


def test_an_svg_is_kept_as_it_is():
    tag = img(picture(FRAMES[0], alt="x").data)
    media, _, data = tag["src"].partition(";base64,")
    assert media == "data:image/svg+xml"
    assert base64.b64decode(data).decode() == FRAMES[0]


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_empty_words_are_refused(alt):
    with pytest.raises(BookError, match="alt must say in words"):
        picture(png(), alt=alt)
    with pytest.raises(BookError, match="alt must say in words"):
        slider(alts=["falls", alt, "rises"])


@pytest.mark.parametrize("frame", [b"", b"GIF89a...", png()[:30], png()[:-20], "", "plain text", "<svg>", "<p/>", None])
def test_what_is_no_picture_is_refused(frame):
    with pytest.raises(BookError, match=r"a frame (must be|given as text must be)"):
        picture(frame, alt="x")


def test_a_slider_shows_frame_k_at_position_k():
    box = slider(selected=2)
    control, stack = box.children
    assert list(control.options) == LABELS
    assert (control.index, control.label, control.description) == (2, "1", "α")
    assert stack.selected_index == 2
    shown = [img(page.value) for page in stack.children]
    assert [(tag["data-label"], tag["alt"]) for tag in shown] == list(zip(LABELS, ALTS, strict=True))
    assert [base64.b64decode(tag["src"].partition(",")[2]).decode() for tag in shown] == FRAMES
    assert (reference(control, "index"), reference(stack, "selected_index")) in links()


def test_one_frame_is_a_slider_too():
    control, stack = slider(frames=FRAMES[:1], labels=["0"], alts=["stays"]).children
    assert (control.index, stack.selected_index, len(stack.children)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": [], "labels": [], "alts": []}, "at least one frame"),
        ({"frames": FRAMES[:2]}, "given 2 frames, 3 labels and 3 alts"),
        ({"labels": LABELS[:2]}, "given 3 frames, 2 labels and 3 alts"),
        ({"alts": ALTS[:2]}, "given 3 frames, 3 labels and 2 alts"),
        ({"labels": ["0", "0", "1"]}, "must all differ; given more than once: 0"),
        ({"labels": ["0", "", "1"]}, "labels must be texts that are not empty"),
        ({"labels": [-1, 0, 1]}, "labels must be texts"),
        ({"selected": 3}, "from 0 to 2; given 3"),
        ({"selected": -1}, "from 0 to 2; given -1"),
    ],
)
def test_a_slider_that_cannot_be_is_refused(changes, message):
    with pytest.raises(BookError, match=message):
        slider(**changes)


def test_the_list_chooses_among_stacks_that_all_follow_the_slider():
    dropdown, control, outer = choice_slider(choice="second", selected=1).children
    assert list(dropdown.options) == ["first", "second"]
    assert (dropdown.index, outer.selected_index, dropdown.description) == (1, 1, "layer")
    assert [stack.selected_index for stack in outer.children] == [1, 1]
    assert [img(page.value)["alt"] for page in outer.children[1].children] == ["down", "flat", "up"]
    found = links()
    assert (reference(dropdown, "index"), reference(outer, "selected_index")) in found
    for stack in outer.children:
        assert (reference(control, "index"), reference(stack, "selected_index")) in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choices": {}, "alts": {}}, "at least one choice"),
        ({"choices": {"": FRAMES}, "alts": {"": ALTS}}, "each with a name"),
        ({"alts": {"first": ALTS}}, "alts must be given for the choices"),
        ({"choice": "third"}, "choice must be one of .*; given 'third'"),
        ({"choices": {"first": FRAMES, "second": FRAMES[:2]}}, "given 2 frames, 3 labels and 3 alts"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(changes, message):
    with pytest.raises(BookError, match=message):
        choice_slider(**changes)
