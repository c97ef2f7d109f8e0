"""The figures of Leavitt & Morcos, panel by panel (ICLR 2021 numbering)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .entries import LEAVITT_MORCOS, FigureEntry, Panel, Side, Source

LOST = "The paper's caption is missing in the text at hand; the panels follow what the text says of the figure."
SLOPES = (0.01, 0.1, 0.3)  # of the leaky rectifiers: the paper names none


def _entry(number: str, title: str, notebook: str, *panels: Panel, **more: Any) -> FigureEntry:
    return FigureEntry(f"fig{number}", LEAVITT_MORCOS, number, title, notebook, panels, **more)


def _accuracy(model: str, side: Side, first: Source = "text", rest: Source = "text") -> Iterator[Panel]:
    """Accuracy by α, its distributions, and accuracy against realised selectivity; the loss beside them."""
    yield Panel("a", "accuracy", model, "test accuracy by α", side=side, source=first)
    yield Panel("b", "violins", model, "the networks behind each α", side=side, source=rest)
    yield Panel("c", "tradeoff", model, "accuracy against realised selectivity", side=side, source=rest)
    yield Panel("d", "accuracy", model, "test cross-entropy by α", "test_loss", side, source="added")


def _index(
    model: str, side: Side, letters: str, value: str = "si", what: str = "selectivity", **more: Any
) -> Iterator[Panel]:
    """A measure by layer and over all units of the network."""
    yield Panel(letters[0], "by_layer", model, f"{what} by layer", value, side, **more)
    yield Panel(letters[1], "by_alpha", model, f"{what} over all units, by α", value, side, **more)


def _both_networks(number: str, title: str, notebook: str, side: Side, **more: Any) -> FigureEntry:
    """ResNet18 in panels a and b, ResNet20 in c and d: selectivity by layer and by α."""
    panels = (*_index("resnet18", side, "ab"), *_index("resnet20", side, "cd"))
    return _entry(number, title, notebook, *panels, **more)


def _measured(number: str, value: str, what: str, title: str, source: Source, note: str) -> FigureEntry:
    """Eight panels: both networks, both signs, by layer and by α."""
    panels: list[Panel] = []
    pairs = [("resnet18", "negative", "ab"), ("resnet18", "positive", "cd")]
    pairs += [("resnet20", "negative", "ef"), ("resnet20", "positive", "gh")]
    for model, side, letters in pairs:
        panels += _index(model, side, letters, value, what, source=source)  # type: ignore[arg-type]
    return _entry(number, title, "10_other_measures", *panels, note=note)


def _restricted(number: str, layers: str, side: Side, title: str) -> tuple[FigureEntry, FigureEntry]:
    """Selectivity (the even figures) and accuracy (the odd ones) with the regulariser on three layers only."""
    where = "first three" if layers == "first3" else "last three"
    notebook = "12_first_layers" if layers == "first3" else "13_last_layers"
    setting = {"layers": layers}
    first: list[Panel] = []
    for model, letters in (("resnet18", "ab"), ("resnet20", "cd")):
        first.append(Panel(letters[0], "by_layer", model, "selectivity by layer", "si", side))
        first.append(
            Panel(letters[1], "by_alpha", model, f"selectivity in the {where} layers, by α", "si", side, layers)
        )
    second: list[Panel] = []
    for model, letters in (("resnet18", "ab"), ("resnet20", "cd")):
        second.append(Panel(letters[0], "accuracy", model, "test accuracy by α", side=side))
        second.append(
            Panel(
                letters[1], "tradeoff", model, f"accuracy against selectivity in the {where} layers",
                side=side, layers=layers, source="inferred",
            )
        )  # fmt: skip
    after = f"A{int(number[1:]) + 1}"
    note = LOST
    if after in ("A21", "A25"):
        note += " The text cites A21 c and d for the last three layers of ResNet20, where A25 must be meant."
    return (
        _entry(number, f"{title} in the {where} layers: selectivity", notebook, *first, setting=setting, grid="layers"),
        _entry(
            after, f"{title} in the {where} layers: accuracy", notebook, *second, setting=setting, grid="layers",
            note=note,
        ),
    )  # fmt: skip


def _entries() -> Iterator[FigureEntry]:
    yield _entry("1", "Reducing selectivity", "02_figure_1", *_accuracy("resnet18", "negative"))
    yield _entry(
        "2", "Do the units only turn away?", "03_figure_2",
        Panel("a", "cca_layers", "resnet18", "distance within low selectivity, and to unregularised networks",
              side="negative"),
        Panel("b", "cca_ratio", "resnet18", "ratio of the distances by α", side="negative"),
        Panel("c", "bound_by_alpha", "resnet18", "selectivity of the best rotation found, by α", side="negative"),
        Panel("d", "cca_excess", "resnet18", "excess of the distance by α", side="negative", source="added"),
        note="Printed indices of the ratio's denominator look garbled: read as the distance within α. Bands in a are "
        "over pairs, as the paper has them; pairs share networks, so that they are narrower than networks would allow.",
    )  # fmt: skip
    yield _entry("3", "Increasing selectivity", "04_figure_3", *_accuracy("resnet18", "positive"))
    yield _entry(
        "4", "Reducing against increasing selectivity", "05_figure_4",
        Panel("a", "signs", "resnet18", "test accuracy at equal |α|, α < 0 blue, α > 0 red"),
        Panel("b", "tradeoff", "resnet18", "accuracy against realised selectivity"),
    )  # fmt: skip
    yield _both_networks("A1", "Negative α lowers selectivity", "06_selectivity_by_layer", "negative")
    yield _entry("A2", "Reducing selectivity in ResNet20", "07_resnet20", *_accuracy("resnet20", "negative"))
    yield _entry(
        "A3", "Distance ratio of ResNet20", "03_figure_2",
        Panel("a", "cca_ratio", "resnet20", "ratio of the distances by α", side="negative"),
        Panel("b", "cca_excess", "resnet20", "excess of the distance by α", side="negative", source="added"),
        note="The text prints p < 5×10⁶ where the caption has 5×10⁻⁶.",
    )  # fmt: skip
    yield _entry(
        "A4", "The off-axis bound, layer by layer", "03_figure_2",
        Panel("a", "bound_by_layer", "resnet18", "bound by layer", side="negative"),
        Panel("b", "bound_by_alpha", "resnet20", "bound and unit axes by α", side="negative"),
        Panel("c", "bound_by_layer", "resnet20", "bound by layer", side="negative"),
    )  # fmt: skip
    yield _both_networks("A5", "Positive α raises selectivity", "06_selectivity_by_layer", "positive")
    yield _entry(
        "A6", "Increasing selectivity in ResNet20", "07_resnet20",
        *_accuracy("resnet20", "positive", rest="inferred"), note=LOST,
    )  # fmt: skip
    yield _entry(
        "A7", "Dead units of ResNet18", "08_dead_units",
        Panel("a", "by_alpha", "resnet18", "share of dead units by α", "dead", "positive"),
        note="Dead here: no position of the map is above 0 for any test image.",
    )  # fmt: skip
    yield _entry(
        "A8", "Dead units of ResNet20, and selectivity without them", "08_dead_units",
        Panel("a", "by_alpha", "resnet20", "share of dead units by α", "dead", "positive"),
        Panel("b", "by_layer", "resnet20", "selectivity of living units by layer", "si_living", "positive",
              source="inferred"),
        Panel("c", "by_alpha", "resnet20", "selectivity of living units by α", "si_living", "positive",
              source="inferred"),
        note=LOST,
    )  # fmt: skip
    leaky = tuple({"activation": f"leaky_relu:{slope:g}"} for slope in SLOPES)
    yield _entry(
        "A9", "Accuracy with leaky rectifiers", "08_dead_units",
        Panel("", "leaky", "resnet20", "test accuracy by α for each slope", side="positive"),
        variants=({}, *leaky), grid="leaky",
        note=f"{LOST} The slopes are this book's choice; activity is shifted by each unit's minimum before the index.",
    )  # fmt: skip
    yield _entry(
        "A10", "How many images activate a unit", "09_active_units",
        Panel("a", "active", "resnet18", "share of test images with activity above 0, a dot a unit"),
        Panel("b", "active", "resnet20", "share of test images with activity above 0, a dot a unit"),
    )  # fmt: skip
    vgg, note = "14_vgg16", f"{LOST} "
    yield _entry("A11", "VGG16: negative α lowers selectivity", vgg, *_index("vgg16", "negative", "ab"))
    yield _entry("A12", "VGG16: reducing selectivity", vgg, *_accuracy("vgg16", "negative", rest="inferred"), note=LOST)
    yield _entry("A13", "VGG16: positive α raises selectivity", vgg, *_index("vgg16", "positive", "ab"))
    yield _entry(
        "A14", "VGG16: increasing selectivity", vgg, *_accuracy("vgg16", "positive", "inferred", "inferred"),
        note=f"{note}The text never cites it; its place between A13 and A15 says what it must be.",
    )  # fmt: skip
    yield _entry(
        "A15", "VGG16: reducing against increasing selectivity", vgg,
        Panel("", "signs", "vgg16", "test accuracy at equal |α|, α < 0 blue, α > 0 red"), note=LOST,
    )  # fmt: skip
    yield _entry(
        "A16", "VGG16 beside ResNet20", vgg,
        Panel("a", "two_networks", "vgg16", "selectivity as α falls", "si", "negative", also="resnet20",
              source="inferred"),
        Panel("b", "two_networks", "vgg16", "selectivity as α rises", "si", "positive", also="resnet20"),
        note=LOST,
    )  # fmt: skip
    cut = "Ties at the cut count by their expected share."
    yield _measured("A17", "precision", "precision", "The regulariser and precision", "text", cut)
    yield _measured(
        "A18", "mutual_information", "mutual information", "The regulariser and mutual information", "inferred",
        f"{LOST} Bins: exact zeros apart, the rest cut into 20 of equal count; dotted: shuffled labels, the estimate's "
        "own bias.",
    )  # fmt: skip
    yield _entry(
        "A19", "d′ as the regularised index", "11_dprime",
        Panel("a", "by_alpha", "resnet18", "d′ over all units, by α", "dprime"),
        Panel("b", "accuracy", "resnet18", "test accuracy by α", source="inferred"),
        Panel("c", "by_alpha", "resnet20", "d′ over all units, by α", "dprime"),
        Panel("d", "accuracy", "resnet20", "test accuracy by α", source="inferred"),
        Panel("e", "rank_agreement", "resnet18", "d′ and SI of unregularised units, by layer", side="none",
              source="added"),
        Panel("f", "rank_agreement", "resnet20", "d′ and SI of unregularised units, by layer", side="none",
              source="added"),
        setting={"index": "dprime"}, grid="dprime",
        note="Its printed caption repeats that of Figure A20, taken for a slip.",
    )  # fmt: skip
    for number, layers, side, title in (
        ("A20", "first3", "negative", "Reducing selectivity"), ("A22", "first3", "positive", "Increasing selectivity"),
        ("A24", "last3", "negative", "Reducing selectivity"), ("A26", "last3", "positive", "Increasing selectivity"),
    ):  # fmt: skip
        yield from _restricted(number, layers, side, title)  # type: ignore[arg-type]
    epochs = "Followed over epochs on the test set, the initialisation among them; dead units have no preferred class."
    for number, value, title, what in (
        ("A28", "switched", "Units that ever switch their preferred class", "share of units that switch at least once"),
        ("A29", "switches", "How often units switch their preferred class", "switches of a unit"),
    ):
        yield _entry(
            number, title, "15_learning",
            Panel("a", "by_alpha", "resnet18", what, value, "positive"),
            Panel("b", "by_alpha", "resnet20", what, value, "positive"), note=epochs,
        )  # fmt: skip
    ramp = "α grows linearly, step by step, over the paper's five epochs or the same share of a shorter schedule."
    yield _both_networks(
        "A30", "Selectivity when α is warmed up", "16_warm_up", "both", warm_up=True, grid="warm_up", note=ramp
    )
    yield _entry(
        "A31", "Accuracy when α is warmed up", "16_warm_up",
        Panel("a", "accuracy", "resnet18", "test accuracy by α"),
        Panel("b", "accuracy", "resnet20", "test accuracy by α"),
        warm_up=True, grid="warm_up", note=f"{LOST} {ramp}",
    )  # fmt: skip
    never = "The paper never describes this figure; what stands here is presumed from its number and neighbours."
    yield _entry(
        "A32", "ResNet20: reducing against increasing selectivity", "07_resnet20",
        Panel("", "signs", "resnet20", "test accuracy at equal |α|, α < 0 blue, α > 0 red", source="inferred"),
        note=never,
    )  # fmt: skip
    yield _entry(
        "A33", "ResNet20: accuracy over the whole range of selectivity", "07_resnet20",
        Panel("", "tradeoff", "resnet20", "accuracy against realised selectivity", source="inferred"), note=never,
    )  # fmt: skip
    yield _entry(
        "A34", "ResNet50", "17_resnet50",
        Panel("a", "by_alpha", "resnet50", "selectivity over all units, by α", "si"),
        Panel("b", "accuracy", "resnet50", "test accuracy by α"), note=LOST,
    )  # fmt: skip


ENTRIES = tuple(_entries())
