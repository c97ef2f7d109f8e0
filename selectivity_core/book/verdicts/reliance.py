"""Predicates on how much networks rely on single units (Morcos et al. 2018): areas under ablation and noise curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ...runs.analyses import ANALYSES
from ..correlations import correlation_over
from ..robustness import MEMORISED, by_network, measured
from ..statistics import spearman
from .alphas import slopes_by_seed
from .evidence import Evidence
from .findings import MOST_DF, Finding, correlation, matched, sample, two_samples

AREA = "initial"  # of the normalisations the one that judges: of accuracy over initial accuracy
ENDS, SHARE = 5, 4  # best and worst networks: five, at most a quarter of all
NORMAL = 1.959963984540054


def _curves(evidence: Evidence, figure: str, model: str, analysis: str) -> pd.DataFrame:
    evidence.runs(figure, model)
    curves = evidence.study(figure).tables.curves
    return curves[curves["analysis"] == ANALYSES[analysis].label] if len(curves) else curves


def areas(evidence: Evidence, figure: str, model: str, analysis: str = "ablation") -> pd.DataFrame:
    """A row a network whose curve is there and that counts (has memorised corrupted labels): its runs row and `value`.

    Raises:
        MissingRunsError: there is none.
    """
    curves = _curves(evidence, figure, model, analysis)
    found = measured(curves, evidence.runs(figure, model)) if len(curves) else pd.DataFrame()
    if not len(found) or not found["counts"].any():
        raise MissingRunsError(f"no {analysis} curve of a network of {model} that counts is at hand")
    return found[found["counts"]].assign(value=found[AREA])


def area_by_corruption(evidence: Evidence, figure: str, model: str, *, analysis: str) -> list[Finding]:
    """How much the area changes from one share of corrupted labels to the next; one slope a seed."""
    found = areas(evidence, figure, model, analysis)
    shares = sorted(found["label_corruption"].unique())
    slopes = slopes_by_seed(found, by="label_corruption")
    where = f"a step of corruption, {shares[0]:.0%} to {shares[-1]:.0%}"
    return [sample(slopes, "t over seeds' slopes", where=where)]


def zero_less_mean(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The area with units clamped to zero less that with units clamped to their mean, network by network."""
    sides = [areas(evidence, figure, model, a).set_index("run")["value"] for a in ("ablation", "ablation-mean")]
    return [matched(*sides, where="clamped to zero less to the mean")]


def with_less_without(
    evidence: Evidence, figure: str, model: str, *, setting: str, first: Any, second: Any, measure: str = ""
) -> list[Finding]:
    """A measure at one value of a setting less that at another, paired by seed.

    Args:
        evidence, figure, model: whose.
        setting: the field that differs.
        first, second: its values.
        measure: as for `Evidence.values`; the area under the ablation curve where empty.
    """
    rows = evidence.values(figure, model, measure) if measure else areas(evidence, figure, model)
    sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
    name = setting.replace("_", " ")
    return [matched(*sides, where=f"{name} {_plain(first)} less {_plain(second)}")]


def _plain(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else f"{value:g}"


def _networks(evidence: Evidence, figure: str, model: str) -> pd.DataFrame:
    """Networks that fit their training images, with their generalisation error, all of the last epoch."""
    found = areas(evidence, figure, model)
    found = found[found["train_accuracy_last"] >= MEMORISED]
    if not len(found):
        raise MissingRunsError(f"no network of {model} fits its training images")
    return found.assign(error=found["train_accuracy_last"] - found["test_accuracy_last"])


def best_less_worst(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The area of the networks that generalise best less that of those that generalise worst."""
    found = _networks(evidence, figure, model)
    k = min(ENDS, len(found) // SHARE)
    if not k:
        raise MissingRunsError(f"{len(found)} networks: too few for a best and a worst quarter")
    ranked = found.sort_values(["error", "seed"], kind="stable")["value"]
    return [two_samples(ranked.head(k), ranked.tail(k), where=f"{k} best less {k} worst of {len(found)}")]


def _over(found: pd.DataFrame, first: str, second: str, where: str) -> Finding:
    band = correlation_over(found, first, second)
    if math.isnan(band.mean):
        raise MissingRunsError("too few different networks for a correlation")
    known = math.isfinite(band.low) and abs(band.mean) < 1
    se = (math.atanh(band.high) - math.atanh(band.low)) / (2 * NORMAL) if known else math.nan
    return Finding(band.mean, se, MOST_DF, band.n, "Fisher's z of a rank correlation", where, fisher=True)


def area_and_error(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and generalisation error over networks."""
    found = _networks(evidence, figure, model)
    return [_over(found, "value", "error", f"over {len(found)} networks")]


def area_and_accuracy(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and test accuracy over settings, each the mean of its networks."""
    found = _networks(evidence, figure, model)
    means = found.groupby(["lr", "batch_size"], as_index=False)[["value", "test_accuracy_last"]].mean()
    return [_over(means, "value", "test_accuracy_last", f"over {len(means)} settings")]


def _through_training(evidence: Evidence, figure: str, model: str) -> pd.DataFrame:
    """Test loss and area of the trained epochs that were looked at: run, epoch, test_loss, value.

    The area is that above chance, of epochs at which accuracy is twice chance or more: over initial accuracy a network
    that has learnt nothing has an area near 1.
    """
    found = areas(evidence, figure, model, "training")
    found = found.assign(value=found["chance"])[["run", "kind", "value"]].dropna()
    found = found.assign(epoch=found["kind"].str.removeprefix("epoch ").astype(int))
    history = evidence.table("history", figure, model)[["run", "epoch", "test_loss"]]
    joined = found.merge(history, on=["run", "epoch"], validate="one_to_one")
    return joined[joined["epoch"] > 0].sort_values(["run", "epoch"])


def area_and_loss(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and test loss over the epochs of each network, averaged over networks."""
    rows = _through_training(evidence, figure, model)
    return [correlation([spearman(own["value"], own["test_loss"])[0] for _, own in rows.groupby("run")])]


def turning_point(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The epoch with the largest area less that with the lowest test loss, as a share of the training's epochs."""
    rows = _through_training(evidence, figure, model)
    epochs = evidence.runs(figure, model).set_index("run")["epochs"]
    found = []
    for run, own in rows.groupby("run"):
        places = own.set_index("epoch")
        found.append((places["value"].idxmax() - places["test_loss"].idxmin()) / epochs[run])
    return [sample(found, where="largest area less lowest test loss, share of all epochs")]


def loss_by_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """How much the last training loss changes from one dropout to the next, on true and on corrupted labels."""
    rows = evidence.values(figure, model, "train_loss_last")
    groups = [(share, own) for share, own in rows.groupby("label_corruption") if own["dropout"].nunique() > 1]
    if not groups:
        raise MissingRunsError("no labels with two or more rates of dropout")
    return [
        sample(
            slopes_by_seed(own, by="dropout"), "t over seeds' slopes", family=len(groups),
            where=f"a step of dropout, {share:.0%} of labels corrupted",
        )
        for share, own in groups
    ]  # fmt: skip


def _dropout_curves(evidence: Evidence, figure: str, model: str) -> pd.DataFrame:
    """Curves of networks trained with dropout that count, each over its own accuracy with no unit clamped."""
    counted = areas(evidence, figure, model)[["run", "seed", "dropout", "label_corruption"]]
    curves = by_network(_curves(evidence, figure, model, "ablation")).merge(counted, on="run")
    curves = curves[curves["dropout"] > 0]
    if not len(curves):
        raise MissingRunsError("no curve of a network trained with dropout is at hand")
    return curves


def up_to_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Training accuracy with as large a share of units clamped as training dropped, less that with none clamped."""
    parts = []
    groups = list(_dropout_curves(evidence, figure, model).groupby(["dropout", "label_corruption"]))
    for (rate, share), own in groups:
        lost = []
        for _, curve in own.groupby("run"):
            ordered = curve.sort_values("fraction")
            at = float(np.interp(rate, ordered["fraction"], ordered["accuracy"]))
            lost.append(at - float(ordered["accuracy"].iloc[0]))
        where = f"dropout {rate:g}, {share:.0%} of labels corrupted"
        parts.append(sample(lost, where=where, points=True, family=len(groups)))
    return parts


def beyond_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Mean accuracy kept beyond the share that training dropped: on corrupted labels less on true ones, by seed."""
    curves = _dropout_curves(evidence, figure, model)
    kept = {}
    for (rate, share, seed), own in curves.groupby(["dropout", "label_corruption", "seed"]):
        ordered = own.sort_values("fraction")
        beyond = ordered["fraction"] > rate
        kept[rate, share > 0, seed] = float(ordered.loc[beyond, "accuracy"].mean() / ordered["accuracy"].iloc[0])
    table = pd.Series(kept)
    parts = []
    rates = [r for r in sorted({rate for rate, _, _ in kept}) if {(r, True), (r, False)} <= {k[:2] for k in kept}]
    if not rates:
        raise MissingRunsError("no dropout with curves on both true and corrupted labels")
    for rate in rates:
        parts.append(matched(table[rate, True], table[rate, False], where=f"dropout {rate:g}", family=len(rates)))
    return parts


def norm_less_dropout(evidence: Evidence, figure: str, model: str, *, other: str) -> list[Finding]:
    """What batch norm adds to the area of one network less what the most dropout adds to that of another.

    Args:
        evidence, figure, model: the network with and without batch norm.
        other: the network with and without dropout; on true labels.
    """
    norm = areas(evidence, figure, model)
    drop = areas(evidence, figure, other)
    drop = drop[drop["label_corruption"] == 0]
    most = drop["dropout"].max()
    if not most > 0:
        raise MissingRunsError("no network trained with dropout")
    gains = []
    for rows, setting, first, second in ((norm, "batch_norm", True, False), (drop, "dropout", most, 0.0)):
        sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
        gains.append((sides[0] - sides[1]).dropna())
    return [two_samples(*gains, where=f"batch norm less dropout {most:g}")]
