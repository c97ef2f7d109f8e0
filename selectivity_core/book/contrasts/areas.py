"""Reliance on single units (Morcos et al. 2018): areas under ablation and noise curves of networks that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from ...errors import MissingRunsError
from ..evidence import NetworkRuns
from ..inference import correlation_over, mean_of, slopes, spearman, unpaired
from ..reliance import areas as areas_under
from ..reliance import by_network, curves_of, kept_within_and_beyond
from .finding import Finding, over_seeds

AREA = "initial"  # of the normalisations of an area the one that judges: accuracy over initial accuracy
ENDS, SHARE = 5, 4  # best and worst networks: five, at most a quarter of all


def _areas(on: NetworkRuns, analysis: str = "ablation") -> pd.DataFrame:
    """A row a network that has fitted its training images and whose curve is there: its run and `value`, the area."""
    runs = on.runs()
    found = areas_under(curves_of(on.of_figure.tables.curves, analysis), runs)
    found = found[found["fits"]] if len(found) else found
    if not len(found):
        raise MissingRunsError(f"no {analysis} curve of a network of {on.model} that fits its training images")
    return found.assign(value=found[AREA], error=found["train_accuracy_last"] - found["test_accuracy_last"])


def _paired(first: pd.Series, second: pd.Series, where: str) -> Finding:
    """First less second, paired by their index."""
    both = (first - second).dropna()
    if not len(both):
        raise MissingRunsError("no seed has both of what the claim compares")
    return Finding(mean_of(both), where)


def area_by_corruption(on: NetworkRuns, *, analysis: str) -> list[Finding]:
    """How much the area changes from one share of corrupted labels to the next; one slope a seed."""
    found = slopes(_areas(on, analysis), "value", "label_corruption")
    if not len(found):
        raise MissingRunsError("no seed has two shares of corrupted labels whose networks fit")
    return [Finding(mean_of(found), "a step of label corruption")]


def zero_less_mean(on: NetworkRuns) -> list[Finding]:
    """The area with units ablated to zero less that with units ablated to their mean, network by network."""
    sides = [_areas(on, a).set_index("run")["value"] for a in ("ablation", "ablation-mean")]
    return [_paired(sides[0], sides[1], where="to zero less to the mean")]


def with_less_without(on: NetworkRuns, *, setting: str, first: Any, second: Any, measure: str = "") -> list[Finding]:
    """A measure (the area under the ablation curve where empty) at one value of a setting less that at another."""
    rows = on.values(measure) if measure else _areas(on)
    sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
    return [_paired(sides[0], sides[1], where=f"{setting} {first} less {second}")]


def best_less_worst(on: NetworkRuns) -> list[Finding]:
    """The area of the networks that generalise best less that of those that generalise worst."""
    found = _areas(on)
    k = min(ENDS, len(found) // SHARE)
    if not k:
        raise MissingRunsError(f"{len(found)} networks: too few for a best and a worst quarter")
    ranked = found.sort_values(["error", "seed"], kind="stable")["value"]
    return [Finding(unpaired(ranked.head(k), ranked.tail(k)), f"{k} best less {k} worst of {len(found)}")]


def area_and_error(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and generalisation error over networks."""
    found = _areas(on)
    return [Finding(correlation_over(found["value"], found["error"]), f"over {len(found)} networks")]


def area_and_accuracy(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and test accuracy over settings, each the mean of its networks."""
    found = _areas(on)
    means = found.groupby(["lr", "batch_size"], as_index=False)[["value", "test_accuracy_last"]].mean()
    return [Finding(correlation_over(means["value"], means["test_accuracy_last"]), f"over {len(means)} settings")]


def area_and_loss(on: NetworkRuns) -> list[Finding]:
    """Spearman's correlation of area and test loss over the epochs of each network, averaged over networks.

    The area is that above chance, of epochs at which accuracy is twice chance or more: over initial accuracy a network
    that has learnt nothing has an area near 1.
    """
    found = _areas(on, "training").dropna(subset=["chance"])
    found = found.assign(epoch=found["kind"].str.removeprefix("epoch ").astype(int))
    history = on.table("history")[["run", "epoch", "test_loss"]]
    rows = found[["run", "epoch", "chance"]].merge(history, on=["run", "epoch"], validate="one_to_one")
    rows = rows[rows["epoch"] > 0]
    rho = [spearman(own["chance"], own["test_loss"]) for _, own in rows.groupby("run")]
    return [Finding(over_seeds(rho), "over epochs")]


def turning_point(on: NetworkRuns) -> list[Finding]:
    """Not to be told: the area reaches a plateau early, and the place of its maximum there is noise."""
    raise MissingRunsError("the area has a plateau, so that the epoch of its maximum says nothing")


def loss_by_dropout(on: NetworkRuns) -> list[Finding]:
    """How much the last training loss changes from one dropout to the next, on true and on corrupted labels."""
    found = []
    for share, own in on.values("train_loss_last").groupby("label_corruption"):
        by_seed = slopes(own, "value", "dropout")
        if len(by_seed):
            found.append(Finding(mean_of(by_seed), f"a step of dropout, {share:.0%} of labels corrupted"))
    if not found:
        raise MissingRunsError("no labels with two or more rates of dropout")
    return [replace(f, family=len(found)) for f in found]


def _dropped(on: NetworkRuns) -> pd.DataFrame:
    """What networks trained with dropout keep within and beyond the share that training dropped."""
    counted = _areas(on)[["run", "seed", "dropout", "label_corruption", "train_accuracy_last"]]
    curves = by_network(curves_of(on.of_figure.tables.curves, "ablation"))
    parts = [
        kept_within_and_beyond(curves[curves["run"].isin(own["run"])], float(rate)).merge(own, on="run")
        for rate, own in counted[counted["dropout"] > 0].groupby("dropout")
    ]
    if not parts:
        raise MissingRunsError("no curve of a network trained with dropout is at hand")
    return pd.concat(parts)


def up_to_dropout(on: NetworkRuns) -> list[Finding]:
    """Training accuracy with as large a share of units ablated as training dropped, less that with none ablated."""
    found = [
        Finding(
            mean_of((own["within"] - 1) * own["train_accuracy_last"]), f"dropout {rate:g}, {share:.0%} corrupted", True
        )
        for (rate, share), own in _dropped(on).groupby(["dropout", "label_corruption"])
    ]
    return [replace(f, family=len(found)) for f in found]


def beyond_dropout(on: NetworkRuns) -> list[Finding]:
    """Mean accuracy kept beyond the share that training dropped: on corrupted labels less on true ones, by seed."""
    found = []
    for rate, own in _dropped(on).groupby("dropout"):
        sides = [own[own["label_corruption"] > 0], own[own["label_corruption"] == 0]]
        if all(map(len, sides)):
            found.append(
                _paired(
                    sides[0].set_index("seed")["beyond"],
                    sides[1].set_index("seed")["beyond"],
                    where=f"dropout {rate:g}",
                )
            )
    if not found:
        raise MissingRunsError("no dropout with curves on both true and corrupted labels")
    return [replace(f, family=len(found)) for f in found]


def norm_less_dropout(on: NetworkRuns, *, other: str) -> list[Finding]:
    """What batch norm adds to the area of one network less what the most dropout adds to that of another."""
    norm, drop = _areas(on), _areas(on.other(model=other))
    drop = drop[drop["label_corruption"] == 0]
    gains = []
    for rows, setting, first, second in (
        (norm, "batch_norm", True, False),
        (drop, "dropout", drop["dropout"].max(), 0.0),
    ):
        sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
        gains.append((sides[0] - sides[1]).dropna())
    if not all(map(len, gains)):
        raise MissingRunsError("no seed has both of what the claim compares")
    return [Finding(unpaired(*gains), "batch norm less dropout")]
