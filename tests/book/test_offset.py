import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.offset import COMPARED, part_shares, relative, shares, split, spread
from selectivity_core.indices import class_share, selectivity_index

# α = 0 and α = −1 of one unit each: its class means, and its SD over samples.
UNITS = {
    "raised": (((3, 1, 1), 2.0), ((5, 3, 3), 2.0)),  # +2 on every class
    "closer": (((3, 1, 1), 2.0), ((2.5, 1.5, 1.5), 2.0)),  # half the difference, same sum
    "rescaled": (((3, 1, 1), 2.0), ((6, 2, 2), 4.0)),
    "shrunk": (((3, 1, 1), 2.0), ((2.5, 1.5, 1.5), 1.0)),  # half the difference and half the spread around it
    "dead": (((3, 1, 1), 2.0), ((0, 0, 0), 0.0)),
    "both dead": (((0, 0, 0), 0.0), ((0, 0, 0), 0.0)),
}


def index(means):
    top, others = means[0], (means[1] + means[2]) / 2
    return (top - others) / (top + others) if top else 0.0


def tables(names=tuple(UNITS), seeds=(0,), layer="one"):
    units, responses = [], []
    for seed in seeds:
        for place, alpha in enumerate((0.0, -1.0)):
            run = f"{alpha} {seed}"
            for name in names:
                means, sd = UNITS[name][place]
                spec = {"run": run, "layer": layer, "unit": list(UNITS).index(name)}
                units.append(
                    {**spec, "alpha": alpha, "seed": seed, "si": index(means), "sd": sd, "mean": sum(means) / 3}
                )
                responses += [{**spec, "class": k, "mean": float(m)} for k, m in enumerate(means)]
    return pd.DataFrame(units), pd.DataFrame(responses)


@pytest.mark.parametrize(
    ("name", "classes", "offset", "rest", "classes_raw"),
    [
        ("raised", 0, -0.25, 0, 0),
        ("closer", -0.25, 0, 0, -0.25),
        ("rescaled", 0, 0, 0, 0.5 * math.log(2)),  # raw differences double, but so does the sum
        ("shrunk", 0, -0.25, 0, -0.25),  # in raw activity it looks as if only the classes had come closer
        ("dead", 0, 0, -0.5, 0),
        ("both dead", 0, 0, 0, 0),
    ],
)
def test_parts_of_a_single_unit(name, classes, offset, rest, classes_raw):
    found = split(*tables([name]))
    assert found["alpha"].tolist() == [-1.0]
    row = found.iloc[0]
    assert (row["classes"], row["offset"], row["rest"]) == pytest.approx((classes, offset, rest))
    assert row["classes_raw"] == pytest.approx(classes_raw)
    assert row["change"] == pytest.approx(classes + offset + rest)


def test_a_mixed_change_is_shared_out_in_proportion_to_logs(monkeypatch):
    """From (3, 1, 1) to (3, 2, 2): SI 0.5 to 0.2, the difference in SDs 1 to 0.5."""
    monkeypatch.setitem(UNITS, "raised", (((3, 1, 1), 2.0), ((3, 2, 2), 2.0)))
    row = split(*tables(["raised"])).iloc[0]
    assert row["classes"] == pytest.approx(-0.3 * math.log(0.5) / math.log(0.2 / 0.5))
    assert row["classes"] + row["offset"] == pytest.approx(-0.3)


def test_parts_add_up_over_units_and_runs():
    units, responses = tables(seeds=(0, 1, 2))
    found = split(units, responses)
    assert found["seed"].tolist() == [0, 1, 2]
    means = units.groupby("alpha")["si"].mean()
    assert found["change"].tolist() == pytest.approx([means[-1.0] - means[0.0]] * 3)
    assert (found["classes"] + found["offset"] + found["rest"]).tolist() == pytest.approx(found["change"].tolist())


def test_layer_by_layer():
    first, second = tables(["raised"]), tables(["closer"], layer="two")
    both = [pd.concat(pair) for pair in zip(first, second, strict=True)]
    found = split(*both, each=("layer",)).set_index("layer")
    assert found.loc["one", ["classes", "offset"]].tolist() == pytest.approx([0, -0.25])
    assert found.loc["two", ["classes", "offset"]].tolist() == pytest.approx([-0.25, 0])


def test_runs_without_responses_or_without_their_baseline_are_left_out():
    units, responses = tables(seeds=(0, 1))
    assert split(units, responses[responses["run"] != "-1.0 1"])["seed"].tolist() == [0]
    assert split(units, responses[responses["run"] != "0.0 0"])["seed"].tolist() == [1]
    assert len(split(units[units["alpha"] != 0], responses)) == 0


def test_an_offset_added_to_real_activity_is_all_offset():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    activity = rng.exponential(size=(200, 3)) + rng.uniform(0, 2, (4, 3))[labels]
    units, responses = [], []
    for alpha, values in ((0.0, activity), (-1.0, activity + 5.0)):
        si = selectivity_index(values, labels).numpy()
        means = np.array([values[labels == k].mean(0) for k in range(4)])
        for unit in range(3):
            spec = {"run": str(alpha), "layer": "one", "unit": unit}
            units.append({**spec, "alpha": alpha, "seed": 0, "si": si[unit], "sd": values[:, unit].std()})
            responses += [{**spec, "class": k, "mean": means[k, unit]} for k in range(4)]
    row = split(pd.DataFrame(units), pd.DataFrame(responses)).iloc[0]
    assert row["classes"] == pytest.approx(0, abs=1e-9)
    assert row["offset"] == pytest.approx(row["change"])
    assert row["change"] < -0.05
    assert class_share(activity, labels).numpy() == pytest.approx(class_share(activity + 5.0, labels).numpy())


def test_share_of_a_part():
    change, offset = [-0.1, -0.12, -0.1, 0.1, -0.1, 0.0], [-0.05, -0.09, -0.06, 1, 1, 1]
    parts = pd.DataFrame({"alpha": [-1.0] * 3 + [1.0] * 3, "change": change, "offset": offset})
    found = part_shares(parts)
    assert found[-1.0].mean == pytest.approx(0.20 / 0.32)
    for end in (found[-1.0].low, found[-1.0].high):  # where offset − share · change can just be told from none
        rest = np.array(offset[:3]) - end * np.array(change[:3])
        assert stats.ttest_1samp(rest, 0).pvalue == pytest.approx(0.05)
    assert math.isnan(found[1.0].mean)  # a change that these seeds cannot tell from none has no parts


def test_a_seed_that_hardly_changes_does_not_decide_the_share():
    change, offset = [0.30, 0.31, 0.32, 0.33, 0.31, 0.002], [0.15, 0.15, 0.17, 0.16, 0.15, 0.08]
    found = part_shares(pd.DataFrame({"alpha": 1.0, "change": change, "offset": offset}))
    assert found[1.0].mean == pytest.approx(0.86 / 1.572)  # the mean of the seeds' own ratios is 7.1


def test_one_seed_has_a_share_but_no_interval():
    band = part_shares(pd.DataFrame({"alpha": [-1.0], "change": [-0.2], "offset": [-0.1]}))[-1.0]
    assert band.mean == pytest.approx(0.5)
    assert math.isnan(band.low)
    assert math.isnan(part_shares(pd.DataFrame({"alpha": [-1.0], "change": [0.0], "offset": [0.1]}))[-1.0].mean)


def layers(values, shuffled=0.1):
    """(α, seed) -> values of two layers of 1 and 3 units; every measure has the same."""
    rows = []
    for (alpha, seed), pair in values.items():
        for depth, value in enumerate(pair):
            row = {"run": f"{alpha} {seed}", "alpha": alpha, "seed": seed, "depth": depth, "units": 1 + 2 * depth}
            row |= dict.fromkeys(COMPARED, value) | {f"{m}_shuffled": shuffled for m in COMPARED}
            rows.append(row | {"dead": 0.0})
    return pd.DataFrame(rows)


def test_relative_to_the_same_seed_less_chance():
    table = layers({(0.0, 0): (0.5, 0.5), (0.0, 1): (0.9, 0.9), (-1.0, 0): (0.1, 0.34), (-1.0, 1): (0.5, 0.5)})
    found = relative(table)
    assert set(found["measure"]) == set(COMPARED)
    si = found[(found["measure"] == "si") & (found["alpha"] == -1)].set_index("seed")
    # Seed 0: (0.1 + 3 · 0.34) / 4 − 0.1 = 0.18 against 0.4; seed 1: 0.4 against 0.8.
    assert si["value"].to_dict() == pytest.approx({0: 0.18, 1: 0.4})
    assert np.exp(si["log_ratio"]).to_dict() == pytest.approx({0: 0.45, 1: 0.5})
    assert found.loc[found["alpha"] == 0, "log_ratio"].tolist() == pytest.approx([0] * 12)


def test_relative_by_layer_and_what_does_not_exceed_chance():
    found = relative(layers({(0.0, 0): (0.5, 0.5), (-1.0, 0): (0.1, 0.3)}), by_layer=True)
    d = found[(found["measure"] == "dprime") & (found["alpha"] == -1)].set_index("depth")["log_ratio"]
    assert math.isnan(d[0])
    assert d[1] == pytest.approx(math.log(0.2 / 0.4))


def test_seeds_without_a_baseline_are_left_out():
    found = relative(layers({(0.0, 0): (0.5, 0.5), (-1.0, 0): (0.3, 0.3), (-1.0, 1): (0.3, 0.3)}))
    assert found.loc[found["alpha"] == -1, "seed"].unique().tolist() == [0]


def test_shares_of_the_change_in_logs():
    rows = []
    for seed, (si, other) in enumerate([(-2.0, -1.0), (-2.2, -1.1), (-1.8, -0.45)]):
        rows += [(0.0, seed, m, 0.0) for m in COMPARED]
        rows += [(-5.0, seed, m, si if m == "si" else other) for m in COMPARED]
        rows += [(-0.1, seed, m, (seed - 1) * 0.1 if m == "si" else other) for m in COMPARED]
    found = shares(pd.DataFrame(rows, columns=["alpha", "seed", "measure", "log_ratio"]))
    assert {alpha for alpha, _ in found} == {-5.0, -0.1}
    assert found[-5.0, "dprime"].mean == pytest.approx((1.0 + 1.1 + 0.45) / 6)
    assert found[-5.0, "dprime"].n == 3
    assert math.isnan(found[-0.1, "dprime"].mean)


def test_spread_is_a_median_over_units_that_vary():
    units = pd.DataFrame(
        {
            "alpha": 0.0, "seed": 0, "layer": ["b", "b", "b", "a", "a"], "mean": [1.0, 4.0, 6.0, 5.0, 7.0],
            "sd": [1.0, 2.0, 2.0, 1.0, 0.0],
        }
    )  # fmt: skip
    assert spread(units)["ratio"].tolist() == [2.5]  # of 1, 2, 3 and 5
    by_layer = spread(units, by_layer=True)
    assert by_layer[["depth", "ratio"]].to_numpy().tolist() == [[0, 2], [1, 5]]
