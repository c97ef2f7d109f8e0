"""Studies made up for verdicts: accuracy, index and any other figure of a run as a function of α and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from made_up_study import made_up_study

from selectivity_core.book.paper.claim_entries import Claim, Test, Value
from selectivity_core.book.paper.entries import LEAVITT_MORCOS
from selectivity_core.book.study import Study
from selectivity_core.book.verdicts import Evidence

ByRun = Callable[[float, int], float]
# Of the seeds: 0, 1, 2, 3. Differences between two α that differ in `wobble` have mean 0 over the first three.
WOBBLE = (0.0, 0.01, -0.01, 0.002)


def study(
    figure: str = "fig1",
    alphas: Sequence[float] = (-1.0, 0.0),
    seeds: int = 3,
    *,
    figures: Mapping[str, ByRun] | None = None,
    **more: object,
) -> Study:
    """A study with other columns of `runs`: name -> function of α and seed."""
    found = made_up_study(alphas, seeds, figure=figure, **more)  # type: ignore[arg-type]
    runs = found.tables.runs
    for name, value in (figures or {}).items():
        runs[name] = [
            value(a, s) if status == "complete" else float("nan")
            for a, s, status in zip(runs["alpha"], runs["seed"], runs["status"], strict=True)
        ]
    return found


def evidence(*studies: Study, profile: str = "digits") -> Evidence:
    """Evidence that holds these studies and reads nothing."""
    return Evidence(profile, studies={s.figure.id: s for s in studies})


def steps(effects: Mapping[float, float], base: float = 0.9) -> ByRun:
    """Accuracy: base, plus the effect of α, plus a seed's own level, plus what seed and α have between them."""
    return lambda a, s: base + effects.get(a, 0.0) + 0.004 * s + (WOBBLE[s % 4] if a else 0.0)


def claim(
    test: Test,
    figure: str = "fig1",
    models: tuple[str, ...] = ("resnet18",),
    value: Value | None = None,
) -> Claim:
    """A claim that the register does not have."""
    return Claim("L000", LEAVITT_MORCOS, figure, models, "Made up for a test.", test, value=value)


def curve_rows(run: str, analysis: str, points: Mapping[float, float], kind: str = "zero") -> list[dict]:
    """Rows of `curves`: one ordering, fraction -> accuracy."""
    return [
        {"run": run, "analysis": analysis, "kind": kind, "ordering": 0, "step": k, "fraction": f, "accuracy": a}
        for k, (f, a) in enumerate(points.items())
    ]


def with_curves(found: Study, rows: list[dict]) -> Study:
    """The same study with these curves."""
    found.tables.curves = pd.DataFrame(rows)
    return found
