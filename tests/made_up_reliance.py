"""Made-up studies with curves, importances and losses, for figures of what networks rely on."""

from __future__ import annotations

import pandas as pd
from made_up_study import LAYERS, made_up_study

from selectivity_core.book.study import Study
from selectivity_core.runs.analyses import ANALYSES, SCALES
from selectivity_core.spec import RunSpec
from selectivity_core.tables import COLUMNS

STEPS = 10
EPOCHS = 4  # at which a made-up training was looked at, beside the initialisation


def places(study: Study) -> dict[str, int]:
    """Which of its network's variants a run is, counted from 0."""
    found: dict[str, int] = {}
    for spec in study.specs:
        same = [s for s in study.specs if (s.model, s.seed, s.alpha) == (spec.model, spec.seed, spec.alpha)]
        found[spec.id] = same.index(spec)
    return found


def error_of(seed: int, place: int) -> float:
    """Generalisation error: grows with the seed and the variant."""
    return 0.05 + 0.01 * seed + 0.02 * place


def drop_of(spec: RunSpec, place: int) -> float:
    """How far accuracy falls from 1 as all units go; the area over initial accuracy is 1 less half of it."""
    return 0.3 + 0.02 * spec.seed + 0.03 * place - 0.01 * spec.alpha


def curve(drop: float, orderings: int = 2, start: float = 1.0) -> pd.DataFrame:
    """A straight line from `start` down by `drop`, the same in every ordering."""
    rows = [
        {"ordering": k, "step": s, "fraction": s / STEPS, "accuracy": start - drop * s / STEPS}
        for k in range(orderings)
        for s in range(STEPS + 1)
    ]
    return pd.DataFrame(rows)


def analysed(spec: RunSpec, name: str, place: int) -> pd.DataFrame:
    """The rows of one analysis of a run."""
    if name == "training":
        # Better and better, then a little worse: the losses turn at epoch 3 too.
        starts = {0: 0.1, 1: 0.5, 2: 0.8, 3: 1.0, 4: 1.0}
        parts = [
            curve(drop_of(spec, place) + 0.1 * (epoch == EPOCHS), 1, start).assign(kind=f"epoch {epoch}")
            for epoch, start in starts.items()
        ]
        found = pd.concat(parts)
    elif name.startswith("noise"):
        found = curve(drop_of(spec, place)).assign(kind="noise")
        scales = (0.0, *SCALES)
        found["fraction"] = [scales[step] for step in found["step"]]
    else:
        mean = name.endswith("mean")
        found = curve(drop_of(spec, place) + 0.1 * mean).assign(kind="mean" if mean else "zero")
    return found.assign(run=spec.id, analysis=ANALYSES[name].label)


def losses(spec: RunSpec) -> pd.DataFrame:
    """Test loss lowest at epoch 3; training loss falls throughout."""
    test = [2.3, 1.0, 0.5, 0.3, 0.4]
    rows = [{"run": spec.id, "epoch": k, "train_loss": 2.0 / (k + 1), "test_loss": v} for k, v in enumerate(test)]
    return pd.DataFrame(rows).assign(validation_accuracy=0.5 - error_of(spec.seed, 0))


def made_up_reliance(
    figure: str,
    seeds: int = 3,
    alphas: tuple[float, ...] = (0.0,),
    *,
    not_fitted: tuple[int, ...] = (),
    **options: object,
) -> Study:
    """A made-up study with whatever its figure's entry asks to be worked out of runs.

    Args:
        figure: its id.
        seeds: how many.
        alphas: α values.
        not_fitted: seeds whose networks have a training accuracy of 0.5.
        options: of `made_up_study`.
    """
    study = made_up_study(alphas, seeds, figure=figure, **options)  # type: ignore[arg-type]
    tables, variant = study.tables, places(study)
    runs = tables.runs
    place = runs["run"].map(variant)
    runs["train_accuracy_last"] = [0.5 if seed in not_fitted else 1.0 for seed in runs["seed"]]
    runs["test_accuracy_last"] = [
        fit - error_of(s, p) for fit, s, p in zip(runs["train_accuracy_last"], runs["seed"], place, strict=True)
    ]
    there = set(runs.loc[runs["status"] == "complete", "run"])
    specs = [spec for spec in study.specs if spec.id in there]
    first = {spec.model: spec for spec in reversed(study.specs)}
    tables.history = (
        pd.concat([losses(s) for s in specs]).reindex(columns=list(COLUMNS["history"])) if specs else tables.history
    )
    curves = [analysed(s, n, variant[s.id]) for s in specs for n in study.figure.analyses if n != "importance"]
    curves += [
        analysed(s, n, variant[s.id])
        for s in specs
        for n in study.figure.closer
        if s.replace(seed=first[s.model].seed, alpha=first[s.model].alpha) == first[s.model]
    ]
    if curves:
        tables.curves = pd.concat(curves, ignore_index=True)[list(COLUMNS["curves"])]
    units = tables.units
    if len(units):
        # Information and size of filter fall while the index rises over the units of a layer.
        norm = units["run"].map(dict(zip(runs["run"], runs["batch_norm"], strict=True))).astype(bool)
        units["si"] = units["si"] + 0.1 * ~norm
        units["mutual_information"] = 0.9 - 0.05 * units["unit"] - 0.1 * ~norm
        units["weight_l1"] = 10.0 - units["unit"]
    if figure == "morcosA2" and len(units):  # the index rises with depth, more steeply in later seeds
        depth, seed = (units[name].map(dict(zip(keys, values, strict=True))) for name, keys, values in (
            ("layer", LAYERS, range(len(LAYERS))), ("run", runs["run"], runs["seed"])
        ))  # fmt: skip
        units["si"] = units["si"] + 0.02 * depth * (1 + seed)
    if "importance" in study.figure.analyses and len(units):
        tables.importances = units[["run", "layer", "unit"]].assign(
            analysis=ANALYSES["importance"].label,
            accuracy_change=-0.01 * units["unit"],
            loss_change=0.1 * units["unit"],
        )[list(COLUMNS["importances"])]
    return study
