from pathlib import Path

import pytest

from selectivity_core import RunSpec, grid, profile
from selectivity_core.book.paper import FIGURES, models_for
from selectivity_core.book.paper.figures import PAPER_EPOCHS, baselines, find_figure, on_side, setting, stretched
from selectivity_core.errors import SpecError
from selectivity_core.runs.profiles import PROFILES, find_profile


def test_grid_of_figure_4_on_the_digits():
    specs = grid("digits", "fig4")
    scale = find_profile("digits")
    assert len(specs) == len(set(specs)) == len(scale.alphas) * scale.seeds
    assert {s.model for s in specs} == {"resnet18"}
    assert [s.alpha for s in specs[: len(scale.alphas)]] == sorted(scale.alphas)
    assert [s.seed for s in specs] == sorted(s.seed for s in specs)
    assert specs[0] == profile("digits", model="resnet18", alpha=-30.0, seed=0)


def test_one_sided_figures_keep_the_baseline():
    alphas = [2, -1.0, 0, -5, 0.4]
    assert [s.alpha for s in grid("digits", "fig1", alphas=alphas, seeds=1)] == [-5, -1, 0]
    assert [s.alpha for s in grid("digits", "fig3", alphas=alphas, seeds=1)] == [0, 0.4, 2]
    assert [s.alpha for s in grid("digits", "fig3", alphas=[-1.0], seeds=1)] == [0]
    assert on_side([-0.0, 1, 1.0], "both") == [0, 1]
    assert on_side([1, -1], "none") == [0]


def test_networks_of_a_figure_are_those_that_the_profile_covers():
    figure = find_figure("figA1")
    assert models_for(figure, "digits") == ("resnet18", "resnet20")
    assert models_for(figure, "cifar10") == ("resnet20",)
    assert models_for(find_figure("fig4"), "cifar10-short") == ("resnet20",)  # covers none of the figure's: its own
    specs = grid("digits", "figA1", seeds=[4], alphas=[0], models=["resnet20", "resnet18"])
    assert [(s.model, s.seed) for s in specs] == [("resnet20", 4), ("resnet18", 4)]


def test_overrides_reach_every_spec():
    specs = grid("digits", "fig4", alphas=[1], seeds=2, epochs=3, milestones=[2], width=4)
    assert {(s.epochs, s.milestones, s.width) for s in specs} == {(3, (2,), 4)}
    assert all(isinstance(s, RunSpec) for s in specs)


def test_some_profiles_have_more_seeds_at_alpha_0():
    for figure, alphas in (("fig4", 9), ("fig1", 5)):
        specs = grid("cifar10-short", figure)
        assert len(specs) == 3 * alphas + 3
        assert [(s.alpha, s.seed) for s in specs[-3:]] == [(0, 3), (0, 4), (0, 5)]
        assert {s.replace(alpha=0.0, seed=0) for s in specs} == {profile("cifar10-short")}
    assert len(grid("cifar10-short", "fig4", seeds=3)) == 27
    assert {s.seed for s in grid("cifar10-short", "classes")} == {0, 1, 2}
    # Only the profile's own network has them.
    counts = [
        sum(s.model == m and s.alpha == 0 for s in grid("cifar10-short", "figA16")) for m in ("resnet20", "vgg16")
    ]
    assert counts == [6, 3]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("name", PROFILES)
def test_every_figure_has_a_grid_at_every_profile(figure, name):
    specs = grid(name, figure, seeds=1)
    assert 0 in {s.alpha for s in specs}
    assert FIGURES[figure].id == figure
    side = FIGURES[figure].side
    assert all((s.alpha <= 0 or side != "negative") and (s.alpha >= 0 or side != "positive") for s in specs)


@pytest.mark.parametrize("figure", ["fig1", "fig3", "fig4"])
@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), "1", 1e9, None, True])
def test_an_alpha_that_cannot_be_is_refused_on_whichever_side(figure, alpha):
    with pytest.raises(SpecError, match=r"^alpha: "):
        grid("digits", figure, alphas=[-1.0, alpha])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "^seeds: 0 given"), ({"seeds": [0.5]}, "^seed: 0.5"), ({"seeds": [-1]}, "^seed: -1"),
        ({"models": ["mlp2"]}, "^model: 'mlp2' given; profile digits covers"), ({"beta": 1}, "^beta: no such field"),
        ({"lr": -1}, "^lr: -1 given"),
    ],
)  # fmt: skip
def test_bad_options_are_refused_by_name(options, words):
    with pytest.raises(SpecError, match=words):
        grid("digits", "fig4", **options)


def test_unknown_figures_and_profiles_are_named():
    with pytest.raises(SpecError, match=r"figure: 'fig99' given; one of .*fig1, fig2"):
        grid("digits", "fig99")
    with pytest.raises(SpecError, match="profile: 'digit' given"):
        grid("digit", "fig1")


def test_a_figures_own_settings_reach_its_regularised_runs_only():
    specs = grid("digits", "figA20", alphas=[-1, 0], seeds=1, models=["resnet20"])
    assert [s.layers for s in specs] == ["first3", "all"]
    assert {s.index for s in grid("digits", "figA19", alphas=[-1, 1], seeds=1) if s.alpha} == {"dprime"}
    assert grid("digits", "figA19", alphas=[0], seeds=1) == grid("digits", "figA1", alphas=[0], seeds=1)


@pytest.mark.parametrize(
    ("name", "model", "epochs"),
    [("cifar10", "resnet20", 5), ("tiny-imagenet", "resnet18", 5), ("cifar10-short", "resnet20", 5 * 8 / 200)],
)
def test_a_warm_up_keeps_its_share_of_the_schedule(name, model, epochs):
    (spec,) = (s for s in grid(name, "figA30", alphas=[1.0], seeds=1, models=[model]) if s.alpha)
    assert spec.warmup_epochs == pytest.approx(epochs)
    longer = grid(name, "figA30", alphas=[1.0], seeds=1, models=[model], epochs=1000)[1]
    assert longer.warmup_epochs == 5  # never more than the paper's


def test_settings_of_figures_without_any():
    assert setting(find_figure("fig1"), profile("digits")) == {}
    assert set(PAPER_EPOCHS) == {"resnet18", "resnet50", "resnet20", "vgg16"}


def test_an_override_wins_over_the_figure():
    specs = grid("digits", "figA20", alphas=[-1], seeds=1, models=["resnet20"], layers="last3")
    assert [s.layers for s in specs if s.alpha] == ["last3"]
    specs = grid("digits", "figA30", alphas=[-1], seeds=1, models=["resnet20"], warmup_epochs=3)
    assert [s.warmup_epochs for s in specs if s.alpha] == [3]


def test_variants_share_their_baseline_where_they_can():
    specs = grid("digits", "batches", alphas=[-1, 0], seeds=2)
    assert [(s.estimate, s.alpha) for s in specs if not s.seed] == [("batch", -1), ("batch", 0), ("unbiased", -1)]
    leaky = grid("digits", "figA9", alphas=[0, 1], seeds=1)  # a slope is there at α = 0 too
    assert [(s.activation, s.alpha) for s in leaky[:4]] == [
        ("relu", 0), ("relu", 1), ("leaky_relu:0.01", 0), ("leaky_relu:0.01", 1)
    ]  # fmt: skip
    assert len(leaky) == 8


def test_what_must_be_worked_out_follows_from_the_panels():
    assert find_figure("fig2").derived == {"pairs", "bounds"}
    assert find_figure("figA3").derived == {"pairs"}
    assert find_figure("figA4").derived == {"bounds"}
    assert find_figure("fig1").derived == set()
    assert find_figure("pwcca").derived == {"pairs"}  # its notebook's own drawing needs them


def test_sides_models_and_sentences():
    assert find_figure("figA17").side == "both"
    assert find_figure("figA19").side == "both"  # panels of α = 0 alone do not make it one-sided
    assert find_figure("index").side == "none"
    assert find_figure("figA16").models == ("vgg16", "resnet20")
    assert find_figure("fig2").sentence.endswith("?")
    assert find_figure("fig1").sentence == "Reducing selectivity."
    assert find_figure("figA9").anchor == "figure-A9"


def test_pages_that_load_weights_are_those_that_the_register_names():
    """The build trains these before any notebook runs; one that trained its own would make others stale."""
    folder = Path(__file__).resolve().parents[2] / "notebooks"
    loading = {path.stem for path in folder.glob("*.ipynb") if "load_network(" in path.read_text(encoding="utf-8")}
    assert loading == {entry.notebook for entry in FIGURES.values() if entry.loads}


def test_baselines_are_the_first_networks_at_zero():
    entry = FIGURES["pwcca"]
    specs = grid("digits", "pwcca")
    assert [(s.alpha, s.seed) for s in baselines(entry, specs)] == [(0, 0), (0, 1)]
    assert baselines(FIGURES["fig1"], grid("digits", "fig1")) == []


def test_schedules_are_stretched_with_their_drops():
    found = {(s.epochs, s.milestones) for s in grid("cifar10-short", "schedules")}
    assert found == {(4, (2, 3)), (8, (4, 6)), (16, (8, 12))}
    assert grid("cifar10-short", "schedules")[0].epochs == 8  # the profile's own comes first
    given = grid("digits", "schedules", alphas=[0], seeds=1, epochs=6, milestones=(2, 3))
    assert [(s.epochs, s.milestones) for s in given] == [(6, (2, 3)), (3, (1, 2)), (12, (4, 6))]


def test_a_schedule_too_short_for_its_drops_has_fewer():
    assert stretched(profile("digits", epochs=3, milestones=(1, 2)), 0.5).milestones == (1,)  # 0.5 and 1 of 2 epochs
    assert stretched(profile("digits", epochs=1, milestones=()), 0.5).epochs == 1


def test_a_warm_up_is_stretched_with_its_schedule():
    assert stretched(profile("digits", alpha=1.0, warmup_epochs=4.0), 0.5).warmup_epochs == 2.0


@pytest.mark.parametrize("entry", FIGURES.values(), ids=list(FIGURES))
def test_a_figures_own_schedule_comes_first(entry):
    assert entry.stretches[0] == 1.0
