import shlex
from argparse import ArgumentParser
from functools import partial

import pytest
from made_up_study import DATA, made_up_study

from selectivity_core.book.figures import Nothing, Shown, distance_explorer, distance_table, draw
from selectivity_core.book.paper.figures import find_figure, grid
from selectivity_core.book.study import Study, gather
from selectivity_core.cli.arguments import add_grid, grid_of
from selectivity_core.errors import MissingRunsError, SpecError
from selectivity_core.rotation import off_axis_scores
from selectivity_core.runs.archive import export
from selectivity_core.runs.store import default_store
from selectivity_core.tables import Tables

TINY = {"epochs": 1, "milestones": [], "width": 1, "train_size": 40}


@pytest.fixture
def study():
    """Six runs wanted: one diverged, one is missing."""
    return made_up_study((-1.0, 0.0, 30.0), 2, diverged=[(30.0, 0)], missing=[(30.0, 1)])


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Runs of its own, trained in this process."""
    monkeypatch.setattr("selectivity_core.runs.executing.default_jobs", lambda specs, gpus: 1)
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    return tmp_path


def test_what_is_there_and_what_is_missing(study):
    assert study.missing == [study.specs[-1]]
    assert study.models == ["resnet18"]
    assert len(study.runs()) == len(study.runs("resnet18")) == 4
    assert not len(study.runs("resnet20"))


def test_a_diverged_run_is_in_no_table(study):
    diverged = study.specs[2].id
    assert diverged in study.tables.runs["run"].tolist()
    assert diverged not in study.runs()["run"].tolist()
    layers = study.table("layers")
    assert diverged not in layers["run"].tolist()
    assert layers.drop_duplicates("run")[["alpha", "seed"]].to_numpy().tolist() == [[-1, 0], [0, 0], [-1, 1], [0, 1]]
    assert {"model", "activation", "estimate"} <= set(layers)
    assert len(study.table("layers", "resnet18")) == len(layers)
    assert not len(study.table("layers", "resnet20"))


def test_the_account_says_n_place_missing_and_diverged(study):
    text = study.account()
    assert "n = 2 seeds at each of 2 values of α" in text
    assert f"ResNet18 on {DATA} (scaled down; the paper's is ResNet18 on Tiny ImageNet)" in text
    assert "Diverged, so neither drawn nor in any mean: ResNet18 at α = 30, seed 0." in text
    assert "1 of 6 runs is missing, the first: ResNet18 at α = 30, seed 1." in text
    command = "selectivity sweep --profile digits --figure fig4 --alphas=-1,0,30 --seeds 0,1"
    assert text.endswith(f"To train them: `{command}`")
    assert [p.split(":")[0].split(",")[0] for p in study.lacking()] == ["Diverged", "1 of 6 runs is missing"]


def test_an_account_of_unequal_numbers():
    text = made_up_study((-1.0, 0.0), 2, diverged=[(0.0, 1)]).account()
    assert "n = 1 to 2 seeds at each of 2" in text
    assert "missing" not in text
    complete = made_up_study((0.0,), 1)
    assert complete.lacking() == []
    assert "n = 1 seed at one value of α" in complete.account()


def test_the_command_leaves_seeds_to_a_profile_that_has_more_at_alpha_0():
    specs = grid("cifar10-short", "fig1", alphas=[-1.0])
    command = Study(find_figure("fig1"), "cifar10-short", specs, Tables()).command()
    assert command == "selectivity sweep --profile cifar10-short --figure fig1 --alphas=-1,0"
    listed = Study(find_figure("fig1"), "cifar10-short", [s for s in specs if s.seed < 3], Tables()).command()
    assert listed == f"{command} --seeds 0,1,2"
    alone = Study(find_figure("fig1"), "cifar10-short", [s for s in specs if s.alpha == 0], Tables()).command()
    assert alone.endswith("--alphas=0 --seeds 0,1,2,3,4,5")


def test_seeds_that_alpha_0_alone_has_are_in_no_mean():
    unequal = made_up_study(missing=[(-1.0, 2), (1.0, 2)])
    assert unequal.runs("resnet18").groupby("alpha")["seed"].agg(list).tolist() == [[0, 1]] * 3
    assert unequal.further("resnet18")[["alpha", "seed"]].to_numpy().tolist() == [[0, 2]]
    assert sorted(set(unequal.table("layers")["seed"])) == [0, 1]
    assert unequal.missing == [s for s in unequal.specs if s.seed == 2 and s.alpha]
    said = "n = 2 seeds at each of 3 values of α (1 more at α = 0 is in no mean: no other α has its seed)."
    assert said in unequal.account()


def test_seeds_that_some_other_alpha_has_are_in_the_means():
    for place, n in (((-1.0, 2), "2 to 3"), ((0.0, 2), "2 to 3")):
        study = made_up_study(missing=[place])
        assert (study.replicates("resnet18"), len(study.further("resnet18"))) == (n, 0)
    ragged = made_up_study(missing=[(-1.0, 1), (-1.0, 2), (1.0, 2)])
    assert (ragged.replicates("resnet18"), len(ragged.further("resnet18"))) == ("1 to 2", 1)
    alone = made_up_study((0.0,))
    assert (alone.replicates("resnet18"), len(alone.further("resnet18"))) == ("3", 0)


def test_an_account_of_nothing():
    text = made_up_study((0.0,), 1, missing=[(0.0, 0)]).account()
    assert "**ResNet18 on digits (scaled down; the paper's is ResNet18 on Tiny ImageNet)**: n = 0 seeds" in text


@pytest.mark.parametrize(
    ("figure", "profile", "words"),
    [
        ("fig4", "tiny-imagenet", "ResNet18 on digits made up"),
        ("fig4", "cifar10", "ResNet20 on digits made up (the paper's is ResNet18 on Tiny ImageNet)"),
        ("figA3", "tiny-imagenet", "ResNet18 on digits made up (the paper's is ResNet20 on CIFAR-10)"),
        (
            "figA1",
            "cifar10-short",
            "ResNet20 on digits made up (scaled down; the paper's is ResNet20 on CIFAR-10)",
        ),
        (
            "figA16",
            "tiny-imagenet",
            "ResNet18 on digits made up (the paper's is VGG16 on CIFAR-10 and ResNet20 on CIFAR-10)",
        ),
    ],
)
def test_a_setting_says_whose_place_it_takes(figure, profile, words):
    study = made_up_study((0.0,), 1, figure=figure, profile=profile)
    assert study.setting(study.models[0]) == words


def test_what_was_overridden_is_said_and_put_into_the_command():
    study = made_up_study((-1.0, 0.0), 1, missing=[(0.0, 0)], epochs=2, milestones=(1,))
    assert "ResNet18 on digits made up, epochs 2 instead of 40, milestones (1) instead of (20, 30) (scaled down" in (
        study.setting("resnet18")
    )
    assert study.command().endswith("--set epochs=2 --set 'milestones=[1]'")


@pytest.mark.parametrize(
    ("figure", "override", "words"),
    [
        ("figA20", {"layers": "last3"}, "layers last3 instead of first3"),
        ("figA19", {"index": "si"}, "index si instead of dprime"),
        ("figA30", {"warmup_epochs": 0.0}, "warmup_epochs 0.0 instead of 2."),
        ("figA9", {"activation": "leaky_relu:0.2"}, "activation leaky_relu:0.2 instead of relu"),
    ],
)
def test_an_override_of_what_makes_the_figure_is_said_too(figure, override, words):
    study = made_up_study((-1.0, 0.0, 1.0), 1, figure=figure, **override)
    assert words in study.setting(study.models[0])
    assert grid_of(parsed(shlex.split(study.command())[2:])) == study.specs
    plain = made_up_study((-1.0, 0.0, 1.0), 1, figure=figure)
    assert "instead of" not in plain.setting(plain.models[0])
    assert "--set" not in plain.command()


@pytest.mark.parametrize("figure", ["figA20", "figA19", "figA31", "figA9", "classes", "index"])
def test_the_baseline_alone_overrides_nothing(figure):
    study = made_up_study((0.0,), 1, figure=figure)
    assert "instead of" not in study.account()


@pytest.mark.parametrize("figure", ["fig1", "figA9", "figA19", "figA30", "batches"])
def test_the_command_asks_for_the_same_runs(figure):
    study = made_up_study((-2.0, 0.0, 0.4), [3, 5], figure=figure, width=2, epochs=3, milestones=())
    words = shlex.split(study.command())
    assert words[:2] == ["selectivity", "sweep"]
    assert grid_of(parsed(words[2:])) == study.specs


def parsed(words):
    parser = ArgumentParser()
    add_grid(parser)
    return parser.parse_args(words)


def test_the_command_for_one_seed_and_one_network():
    study = made_up_study((0.0,), [4], figure="figA1", models=["resnet20"])
    assert shlex.split(study.command())[-4:] == ["--seeds", "4,", "--model", "resnet20"]
    assert grid_of(parsed(shlex.split(study.command())[2:])) == study.specs


def test_the_cost_is_that_of_what_is_missing():
    study = made_up_study((-1.0, 0.0), 2, missing=[(-1.0, 1)])
    assert study.cost().startswith("That would take about 10 s of one core")
    study.tables.runs["seconds"] = 1200.0
    assert "about 20 minutes" in study.cost()


@pytest.mark.slow
def test_gather_trains_reads_and_skips(alone, monkeypatch):
    options = {"profile": "digits", "alphas": [-1.0], "seeds": 1, "models": ["resnet20"], "overrides": TINY}
    empty = gather("fig1", **options, on_missing="skip")
    assert len(empty.missing) == len(empty.specs) == 2
    assert isinstance(draw(empty), Nothing)
    assert not (alone / "runs").exists()
    with pytest.raises(MissingRunsError, match="2 of 2 runs are missing"):
        gather("fig1", **options, on_missing="raise")
    study = gather("fig1", **options)
    assert study.runs()["alpha"].tolist() == [-1, 0]
    assert not study.missing
    assert default_store().ids() == sorted(s.id for s in study.specs)
    # then from the ledger alone, with more runs wanted than there are
    export(default_store(), alone / "ledger")
    monkeypatch.setenv("SELECTIVITY_RUNS", str(alone / "empty"))
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(alone / "ledger"))
    again = gather("fig1", **(options | {"seeds": [1, 0]}), on_missing="skip")
    assert [s.seed for s in again.missing] == [1, 1]
    assert again.runs()["test_loss"].tolist() == study.runs()["test_loss"].tolist()
    assert "That would take about" in again.cost()
    assert not (alone / "empty").exists()


@pytest.mark.slow
def test_gather_works_out_distances_and_bounds_of_finished_runs(alone, monkeypatch):
    """Figure 2 on tiny networks that are really trained: from weights to a picture of all its panels."""
    monkeypatch.setattr("selectivity_core.runs.analyses.off_axis_scores", partial(off_axis_scores, steps=3))
    ask = {"profile": "digits", "alphas": [-2.0, 0.0], "overrides": TINY}
    one = gather("fig2", **ask, seeds=1)
    shown = draw(one)  # one seed has nothing within an α: three panels cannot be drawn
    assert isinstance(shown, Shown)
    assert [letter for letter, _ in shown.used] == ["c"]
    assert "Not drawn: panel a (two seeds or more at α = 0 and at another α are needed), panel b (" in shown.lacking[0]
    assert isinstance(distance_explorer(one), Nothing)
    assert distance_table(one).frame.empty
    two = gather("fig2", **ask, seeds=2)
    shown = draw(two)
    assert [(letter, len(runs)) for letter, runs in shown.used] == [("a", 4), ("b", 4), ("c", 2), ("d", 4)]
    assert "From some of the networks only: c (2 of 4)." in shown.caption
    assert "nan" not in shown.alt
    # Without the networks, what was worked out is still there.
    before = two.tables.pairs
    monkeypatch.setattr("selectivity_core.runs.trained.network", None)
    assert gather("fig2", **ask, seeds=2).tables.pairs.equals(before)
    assert len(distance_table(two).frame) == 3


def test_a_figure_without_runs_has_no_distances(alone):
    study = gather("fig2", profile="digits", alphas=[-1.0], seeds=2, on_missing="skip")
    assert len(study.tables.pairs) == len(study.tables.bounds) == 0
    assert isinstance(distance_explorer(study), Nothing)
    assert distance_table(study).frame.empty
    assert isinstance(draw(study), Nothing)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "digit"}, "profile: 'digit'"),
        ({"alphas": [float("nan")]}, "alpha: nan"), ({"seeds": -1}, "seeds: -1"),
        ({"overrides": {"beta": 1}}, "beta.* no .*field"),
    ],
)  # fmt: skip
def test_gather_refuses_before_any_training(options, words):
    with pytest.raises(SpecError, match=words):
        gather("fig1", **({"profile": "digits"} | options))


def test_diverged_runs_alone_are_nothing_to_draw():
    study = made_up_study((0.0,), 1, diverged=[(0.0, 0)])
    nothing = draw(study)
    assert isinstance(nothing, Nothing)
    assert "Diverged" in " ".join(nothing.lacking)
