"""The figures of Morcos et al. 2018, panel by panel. What is recalled or unknown stands in notes, never as a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .entries import MORCOS, FigureEntry, Panel

CORRUPTION = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
DROPOUT = (0.0, 0.1, 0.2, 0.3)
IMAGENET = "The paper's panels of ResNet-50 on ImageNet are not drawn: nothing here has been run at that scale."
MEMORISED = "A corrupted network counts only where it has memorised (training accuracy of at least 0.95)."


def _entry(number: str, title: str, notebook: str, *panels: Panel, **more: Any) -> FigureEntry:
    return FigureEntry(f"morcos{number}", MORCOS, number, title, notebook, panels, **more)


def _panel(letter: str, kind: str, model: str, title: str, **more: Any) -> Panel:
    return Panel(letter, kind, model, title, side="none", **more)


def _entries() -> Iterator[FigureEntry]:
    corrupted = tuple({"label_corruption": share} for share in CORRUPTION)
    yield _entry(
        "1", "Networks that memorise rely on single units", "23_ablation",
        _panel("a", "ablation_curves", "mlp", "training accuracy as units are clamped to zero in random order"),
        _panel("b", "ablation_curves", "convnet11", "training accuracy as maps of the last three layers are clamped"),
        variants=corrupted, analyses=("ablation",), note=f"{MEMORISED} {IMAGENET}",
    )  # fmt: skip
    yield _entry(
        "2", "Networks that memorise suffer more from noise", "24_noise",
        _panel("a", "noise_curves", "mlp", "training accuracy under noise on every unit"),
        _panel("b", "noise_curves", "convnet11", "training accuracy under noise on every unit"),
        variants=corrupted, analyses=("noise",),
        note=f"{MEMORISED} The scale multiplies each unit's standard deviation over the training images.",
    )  # fmt: skip
    yield _entry(
        "3", "Do networks that generalise rely less on single units?", "25_generalisation",
        _panel("a", "best_worst", "convnet11", "ablation curves of the best and worst generalising networks"),
        _panel("b", "auc_generalisation", "convnet11", "area under the ablation curve against generalisation error"),
        grid="many", analyses=("ablation",),
        note="Networks differ in initialisation, data order and in which images they are given.",
    )  # fmt: skip
    yield _entry(
        "4", "Reliance as a signal for stopping and for choosing", "26_model_selection",
        _panel("a", "auc_training", "mlp", "losses and area under the ablation curve through training"),
        _panel("b", "auc_loss", "convnet11", "area under the ablation curve against test loss through training"),
        _panel("c", "auc_choice", "convnet11", "area under the ablation curve against test accuracy over settings"),
        variants=(
            {"model": "mlp"}, {"model": "convnet11"},
            *(
                {"model": "convnet11", "lr": lr, "batch_size": size}
                for lr in (0.005, 0.01, 0.02, 0.05)
                for size in (32, 64, 128)
            ),
        ),
        grid="settings", analyses=("ablation",), closer=("training",),
        note="The grid over learning rate and batch size is this book's; the paper's is recalled, not confirmed. "
        "Epochs are looked at closer together where networks learn fast.",
    )  # fmt: skip
    yield _entry(
        "5", "Dropout and batch norm", "27_dropout_batch_norm",
        _panel("a", "dropout_curves", "mlp", "ablation curves with dropout, clean and fully corrupted labels"),
        _panel("b", "batch_norm_curves", "convnet11", "ablation curves with and without batch norm"),
        variants=(
            *({"model": "mlp", "dropout": p, "label_corruption": c} for c in (0.0, 1.0) for p in DROPOUT),
            *({"model": "convnet11", "batch_norm": norm} for norm in (True, False)),
        ),
        grid="instances", analyses=("ablation",),
    )  # fmt: skip
    both = ({"batch_norm": True}, {"batch_norm": False})
    yield _entry(
        "6", "Batch norm, selectivity and mutual information", "28_batch_norm_selectivity",
        _panel("a", "si_by_norm", "convnet11", "selectivity of units with and without batch norm"),
        _panel("b", "mi_by_norm", "convnet11", "mutual information of units with and without batch norm"),
        variants=both, grid="instances",
    )  # fmt: skip
    yield _entry(
        "7", "Are selective units more important than others?", "29_importance",
        _panel("a", "importance_si", "mlp", "what clamping a unit costs against its selectivity"),
        _panel("b", "importance_si", "convnet11", "what clamping a unit costs against its selectivity"),
        _panel("c", "importance_layers", "convnet11", "the same with one regression a layer"),
        variants=({"model": "mlp", "width": 128}, {"model": "convnet11"}), analyses=("importance",), note=IMAGENET,
    )  # fmt: skip
    yield _entry(
        "A1", "Clamping to zero and to the mean", "23_ablation",
        _panel("a", "zero_mean", "mlp", "training accuracy, units clamped to zero or to their mean"),
        _panel("b", "zero_mean", "convnet11", "training accuracy, units clamped to zero or to their mean"),
        analyses=("ablation", "ablation-mean"), note="The finding is in the text at hand; the figure's number is not.",
    )  # fmt: skip
    yield _entry(
        "A2", "Selectivity by depth", "29_importance",
        _panel("a", "depth", "convnet11", "selectivity of units by layer"), note=IMAGENET,
    )  # fmt: skip
    yield _entry(
        "A3", "Selectivity and the size of the filter", "29_importance",
        _panel("a", "l1", "convnet11", "selectivity against the L1 norm of the filter"), note=IMAGENET,
    )  # fmt: skip
    yield _entry(
        "A4", "Importance and mutual information", "29_importance",
        _panel("a", "importance_mi", "mlp", "what clamping a unit costs against its mutual information"),
        _panel("b", "importance_mi", "convnet11", "what clamping a unit costs against its mutual information"),
        variants=({"model": "mlp", "width": 128}, {"model": "convnet11"}), analyses=("importance",), note=IMAGENET,
    )  # fmt: skip


ENTRIES = tuple(_entries())
