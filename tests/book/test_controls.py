import math

import numpy as np
import pandas as pd
import pytest
from measured_study import CHANCE, measured_study
from scipy import stats

from selectivity_core import profile
from selectivity_core.book.controls import against_control, by_run, control_of
from selectivity_core.errors import ParameterError

ALPHAS = (-1.0, 0.0, 1.0)


def values(rows):
    return pd.DataFrame(rows, columns=["alpha", "seed", "estimate", "si"])


ROWS = [
    *[(0.0, s, "batch", 0.5 + 0.01 * s) for s in range(3)],
    *[(-1.0, s, "batch", 0.2 + 0.01 * s + (0, 0.01, -0.01)[s]) for s in range(3)],
    *[(-1.0, s, "shuffled", 0.35 + 0.01 * s) for s in range(3)],
]


def test_changes_are_paired_by_seed():
    found = against_control(values(ROWS), "shuffled", "si")
    assert found["alpha"].tolist() == [-1.0]
    row = found.iloc[0]
    assert row[["n", "baseline", "plain", "other"]].tolist() == pytest.approx([3, 0.51, 0.21, 0.36])
    # Seeds differ alike in all three runs but for (0, 0.01, −0.01), and that falls out of no difference.
    beyond = np.array([-0.15, -0.14, -0.16])
    half = stats.t.ppf(0.975, 2) * beyond.std(ddof=1) / math.sqrt(3)
    assert row[["beyond", "beyond_low", "beyond_high"]].tolist() == pytest.approx([-0.15, -0.15 - half, -0.15 + half])
    assert row["p"] == row["p_holm"] == pytest.approx(stats.ttest_1samp(beyond, 0).pvalue)
    assert row[["plain_change", "other_change"]].tolist() == pytest.approx([-0.3, -0.15])
    assert row["plain_change_high"] - row["plain_change"] == pytest.approx(half)
    assert row["share"] == pytest.approx(0.15 / 0.3)
    assert row["share_low"] < row["share"] < row["share_high"]


def test_holm_counts_the_values_of_alpha():
    more = [(1.0, s, e, v + d) for _, s, e, v in ROWS[3:] for d in (0.5,)]
    found = against_control(values(ROWS + more), "shuffled", "si")
    assert found["alpha"].tolist() == [-1, 1]
    assert found["p_holm"].tolist() == pytest.approx((2 * found["p"]).tolist())


def test_seeds_that_lack_a_run_are_left_out():
    assert against_control(values(ROWS[1:]), "shuffled", "si")["n"].tolist() == [2]
    assert against_control(values(ROWS[:-1]), "shuffled", "si")["n"].tolist() == [2]
    assert len(against_control(values(ROWS[:6]), "shuffled", "si")) == 0
    assert len(against_control(values(ROWS[3:]), "shuffled", "si")) == 0


def test_one_seed_has_values_but_no_test():
    row = against_control(values([r for r in ROWS if r[1] == 0]), "shuffled", "si").iloc[0]
    assert row[["plain_change", "other_change", "beyond"]].tolist() == pytest.approx([-0.3, -0.15, -0.15])
    assert row[["beyond_low", "p", "p_holm"]].isna().all()


def test_the_control_is_the_other_estimate():
    base = profile("digits")
    specs = [base, base.replace(alpha=1.0), base.replace(alpha=1.0, estimate="unbiased")]
    assert control_of(specs) == "unbiased"
    with pytest.raises(ParameterError, match="estimate: none given"):
        control_of(specs[:2])
    with pytest.raises(ParameterError, match="estimate: shuffled, unbiased given"):
        control_of([*specs, base.replace(alpha=1.0, estimate="shuffled")])


def test_values_by_run_are_less_chance():
    study = measured_study("classes", ALPHAS, 2, index=lambda spec: 0.3, sd=lambda spec: 0.5)
    found = by_run(study.runs("resnet20"), study.table("layers"), study.table("units"))
    assert len(found) == 2 * 5  # α = 0, and two α with either estimate
    top = 1.3 / 0.7
    assert found["si"].tolist() == pytest.approx([0.3] * 10)
    assert found["dprime"].tolist() == pytest.approx([(top - 1) / 0.5] * 10)
    assert found["class_share"].tolist() == pytest.approx([0.3] * 10)  # 0.3 + chance − chance
    assert CHANCE > 0
    assert found["mean_over_sd"].tolist() == pytest.approx([(top + 9) / 10 / 0.5] * 10)


def test_without_unit_tables_the_spread_is_unknown():
    study = measured_study("classes", ALPHAS, 1, index=lambda spec: 0.3)
    found = by_run(study.runs("resnet20"), study.table("layers"), study.table("units").iloc[:0])
    assert found["mean_over_sd"].isna().all()
    assert found["si"].notna().all()
