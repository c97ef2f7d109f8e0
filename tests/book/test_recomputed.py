"""Forty numbers behind verdicts, worked out once more from the archived CSV files by numpy, scipy and statsmodels.

Nothing of the project's statistics is used: the tables are read with pandas, and every estimate, interval and p value
is computed by other functions than the project's.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from selectivity_core.book.evidence import Evidence
from selectivity_core.book.papers.claims import all_claims
from selectivity_core.book.verdicts import judge

RESULTS = Path(__file__).resolve().parents[2] / "results"
PROFILES = ("digits", "cifar10-short", "tiny-imagenet-short")
PLAIN = {
    "index": "si", "layers": "all", "warmup_epochs": 0.0, "estimate": "batch", "activation": "relu", "window": "",
}  # fmt: skip
EPOCHS = {"digits": 40, "cifar10-short": 8, "tiny-imagenet-short": 6}
AT_ONE_ALPHA = ("effect_at", "every", "best", "first_effect")
RECOMPUTED = (
    *AT_ONE_ALPHA,
    "level",
    "monotone",
    "signs_at",
    "signs_averaged",
    "ratio_at",
    "trend",
    "cost_at_reduction",
)


def archived(profile, model, alphas, **setting):
    runs = pd.read_csv(RESULTS / profile / "runs.csv.xz")
    runs = runs[runs["alpha"].isin(alphas)]
    runs = runs.assign(window=runs["window"].fillna("") if "window" in runs else "")  # older tables have none
    wanted = {**PLAIN, "model": model, "epochs": EPOCHS[profile], **setting}
    at_zero = runs["alpha"] == 0
    keep = np.logical_and.reduce(
        [(runs[k] == v) | (at_zero & (k in PLAIN) & (k != "activation")) for k, v in wanted.items()]
    )
    chance = {"digits": 0.1, "cifar10-short": 0.1, "tiny-imagenet-short": 0.05}[profile]
    runs = runs[keep]
    lost = runs["status"] == "diverged"
    return runs.assign(**{c: runs[c].mask(lost, chance) for c in ("test_accuracy", "train_accuracy")})


def expected(kind, runs, settings, where):
    """The values over seeds that the claim's estimate is the mean of, and what they are tested against."""
    measure = settings.get("measure", "si_units" if kind in ("ratio_at", "monotone") else "test_accuracy")
    wide = runs.pivot_table(index="seed", columns="alpha", values=measure)
    if kind == "level":
        return wide[settings["alpha"]].dropna(), 0
    if kind in AT_ONE_ALPHA:
        return (wide[float(where.removeprefix("α = ").replace("−", "-"))] - wide[0.0]).dropna(), 0
    if kind == "ratio_at":
        return (wide[settings["alpha"]] / wide[0.0]).dropna(), 1
    if kind == "monotone":
        low, high = (float(a.replace("−", "-")) for a in where.removeprefix("α from ").split(" to "))
        return (wide[high] - wide[low]).dropna(), 0
    if kind == "signs_at":
        return (wide[-settings["size"]] - wide[settings["size"]]).dropna(), 0
    if kind == "signs_averaged":
        sizes = [a for a in wide if a > 0 and -a in wide]
        return pd.concat([wide[-a] - wide[a] for a in sizes], axis=1).dropna().mean(axis=1), 0
    if kind == "trend":
        part = runs[(runs["alpha"] >= settings.get("low", -np.inf)) & (runs["alpha"] <= settings.get("high", np.inf))]
        part = part.assign(place=part["alpha"].rank(method="dense"), y=part[measure]).dropna(subset=["y"])
        fits = {s: smf.ols("y ~ place", own).fit().params["place"] for s, own in part.groupby("seed") if len(own) > 1}
        return pd.Series(fits), 0
    index = np.log(runs.pivot_table(index="seed", columns="alpha", values="si_units"))
    found = {}
    for seed in wide.index:
        alphas = [a for a in sorted(wide, reverse=True) if a <= 0 and not np.isnan(wide.loc[seed, a])]
        x = index.loc[seed, 0.0] - index.loc[seed, alphas].to_numpy()  # log fold, growing
        y = (wide.loc[seed, alphas] - wide.loc[seed, 0.0]).to_numpy()
        for k in range(len(x) - 1):
            if x[k] <= np.log(settings["factor"]) < x[k + 1]:
                nearest = min(np.log(settings["factor"]) - x[k], x[k + 1] - np.log(settings["factor"]))
                if nearest > np.log(2) / 2:  # a factor of √2
                    break
                found[seed] = np.interp(np.log(settings["factor"]), x[k : k + 2], y[k : k + 2])
                break
    return pd.Series(found), 0


def judged():
    chosen = []
    for claim in all_claims().values():
        both_sides = claim.criterion.kind == "trend" and not {"low", "high"} & set(claim.criterion.settings)
        layers = claim.criterion.settings.get("measure") not in (None, "si_units", "test_accuracy", "t95")
        if claim.criterion.kind in RECOMPUTED and not both_sides and not layers:
            chosen += [(claim, profile) for profile in PROFILES]
    return chosen


EVIDENCE = {profile: Evidence(profile, on_missing="skip") for profile in PROFILES}  # gathers when first asked


@pytest.fixture(autouse=True)
def archive(monkeypatch):
    """The tracked ledger."""
    monkeypatch.delenv("SELECTIVITY_LEDGER", raising=False)


COUNT = []


@pytest.mark.parametrize(("claim", "profile"), judged(), ids=lambda v: getattr(v, "id", v))
def test_recomputed(claim, profile):
    for verdict in judge(claim, EVIDENCE[profile]):
        if verdict.finding is None:
            assert verdict.why
        else:
            recompute(verdict)
            COUNT.append((claim.id, profile, verdict.model))


def recompute(verdict):
    """Holds a verdict's estimate, interval and p against those of other code."""
    claim, profile, model = verdict.claim, verdict.profile, verdict.model
    figure = claim.figure_of(model)
    shown = EVIDENCE[profile].figure(figure)
    setting, alphas = dict(shown.figure.setting), {spec.alpha for spec in shown.specs if spec.model == model}
    if figure in ("figA30", "figA31"):
        setting["warmup_epochs"] = 5 * min(1, EPOCHS[profile] / {"resnet18": 90, "resnet20": 200}[model])
    values, null = expected(
        claim.criterion.kind, archived(profile, model, alphas, **setting), claim.criterion.settings,
        verdict.finding.where,
    )  # fmt: skip
    found = verdict.finding.estimate
    assert (found.n, found.mean) == (len(values), pytest.approx(values.mean(), rel=1e-9))
    if len(values) > 2 and values.std() > 1e-12:
        if len(values) < 6:
            assert found.interval() == pytest.approx(DescrStatsW(values).tconfint_mean(), rel=1e-6)
            assert found.p == pytest.approx(stats.ttest_1samp(values, null).pvalue, rel=1e-6)
        else:
            exact = len(values) <= 14
            low, high = found.interval()
            p = flipped(values, null)
            # Of more than 14 values the project draws 2¹³ flips and counts the observed signs as one of them: within
            # that one and four standard errors.
            error = 0 if exact else 2**-13 + 4 * (p * (1 - p) / 2**13) ** 0.5
            assert found.p == pytest.approx(p, abs=1e-12 + error)
            step = (high - low) * (1e-6 if exact else 0.05)
            for end, out in ((low, -step), (high, step)):  # just outside the interval a mean is rejected, inside not
                assert flipped(values, end + out) <= 0.05 < flipped(values, end - out)


def flipped(values, null):
    """The sign-flip p of the mean against `null` by all flips: sums of each half of the values, joined by counting."""
    d = values.to_numpy() - null
    first, second = (half @ np.array(np.meshgrid(*[[1, -1]] * half.size)).reshape(half.size, -1)
                     for half in np.array_split(d, 2))  # fmt: skip
    second, least = np.sort(second), abs(d.sum()) * (1 - 1e-9)
    below = np.searchsorted(second, -least - first, side="right")
    above = second.size - np.searchsorted(second, least - first, side="left")
    return (below.sum() + above.sum()) / (first.size * second.size) if least else 1.0


def test_at_least_forty_were_recomputed():
    assert len(COUNT) >= 40
