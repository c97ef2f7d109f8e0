"""The table of differences on real networks, against the runs' own tables and direct measurements."""

import re

import numpy as np
import pytest
import torch

from selectivity_core import RunSpec, build_model
from selectivity_core.book.rivals import DIFFERENCES, measure_differences
from selectivity_core.data import load
from selectivity_core.runs.trained import LoadedNetwork, load_network


@pytest.fixture(scope="module")
def trained(finished):
    store, specs = finished
    spec = next(s for s in specs if s.alpha == 0 and s.seed == 0)
    return load_network(spec, store, on_missing="raise")


@pytest.fixture(scope="module")
def table(trained):
    before = {name: values.clone() for name, values in trained.model.state_dict().items()}
    found = measure_differences(trained).set_index("name")
    assert all(torch.equal(values, before[name]) for name, values in trained.model.state_dict().items())
    assert all(not module._forward_hooks for module in trained.model.modules())
    return found


def test_every_difference_has_a_row(table):
    assert table.index.tolist() == [entry.name for entry in DIFFERENCES]
    assert table.index.is_unique
    assert len(table) == 11
    assert table.columns.tolist() == ["differs", "measure", "paper", "other"]
    assert np.isfinite(table[["paper", "other"]].to_numpy()).all()
    assert not any(re.search("[{}]", text) for text in (*table["differs"], *table["measure"]))


def test_the_papers_side_is_the_runs_tables(table, trained, finished):
    row = finished[0].table(trained.spec.id, "runs").iloc[0]
    layers = finished[0].table(trained.spec.id, "layers")
    for name in ("single positions", "layers dropped", "last call only"):
        assert table.loc[name, "paper"] == pytest.approx(row["si_layers"], abs=1e-5)
    assert table.loc["d′ without the root", "paper"] == pytest.approx(layers["dprime"].mean(), abs=1e-4)
    # The MLP's two layers: the last is the one misspelt, and the one that a shared module keeps.
    assert table.loc["layers dropped", "other"] == pytest.approx(layers["si"].iloc[0], abs=1e-5)
    assert table.loc["last call only", "other"] == pytest.approx(layers["si"].iloc[1], abs=1e-5)


def test_a_lost_sign_turns_the_regulariser_around(table):
    for name in ("sign flipped", "sign lost in reading"):
        assert table.loc[name, "other"] > table.loc[name, "paper"] + 0.02


def test_batches_read_higher_in_the_rivals_ways(table):
    assert table.loc["class sums", "paper"] == table.loc["absent classes as zero", "paper"]
    assert table.loc["class sums", "other"] > table.loc["class sums", "paper"]
    assert table.loc["absent classes as zero", "other"] > table.loc["absent classes as zero", "paper"]
    assert table.loc["all other samples", "other"] != table.loc["all other samples", "paper"]


def test_the_other_measures_differ(table):
    assert table.loc["single positions", "other"] == pytest.approx(table.loc["single positions", "paper"], abs=1e-5)
    for name in ("weights zeroed", "d′ without the root", "another fifth at every point"):
        assert abs(table.loc[name, "other"] - table.loc[name, "paper"]) > 0.005


def test_the_same_seed_gives_the_same_table(table, trained):
    again = measure_differences(trained).set_index("name")
    assert again.equals(table)


def test_a_network_with_maps_and_leaky_units():
    """Untrained, and on few samples: every row is there, and positions are no longer the units."""
    spec, data = RunSpec(width=2, activation="leaky_relu:0.2", batch_size=16), load("digits")
    torch.manual_seed(0)
    model = build_model("resnet20", channels=1, image_size=8, classes=10, width=2, activation=spec.activation).eval()
    found = measure_differences(LoadedNetwork(spec, model, data), samples=60).set_index("name")
    assert len(found) == 11
    assert np.isfinite(found[["paper", "other"]].to_numpy()).all()
    assert found.loc["class sums", "measure"] == "SI on test batches of 16"
    assert abs(found.loc["single positions", "other"] - found.loc["single positions", "paper"]) > 0.05
