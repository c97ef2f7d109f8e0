"""Figures of this book that neither paper has, numbered B1 onwards."""

from __future__ import annotations

from typing import Any

from .entries import BOOK, FigureEntry, Panel, Side


def _entry(
    name: str, number: str, title: str, notebook: str, *models: str, side: Side = "both", **more: Any
) -> FigureEntry:
    """A figure that its notebook draws by functions of its own."""
    panels = tuple(Panel("", "own", model, title, side=side, source="added") for model in models)
    return FigureEntry(name, BOOK, number, title, notebook, panels, **more)


ENTRIES = (
    _entry("index", "B1", "The index on real units", "01_index", "resnet20", side="none"),
    _entry("offset", "B2", "How much of the fall in selectivity is offset", "18_offset", "resnet20", "resnet18"),
    _entry(
        "classes", "B3", "Does class matter?", "19_does_class_matter", "resnet20",
        variants=({}, {"estimate": "shuffled"}), grid="estimates",
    ),
    _entry(
        "batches", "B4", "What α acts on in a batch", "20_batches", "resnet20",
        variants=({}, {"estimate": "unbiased"}), grid="estimates", loads=1,
    ),
    _entry("pwcca", "B5", "Which PWCCA?", "21_which_pwcca", "resnet20", side="negative",
           tables=("pairs",), loads=2),
    _entry("others", "B6", "How others differ", "22_how_others_differ", "resnet20", side="none", loads=1),
    FigureEntry(
        "t95", BOOK, "B7", "Epochs to 95 % of the best accuracy", "15_learning",
        (
            Panel("a", "t95", "resnet18", "epochs to 95 % of the run's best test accuracy, by α"),
            Panel("b", "t95", "resnet20", "epochs to 95 % of the run's best test accuracy, by α"),
        ),
        note="Leavitt & Morcos give medians and quartiles in their text (A.2) and draw no figure.",
    ),
    _entry(
        "reliance", "B8", "Does α change the reliance on single units?", "30_alpha_and_reliance",
        "resnet20", "resnet18",
        grid="estimates", analyses=("ablation-test", "ablation-test-mean", "noise-test"),
    ),
    _entry("live", "B9", "Trained on this machine, just now", "36_live", "resnet18"),
    _entry(
        "schedules", "B10", "Do the gaps close with longer training?", "38_schedules", "resnet20",
        stretches=(1.0, 0.5, 2.0), grid="schedules",
    ),
)  # fmt: skip
