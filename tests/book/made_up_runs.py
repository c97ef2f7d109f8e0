"""Made-up runs of a figure, so that verdicts can be checked by hand."""

import math

import pandas as pd

from selectivity_core.book.evidence import Evidence
from selectivity_core.book.pages import FigureRuns
from selectivity_core.book.papers.figures import find_figure, grid
from selectivity_core.tables import COLUMNS, Tables


def made_up(figure, values, *, profile="digits", model="resnet18", data="a made-up set", **fixed):
    """Runs of a figure's first network: (α, column) -> a value a seed; "diverged" stands for a run that did."""
    alphas = sorted({a for a, _ in values})
    count = max(len(v) for v in values.values())
    rows, specs = [], []
    for spec in grid(profile, figure, alphas=alphas, seeds=count, models=[model], **fixed):
        found = {c: v[spec.seed] for (a, c), v in values.items() if a == spec.alpha and spec.seed < len(v)}
        if not found or all(isinstance(v, float) and math.isnan(v) for v in found.values()):
            continue
        diverged = "diverged" in found.values()
        row = {"run": spec.id, **spec.as_dict(), "milestones": "", "window": ""}
        row |= {"status": "diverged" if diverged else "complete", "provenance_data": data}
        rows.append(row | ({} if diverged else {"train_accuracy_last": 1.0, **found}))
        specs.append(spec)
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS["runs"]))
    return FigureRuns(find_figure(figure), profile, tuple(specs), Tables(runs=frame))


def evidence_of(*figures, profile="digits"):
    """Evidence that holds these figures and reads nothing."""
    found = Evidence(profile, on_missing="skip")
    for runs in figures:
        found.add(runs)
    return found


def around(mean, spread, n):
    """n values with this mean and population spread, alternating."""
    return [mean + spread * (1 if k % 2 else -1) for k in range(n)]


__all__ = ["around", "evidence_of", "made_up"]
