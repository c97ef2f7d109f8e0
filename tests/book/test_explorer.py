"""What the α explorer draws, against tables made by hand and the kept runs."""

import json
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from selectivity_core import RunSpec, ledger
from selectivity_core import profile as base_spec
from selectivity_core.book import BookError
from selectivity_core.book import explorer as module
from selectivity_core.book.explorer import explorer, explorer_data
from selectivity_core.book.papers.claims import reported_change
from selectivity_core.tables import Tables

RESULTS = Path(__file__).parents[2] / "results"
# (α, seed) -> test accuracy and mean index
RUNS = {
    (-1.0, 0): (0.80, 0.1),
    (0.0, 0): (0.90, 0.3),
    (0.0, 1): (0.94, 0.5),
    (2.0, 0): (0.5, 0.7),
    (2.0, 1): (0.6, 0.9),
}
# layer -> unit -> class means of classes 0, 1, 2, at α = 0; at other α those of class 0 are α² higher
RESPONSES = {"stem": [[3.0, 1.0, 1.0], [0.0, 0.0, 0.0]], "stage1.0": [[0.5, 0.123456, 0.0]]}


def run_row(spec, accuracy, index):
    """A completed run's row."""
    row = {
        "run": spec.id,
        **spec.as_dict(),
        "status": "diverged" if accuracy != accuracy else "complete",
        "provenance_data": "a made-up set",
    }
    return row | {"milestones": "", "window": "", "test_accuracy": accuracy, "si_units": index}


def tables(runs=RUNS, without_units=(), **fields) -> Tables:
    """Runs as given, on the digits; units and responses of all but some (α, seed)."""
    rows, units, responses = [], [], []
    for (alpha, seed), (accuracy, index) in runs.items():
        spec = RunSpec(alpha=alpha, seed=seed, **fields)
        rows.append(run_row(spec, accuracy, index))
        for layer, means in RESPONSES.items() if (alpha, seed) not in without_units else ():
            for unit, (first, *others) in enumerate(means):
                place, first = {"run": spec.id, "layer": layer, "unit": unit}, first + alpha**2
                rest = sum(others) / 2
                si = (first - rest) / (first + rest) if first + rest else 0.0
                units.append(place | {"mean": (first + sum(others)) / 3, "si": si})
                responses += [place | {"class": label, "mean": mean} for label, mean in enumerate((first, *others))]
    return Tables(runs=pd.DataFrame(rows), units=pd.DataFrame(units), responses=pd.DataFrame(responses))


def data(found: Tables, model="resnet20") -> dict:
    return explorer_data(found, model)


def page(found) -> BeautifulSoup:
    return BeautifulSoup(found.data, "html.parser")


def test_networks_are_means_over_seeds_and_changes_pair_them():
    found = data(tables())
    assert found["alphas"] == [-1.0, 0.0, 2.0]
    assert [n["accuracy"] for n in found["networks"]] == [0.8, 0.92, 0.55]
    assert [n["index"] for n in found["networks"]] == [0.1, 0.4, 0.8]
    assert [n["each"] for n in found["networks"]] == [[[0.1, 0.8]], [[0.3, 0.9], [0.5, 0.94]], [[0.7, 0.5], [0.9, 0.6]]]
    # seed 0 alone: 0.8 − 0.9, not 0.8 − 0.92; both: the mean of −0.4 and −0.34
    assert [(n["change"], n["pairs"]) for n in found["networks"]] == [(-0.1, 1), (0.0, 2), (-0.37, 2)]


def test_settings_that_the_regulariser_alone_reads_share_their_baseline():
    """α = 0 stands as plain whatever the others' rounding; a lone run of another rounding is not the sweep."""
    plain = tables({key: value for key, value in RUNS.items() if key[0] == 0})
    dithered = tables({key: value for key, value in RUNS.items() if key[0] != 0}, rounding="dithered")
    other = tables({(-1.0, 0): (0.1, 0.9)})
    parts = [plain, dithered, other]
    joint = {name: pd.concat(getattr(part, name) for part in parts) for name in ("runs", "units", "responses")}
    assert data(Tables(**joint)) == data(tables())


def test_units_have_three_significant_digits_by_alpha_unit_and_class():
    stem, stage = data(tables())["layers"]
    assert (stem["name"], stem["depth"], stage["name"], stage["depth"]) == ("stem", 1, "stage1.0", 2)
    assert stem["responses"] == [
        [[4.0, 1.0, 1.0], [1.0, 0.0, 0.0]], [[3.0, 1.0, 1.0], [0.0, 0.0, 0.0]], [[7.0, 1.0, 1.0], [4.0, 0.0, 0.0]],
    ]  # fmt: skip
    assert stem["si"] == [[0.6, 1.0], [0.5, 0.0], [0.75, 1.0]]
    assert stem["mean"] == [[2.0, 0.333], [1.67, 0.0], [3.0, 1.33]]
    assert stage["responses"][1] == [[0.5, 0.123, 0.0]]
    assert stage["si"][1] == [0.78]  # (0.5 − 0.061728) / (0.5 + 0.061728) = 0.78022


def test_the_units_are_those_of_the_lowest_seed_that_has_them_at_0():
    assert data(tables())["seed"] == 0
    found = data(tables(without_units=[(0.0, 0)]))
    assert (found["seed"], found["alphas"], found["left_out"]) == (1, [0.0, 2.0], [-1.0])


def test_of_too_many_units_every_nth_is_drawn(monkeypatch):
    assert data(tables())["every"] == 1
    monkeypatch.setattr(module, "MOST_MEANS", 20)  # there are 3 α, 3 units and 3 classes
    found = data(tables())
    assert (found["every"], [len(layer["si"][0]) for layer in found["layers"]]) == (2, [1, 1])


def test_runs_of_other_recipes_are_not_mixed_in():
    short = tables({(0.0, 0): (0.1, 0.1), (5.0, 0): (0.1, 0.1)}, epochs=30, milestones=(20,))
    dprime = tables({(1.0, 0): (0.1, 0.1)}, index="dprime")
    both = [pd.concat([getattr(t, name) for t in (short, tables(), dprime)]) for name in ("runs", "units", "responses")]
    assert data(Tables(runs=both[0], units=both[1], responses=both[2])) == data(tables())


def test_what_cannot_be_drawn_is_refused_by_name():
    with pytest.raises(BookError, match="model: 'vgg16' given; the tables have no finished run of it at α = 0"):
        data(tables(), model="vgg16")
    with pytest.raises(BookError, match="no units with class means of it at α = 0"):
        data(tables(without_units=[(0.0, 0), (0.0, 1)]))
    with pytest.raises(BookError, match="no finished run of it at α = 0"):
        data(tables({(1.0, 0): (0.5, 0.5)}))
    other = tables(epochs=30, milestones=(20,))
    with pytest.raises(BookError, match="2 recipes of resnet20 have 3 α each"):
        data(Tables(runs=pd.concat([tables().runs, other.runs]), units=other.units, responses=other.responses))
    lacking = tables()
    lacking.units = lacking.units.iloc[1:]
    with pytest.raises(BookError, match="the runs of layer stem do not have the same units"):
        data(lacking)


def test_an_alpha_without_units_or_that_diverged_is_named_or_left_out():
    found = data(tables(without_units=[(2.0, 0)]))
    assert (found["alphas"], found["left_out"]) == ([-1.0, 0.0], [2.0])
    diverged = tables(RUNS | {(30.0, 0): (float("nan"), float("nan"))})
    assert data(diverged) == data(tables())


def test_the_papers_values_are_those_for_its_own_data():
    assert data(tables())["paper"] == {"index": [], "change": []}
    assert data(tables(dataset="cifar10"))["paper"] == {
        "index": [(-30.0, 0.003), (-1.0, 0.07), (0.0, 0.22)], "change": [(0.7, -0.05)],
    }  # fmt: skip
    assert reported_change("resnet18", "tiny-imagenet") == pytest.approx({-1.0: 0.0203, 5.0: -0.2657})


def test_a_name_cannot_break_out_of_the_page(monkeypatch):
    evil = ("</script><script>alert(1)</script>", "<!--<script>", "&lt;'\"")
    monkeypatch.setattr(module, "class_names", lambda dataset: evil)
    embedded, drawing = page(explorer(tables())).find_all("script")
    assert json.loads(embedded.string)["classes"] == list(evil)
    assert "render({ model" in drawing.string


def test_without_scripts_there_are_a_picture_and_a_table():
    drawing = page(explorer(tables())).find(class_="drawing")
    assert drawing.img["alt"] == (
        "Test accuracy and mean selectivity index of ResNet20 on scikit-learn's digits at 3 α; 92.0 % and 0.4 at α = 0."
    )
    rows = [[cell.text for cell in row.find_all("td")] for row in drawing.table.tbody.find_all("tr")]
    assert rows == [["−1", "80.0", "0.1", "1"], ["0", "92.0", "0.4", "2"], ["2", "55.0", "0.8", "2"]]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["digits", "cifar10-fast"])
def test_the_kept_runs_fit_and_say_what_the_tables_say(profile):
    kept = ledger(profile, folder=RESULTS)
    made = explorer(kept)
    assert len(made.data.encode()) < 1_000_000  # of the 1.5 MB that a page may take
    assert made.data == explorer(kept).data  # a page that is built again does not change
    found = json.loads(page(made).find("script", type="application/json").string)
    layer, at = found["layers"][7], found["alphas"].index(1.0)
    run = base_spec(profile).replace(model="resnet20", alpha=1.0).id
    units, means = (
        frame[(frame["run"] == run) & (frame["layer"] == layer["name"])] for frame in (kept.units, kept.responses)
    )
    assert layer["si"][at] == pytest.approx(units.sort_values("unit")["si"].tolist(), rel=5e-3)
    of_three = means[means["unit"] == 3].sort_values("class")["mean"].tolist()
    assert layer["responses"][at][3] == pytest.approx(of_three, rel=5e-3)


def test_too_much_data_is_refused(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10_000)
    with pytest.raises(
        BookError, match=r"'resnet20' with 2 layers, 3 classes and 3 α takes .* MB; 0.01 MB are allowed"
    ):
        explorer(tables())
