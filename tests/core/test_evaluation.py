import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from selectivity_core import (
    class_discriminability,
    class_share,
    mutual_information,
    precision,
    preferred_class,
    record,
    selectivity_index,
    train,
)
from selectivity_core.data import load, normalise
from selectivity_core.evaluation import layer_table, measured_units, score
from selectivity_core.evaluation import test_set_pass as one_pass
from selectivity_core.models import build_model
from selectivity_core.tables import MEASURES, SHUFFLED


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(params=["relu", "leaky_relu:0.2"])
def model(request):
    torch.manual_seed(3)
    found = build_model("convnet11", channels=1, image_size=8, classes=10, width=1, activation=request.param)
    torch.nn.init.constant_(found.layers.bn4.bias, -50 if request.param == "relu" else 0)  # a dead layer
    return found


def activity(model, digits):
    model.eval()
    with torch.no_grad(), record(model) as means, record(model, maps=True) as maps:
        logits = model(normalise(digits.test_images, digits))
    return logits, means, maps


def test_score_is_accuracy_and_mean_cross_entropy(model, digits):
    logits, _, _ = activity(model, digits)
    found = score(model, digits, digits.test_images, digits.test_labels, "float32")
    assert found.accuracy == (logits.argmax(1) == digits.test_labels).double().mean().item()
    assert found.loss == pytest.approx(F.cross_entropy(logits, digits.test_labels).item(), rel=1e-5)


def test_one_pass_gives_the_index_of_the_whole_test_set(model, digits):
    _, means, _ = activity(model, digits)
    found = one_pass(model, digits, "float32")
    shift = model.layers.units1.slope > 0
    expected = {}
    for name, values in means.items():
        lowest = values.amin(0).clamp_max(0) if shift else 0  # only what is negative is shifted
        expected[name] = selectivity_index((values - lowest).double(), digits.test_labels)
        np.testing.assert_allclose(found.si[name], expected[name], atol=1e-4)
    assert found.si_units() == pytest.approx(torch.cat(list(expected.values())).mean().item(), abs=1e-4)
    assert found.si_layers() == pytest.approx(np.mean([v.mean().item() for v in expected.values()]), abs=1e-4)
    preferred = torch.cat([preferred_class(v, digits.test_labels) for v in means.values()])
    assert torch.equal(found.preferred, preferred)


def test_unit_table_holds_every_measure_of_every_unit(model, digits):
    _, means, maps = activity(model, digits)
    labels = digits.test_labels
    units, responses, _ = measured_units(model, digits, "float32", seed=0)
    assert units["layer"].drop_duplicates().tolist() == list(means)
    for name, values in means.items():
        rows = units[units["layer"] == name]
        assert rows["unit"].tolist() == list(range(values.shape[1]))
        np.testing.assert_allclose(rows["mean"], values.mean(0), atol=1e-5)
        np.testing.assert_allclose(rows["sd"], values.double().std(0, correction=0), atol=1e-5)
        expected = {
            "si_shifted": selectivity_index(values, labels, shift=True),
            "dprime": class_discriminability(values, labels),
            "class_share": class_share(values, labels), "precision": precision(values, labels),
            "mutual_information": mutual_information(values, labels),
        }  # fmt: skip
        if model.layers.units1.slope == 0:
            expected["si"] = selectivity_index(values, labels)
        for measure, each in expected.items():
            np.testing.assert_allclose(rows[measure], each, atol=2e-2 if measure == "precision" else 5e-3)
        whole = maps[name].flatten(2)
        np.testing.assert_allclose(rows["active_positions"], (whole > 0).double().mean((0, 2)), atol=1e-6)
        np.testing.assert_allclose(rows["active_samples"], (whole > 0).any(2).double().mean(0), atol=1e-6)
        dead = (whole == 0).all(2).all(0)
        assert rows["dead"].tolist() == dead.tolist()
        assert (rows["preferred"].to_numpy()[dead.numpy()] == -1).all()
        of_layer = responses[responses["layer"] == name].pivot(index="unit", columns="class", values="mean")
        by_hand = np.stack([values[labels == c].mean(0).numpy() for c in range(10)], 1)
        np.testing.assert_allclose(of_layer, by_hand, atol=1e-5)
    if model.layers.units1.slope == 0:
        assert units[units["layer"] == "layers.units4"]["dead"].all()
        assert (units.loc[units["dead"], [*MEASURES[:3], "mutual_information"]] == 0).all(axis=None)


def test_shuffled_measures_are_what_chance_gives(model, digits):
    units, _, _ = measured_units(model, digits, "float32", seed=0)
    again, _, _ = measured_units(model, digits, "float32", seed=0)
    pd.testing.assert_frame_equal(units, again, check_exact=True)
    living = units[~units["dead"]]
    # 797 shuffled images of ten classes carry almost nothing, and never more than the true labels on average
    assert living["class_share_shuffled"].mean() == pytest.approx(9 / 796, rel=0.2)
    for measure, null in zip(MEASURES, SHUFFLED, strict=True):
        assert living[null].mean() < living[measure].mean()


def test_layer_table_is_the_mean_over_units():
    units = pd.DataFrame(
        {"layer": ["b", "b", "a"], "unit": [0, 1, 0], "dead": [False, True, False], "switches": [2, 0, 1]}
    )
    for k, column in enumerate([*MEASURES, *SHUFFLED, "active_samples", "active_positions"]):
        units[column] = [0.2 + k, 0.4 + k, 1.0]
    table = layer_table(units, {"a": 0.5, "b": 0.6})
    assert table["layer"].tolist() == ["b", "a"]  # forward order, not the alphabet's
    assert table["depth"].tolist() == [0, 1]
    assert table["units"].tolist() == [2, 1]
    assert table["si"].tolist() == pytest.approx([0.3, 1])
    assert table["si_living"].tolist() == pytest.approx([0.2, 1])
    assert table["si_last"].tolist() == [0.6, 0.5]
    assert table["dead"].tolist() == [0.5, 0]
    assert table["switches"].tolist() == [1, 1]
    assert table["switched"].tolist() == [0.5, 1]


def test_switches_never_exceed_the_epochs(tiny):
    run = train(tiny.replace(epochs=4), progress=False)
    assert run.units["switches"].between(0, 4).all()
    assert run.units["switches"].sum() > 0
