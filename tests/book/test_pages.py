import math
from dataclasses import replace

import pandas as pd
import pytest

from selectivity_core.book import NOT_HERE, pages
from selectivity_core.book.evidence import Evidence
from selectivity_core.book.pages import gather, says, tasks_for
from selectivity_core.book.papers.claims import all_claims
from selectivity_core.book.papers.figures import find_figure, grid
from selectivity_core.book.verdicts import judge
from selectivity_core.errors import MissingRunsError, ParameterError, SpecError
from selectivity_core.runs.profiles import Bound, find_profile


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No ledger, and a store of its own."""
    monkeypatch.setenv("SELECTIVITY_LEDGER", "none")
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def archived(monkeypatch):
    """The tracked ledger."""
    monkeypatch.delenv("SELECTIVITY_LEDGER", raising=False)


def test_without_a_ledger_nothing_is_there(alone):
    found = gather("fig4", profile="digits", on_missing="skip")
    assert found.runs.empty and len(found.missing) == len(found.specs) == 240
    column = found.context().set_index("")["ResNet18"]
    assert (column["seeds at α = 0"], column["test accuracy"]) == ("0", "–")
    with pytest.raises(MissingRunsError, match="240 of 240 runs"):
        gather("fig4", profile="digits", on_missing="raise")


def test_all_archived_seeds_are_drawn_unless_some_are_named(archived):
    every = gather("fig4", profile="digits", on_missing="skip")
    assert every.runs["seed"].nunique() == 20
    assert sorted(gather("fig4", profile="digits", seeds=[3, 4], on_missing="skip").runs["seed"].unique()) == [3, 4]
    assert gather("fig4", profile="digits", seeds=2, alphas=[1], on_missing="skip").runs["alpha"].nunique() == 2


def test_the_context_says_what_the_networks_are(archived):
    column = gather("figA2", profile="cifar10-short", on_missing="skip").context().set_index("")["ResNet20"]
    assert column["data"] == "CIFAR-10 (JPEG copy)"
    assert (column["width (units of the first layer)"], column["training images"]) == ("16 (the paper: 16)", "45,000")
    assert (column["epochs (steps)"], column["seeds at α = 0"]) == ("8 (1,408)", "6")
    assert column["the paper"] == "CIFAR-10, accuracy not given (He et al. 2016: 91.25 %)"
    assert column["test accuracy"].startswith("75.")
    eighteen = gather("fig4", profile="tiny-imagenet-20", on_missing="skip").context().set_index("")["ResNet18"]
    assert eighteen["the paper"] == "Tiny ImageNet, 51.57 %"
    vgg = gather("figA12", profile="digits", on_missing="skip").context().set_index("")["VGG16"]
    assert vgg["the paper"] == "CIFAR-10, accuracy not given"


def test_the_context_counts_baselines_that_a_setting_shares(archived):
    column = gather("figA20", profile="digits", on_missing="skip").context().set_index("")["ResNet18"]
    assert int(column["seeds at α = 0"]) >= 8 and "nan" not in column["test accuracy"]


def test_derived_tables_come_with_the_figures_that_need_them(archived):
    assert len(gather("fig2", profile="digits", on_missing="skip").tables.bounds)


def test_what_is_looked_at_closer_are_baselines():
    specs = grid("digits", "windows", seeds=2)
    tasks = tasks_for(find_figure("windows"), specs, None)
    assert [(t.analysis.kind, t.runs[0].alpha, t.runs[0].seed) for t in tasks] == [
        ("importance by epoch", 0.0, 0), ("importance by epoch", 0.0, 1)
    ]  # fmt: skip
    once = {t.analysis.table for t in tasks_for(find_figure("morcos4"), grid("digits", "morcos4", seeds=1), None)}
    assert once == {"curves"}


def test_the_off_axis_bound_has_the_alphas_and_seeds_of_its_kind_of_grid():
    base = find_profile("digits")
    scale = replace(base, grids={"warm_up_bound": (0.0, -5.0)}, counts={"warm_up_bound": 4}, bound=Bound((0.0,), 1, 2))
    warm_up, plain = find_figure("figA30"), find_figure("fig2")
    assert pages.bound_limit(scale, warm_up, ()) == Bound((0.0, -5.0), 4, 2)
    assert pages.bound_limit(scale, warm_up, [-1.0]) == Bound((-1.0,), 4, 2)
    assert pages.bound_limit(scale, plain, ()) == Bound((0.0,), 1, 2)
    assert pages.bound_limit(replace(scale, bound=None), warm_up, [-1.0]) is None


def test_what_is_not_allowed_is_refused():
    with pytest.raises(SpecError, match="profile"):
        gather("fig1", profile="digit")
    with pytest.raises(SpecError, match="overrides: alpha"):
        gather("fig1", profile="digits", overrides={"alpha": 1})


@pytest.mark.slow
def test_claims_are_judged_on_the_runs_that_the_page_drew(alone):
    """Under other parameters n and estimates are those of the page, not of the archive."""
    ask = {"alphas": [-2, 2], "seeds": 2, "overrides": {"epochs": 1, "milestones": [], "width": 2, "train_size": 20}}
    drawn = gather("fig4", profile="digits", **ask)
    evidence = Evidence("digits", **ask)
    evidence.add(drawn)
    [found] = judge(all_claims()["L048"], evidence)
    cells = drawn.runs.pivot(index="seed", columns="alpha", values="test_accuracy")
    assert (found.finding.estimate.n, found.finding.estimate.mean) == (2, pytest.approx((cells[-2] - cells[2]).mean()))


def test_says_marks_what_does_not_hold():
    held = says("Always.", ("Also true.", True)).data
    assert held == "<p>Always. Also true.</p>"
    linked = says("[A <unit>](../book/glossary.html#term-unit) in [0, 1] (see below).").data
    assert linked == '<p><a href="../book/glossary.html#term-unit">A &lt;unit&gt;</a> in [0, 1] (see below).</p>'
    assert says("[It](09_active_units.ipynb).").data == '<p><a href="09_active_units.html">It</a>.</p>'
    assert says("**Not *one*.** 2**3").data == "<p><b>Not *one*.</b> 2**3</p>"
    assert says("One.", "Two.", "**Then** three.", "Four.").data == "<p>One. Two.</p><p><b>Then</b> three. Four.</p>"
    listed = says("All:", "* one", ("* two * three", True), "End.", "* last").data
    assert listed == "<p>All:</p><ul><li>one</li><li>two * three</li></ul><p>End.</p><ul><li>last</li></ul>"
    failed = says(("<Not> so.", pd.Series([1]).gt(2).any())).data
    assert NOT_HERE in failed and "&lt;Not&gt; so." in failed and "default runs" in failed
    for holds in (False, True):  # of an empty table `all` is true
        unknown = says("One.", (f"It falls to {math.nan:.1f} in Nancy.", holds), "Two.").data
        assert NOT_HERE in unknown and "falls" not in unknown and "stands here" in unknown
    assert "Nancy" in says("It falls to 0.1 in Nancy, by a banana.").data


def test_long_work_is_refused_unless_it_was_allowed(monkeypatch, command_line):
    """460 runs of 200 epochs: what `selectivity figure` begins with --yes alone."""
    from selectivity_core.book.build import pages as rendering

    monkeypatch.setattr(rendering, "make_figure", lambda *_: (pages.allowed_hours(), "page"))
    monkeypatch.setenv("SELECTIVITY_MAX_HOURS", "")  # and back to what it was afterwards
    assert command_line("figure", "05_figure_4")[:2] == (0, "4.0\npage\n")
    assert command_line("figure", "05_figure_4", "--yes")[:2] == (0, "inf\npage\n")
    monkeypatch.setenv("SELECTIVITY_MAX_HOURS", "a day")
    with pytest.raises(ParameterError, match="SELECTIVITY_MAX_HOURS: 'a day' given; a number of hours"):
        pages.allowed_hours()


def test_a_figure_that_takes_long_is_refused_before_anything_is_trained(alone, tmp_path):
    with pytest.raises(ParameterError, match=r"hours are allowed without --yes .*SELECTIVITY_MAX_HOURS"):
        gather("fig4", profile="cifar10")
    assert not (tmp_path / "runs").exists()
