"""Networks of torchvision, timm, transformers and torch: what `make models` measures, and the table it left."""

import pandas as pd
import pytest

from benchmarks.models import CASES, TABLE, Network, measure

STEPS = ["layers_ok", "axis_ok", "gradient_ok", "table_ok", "ablation_ok"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers", "units"),
    # Units by hand: 64 + 4·64 + 4·128 + 4·256 + 4·512; four times the width of each block; 2·40 + 24; 12 + 9.
    [("resnet18", 9, 3904), ("test_convnext", 9, 1632), ("bert", 3, 104), ("lstm", 2, 21)],
)
def test_everything_equals_its_plain_definition(name, layers, units):
    pytest.importorskip({"test_convnext": "timm", "bert": "transformers"}.get(name, "torch"))
    found = measure(name)
    assert [found[step] for step in STEPS] == [True] * 5, found["note"]
    assert (found["found"], found["known"], found["units"]) == (layers, layers, units)


def test_the_table_has_every_network_and_everything_works():
    table = pd.read_csv(TABLE, keep_default_na=False)
    assert table["model"].tolist() == list(CASES)
    assert table[STEPS].all(axis=None)
    assert (table.loc[table["layers"] == "all", "found"] == table.loc[table["layers"] == "all", "known"]).all()


def test_a_wrong_dimension_of_units_shows(monkeypatch):
    """The oracle is not the library: where it is told of other units, nothing agrees."""
    case = CASES["1-D convolutions"]
    monkeypatch.setitem(case.units, "[148]", -1)
    row = measure("1-D convolutions")
    assert not row["axis_ok"] and not row["gradient_ok"] and not row["table_ok"] and not row["ablation_ok"]
    assert row["note"]
    monkeypatch.undo()
    assert Network(case).dims == {"1": 1, "4": 1, "8": 1}
