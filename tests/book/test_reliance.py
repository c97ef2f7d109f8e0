"""Reliance on single units: what tables of the book say of it, and choosing by a score."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from selectivity_core.book.reliance import choose_by, fitting, left_out
from selectivity_core.errors import MissingRunsError, ParameterError
from selectivity_core.seeds import generator


def test_networks_below_the_limit_are_counted_by_setting():
    runs = pd.DataFrame(
        {
            "run": ["a", "b", "c", "d", "d"], "seed": [1, 0, 0, 1, 1], "model": ["mlp", "mlp", "mlp", "mlp", "mlp"],
            "label_corruption": [0.0, 0.0, 1.0, 1.0, 1.0], "train_accuracy_last": [0.9, 0.94, 0.95, 0.5, 0.5],
        }
    )  # fmt: skip
    found = left_out(runs, "model", "label_corruption")
    assert list(found) == [
        "model", "label_corruption", "networks", "left out", "seeds", "lowest training accuracy (%)",
    ]  # fmt: skip
    assert found.to_numpy().tolist() == [["mlp", 0.0, 2, 2, "0, 1", 90.0], ["mlp", 1.0, 2, 1, "1", 50.0]]
    none = left_out(runs[runs["run"] == "c"], "model")
    assert list(none) == ["model", "networks", "left out", "seeds", "lowest training accuracy (%)"]
    assert none.empty


def test_networks_that_do_not_fit_are_left_out_and_named_where_none_does():
    areas = pd.DataFrame({"run": ["a", "b"], "fits": [True, False], "train_accuracy_last": [1.0, 0.4]})
    assert fitting(areas)["run"].tolist() == ["a"]
    with pytest.raises(MissingRunsError, match=r"no network fits .*the best has 40 %"):
        fitting(areas[~areas["fits"]])
    with pytest.raises(MissingRunsError, match="is at hand"):
        fitting(areas[:0])


def one_by_one(score, outcome, subset, best):
    among, gaps, drawn = dict.fromkeys(best, 0), [], []
    for chosen_from in combinations(range(len(score)), subset):
        mine = max(chosen_from, key=lambda k: (score[k], -k))
        outcomes = [outcome[k] for k in chosen_from]
        gaps.append(max(outcomes) - outcome[mine])
        drawn.append(max(outcomes) - np.mean(outcomes))
        for k in among:
            among[k] += sum(o > outcome[mine] for o in outcomes) < k
    return {k: v / len(gaps) for k, v in among.items()}, np.mean(gaps), np.mean(drawn)


def test_by_hand():
    # Of the pairs (0, 1), (0, 2), (1, 2) the score chooses 0, 0, 1: worst, worst, best of its pair.
    found = choose_by([3, 2, 1], [0.1, 0.5, 0.3], 2, best=(1, 2))
    wanted = {"best 1": 1 / 3, "best 2": 1, "behind": (0.4 + 0.2 + 0) / 3, "behind, drawn": (0.2 + 0.1 + 0.1) / 3}
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("subset", range(1, 9))
@pytest.mark.parametrize("ties", [False, True])
def test_against_every_subset(subset, ties):
    import torch

    draw = torch.rand(2, 8, generator=generator(0, "choosing", subset)).double().numpy()
    score, outcome = np.round(draw, 1) if ties else draw
    among, gap, drawn = one_by_one(score, outcome, subset, (1, 3, 5))
    wanted = {f"best {k}": v for k, v in among.items()} | {"behind": gap, "behind, drawn": drawn}
    assert choose_by(score, outcome, subset) == pytest.approx(wanted, abs=1e-12)


def test_the_outcome_itself_always_chooses_the_best():
    found = choose_by([4, 1, 3, 2], [4, 1, 3, 2], 3)
    assert found["best 1"] == pytest.approx(1)
    assert found["behind"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([1, 2], [1], 1), r"^score, outcome: \(2,\) and \(1,\) given"),
        (([[1]], [[1]], 1), "^score, outcome:"),
        (([1, np.nan], [1, 2], 1), "^score, outcome: a value that is not finite"),
        (([1, 2], [1, 2], 3), "^subset: 3 given; 1 to 2 is allowed"),
        (([1, 2], [1, 2], 0), "^subset: 0 given"),
        (([], [], 1), "^subset: 1 given"),
    ],
)
def test_what_cannot_be_is_refused(given, words):
    with pytest.raises(ParameterError, match=words):
        choose_by(*given)
