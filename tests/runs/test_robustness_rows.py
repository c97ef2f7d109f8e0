"""Accuracy of trained networks on changed images, and the dimensions of what changes."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny_specs import TINY

from selectivity_core import RunStore, corrupt, dimensionality, pgd, sweep
from selectivity_core.corruptions import corruptions_for
from selectivity_core.data import load, normalise
from selectivity_core.runs import analyses
from selectivity_core.runs.analyses import ANALYSES, ATTACK_SIZES, dimension_rows, robustness_rows, unchanged
from selectivity_core.runs.archive import export, ledger
from selectivity_core.runs.derived import Task, derive
from selectivity_core.runs.trained import TrainedRuns, fixed, unit_activity
from selectivity_core.runs.validation import table_problems

SPEC = TINY.replace(train_size=200, epochs=5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("robustness"))
    sweep([SPEC], store, jobs=1, progress=False)
    return TrainedRuns(store)


@pytest.fixture(scope="module")
def rows(runs):
    return robustness_rows(runs, SPEC).set_index(["perturbation", "severity"])


def accuracy(runs, images, labels):
    with torch.no_grad():
        return float((runs.network(SPEC)(images).argmax(1) == labels).double().mean())


def test_images_that_lie_class_by_class_are_spread_over_the_classes():
    """Of a folder of classes the first thousand images are of one class."""
    assert fixed(torch.arange(10).repeat_interleave(100), 20).tolist() == [50 * k for k in range(20)]
    assert fixed(torch.tensor([1, 0, 2, 0, 1]), 3).tolist() == [0, 1, 2]
    assert fixed(torch.tensor([0, 0, 1]), 9).tolist() == [0, 1, 2]


def test_every_change_is_there_once(rows):
    assert rows.index.is_unique
    attacks = [(name, eps) for name in ("fgsm", "pgd") for eps in (0.0, *ATTACK_SIZES[1])]
    assert set(rows.index) == {(name, float(s)) for name in corruptions_for(8) for s in range(6)} | set(attacks)
    assert set(rows.loc["fog", "samples"]) == {797} and set(rows.loc["pgd", "samples"]) == {500}


def test_accuracy_is_that_of_a_plain_pass(runs, rows):
    data = runs.dataset(SPEC)
    best = sweep([SPEC], runs.store, progress=False).runs.iloc[0]["test_accuracy"]
    assert rows.loc[("jpeg", 0), "accuracy"] == pytest.approx(best)
    blurred = normalise(corrupt(data.test_images, "gaussian blur", 4), data)
    assert rows.loc[("gaussian blur", 4), "accuracy"] == accuracy(runs, blurred, data.test_labels)
    images, labels = unchanged(data, 500)
    assert rows.loc[("pgd", 0), "accuracy"] == accuracy(runs, normalise(images, data), labels)
    assert rows.loc[("pgd", 64), "accuracy"] < 0.1 < 0.5 < rows.loc[("pgd", 0), "accuracy"]


def test_dimensions_are_those_of_the_change_of_activity(runs):
    found = dimension_rows(runs, SPEC).set_index(["perturbation", "severity", "layer"])
    assert found.index.is_unique and len(found) == 2 * (1 + len(corruptions_for(8)) + 2)
    data, network = runs.dataset(SPEC), runs.network(SPEC)
    images, labels = unchanged(data, 500)

    def activity(uint8):
        return unit_activity(network, data, uint8, "float32")["units2"]

    clean = activity(images)
    assert found.loc[("none", 0, "units2")].tolist() == [1, dimensionality(clean)]
    changed = activity(corrupt(images, "fog", 5)) - clean
    assert found.loc[("fog", 5, "units2")].tolist() == [1, dimensionality(changed)]
    attacked = pgd(
        network, images.permute(0, 3, 1, 2) / 255, labels, 32 / 255, mean=data.mean, std=data.std,
        generator=analyses.generator(0, "pgd"),
    )  # fmt: skip
    # Through whole numbers and back: near enough for the number of components.
    near = activity((attacked * 255).round().to(torch.uint8).permute(0, 2, 3, 1)) - clean
    assert abs(found.loc[("pgd", 32, "units2"), "components"] - dimensionality(near)) <= 1


def test_colour_images_class_by_class(runs, monkeypatch):
    """The first images of every class are taken, and colour is attacked less."""
    grey = load("digits")
    order = grey.test_labels.argsort(stable=True)
    images = grey.test_images[order]
    data = replace(
        grey,
        images=grey.images.repeat(1, 1, 1, 3),
        test_images=images.repeat(1, 1, 1, 3),
        test_labels=grey.test_labels[order],
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    monkeypatch.setattr(runs, "dataset", lambda _spec: data)
    monkeypatch.setattr(runs, "network", lambda *_: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10)))
    found = robustness_rows(runs, SPEC)
    assert sorted(found.loc[found["perturbation"] == "fgsm", "severity"]) == [0, *ATTACK_SIZES[3]]
    assert unchanged(data, 500)[1].unique().tolist() == list(range(10))


def test_they_are_kept_and_archived(runs, rows, tmp_path):
    """Through store and ledger and back, every value allowed; worked out anew they are the same."""
    for name in ("robustness", "dimensions"):
        found = derive([Task(ANALYSES[name], (SPEC,))], runs.store, progress=False)
        assert table_problems(name, found) == []
        assert found["analysis"].unique().tolist() == [f"{name}/1"]
        assert name == "dimensions" or found["accuracy"].tolist() == rows["accuracy"].tolist()
    export(runs.store, tmp_path / "results")
    kept = ledger(folder=tmp_path / "results")
    assert len(kept.robustness) == 8 * 6 + 2 * 5 and len(kept.dimensions) == 22
    assert kept.robustness["accuracy"].between(0, 1).all()


def test_values_that_no_run_has_are_named():
    row = {"run": "0" * 16, "analysis": "robustness/1", "perturbation": "fog", "severity": 1.0, "accuracy": 0.5}
    for column, value in (("severity", -1.0), ("accuracy", 1.2), ("samples", 2.5), ("perturbation", "<b>")):
        (problem,) = table_problems("robustness", pd.DataFrame([{"samples": 500, **row, column: value}]))
        assert column in problem and "is allowed" in problem
