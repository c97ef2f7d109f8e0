"""The registers of figures and claims, held against each other and against the contrasts."""

import inspect

import pytest

from selectivity_core import RunSpec, grid
from selectivity_core.book.contrasts import CONTRASTS
from selectivity_core.book.papers import claims
from selectivity_core.book.papers.figures import FIGURES, find_figure, on_side, stretched, window_at
from selectivity_core.errors import SpecError
from selectivity_core.models import MODEL_NAMES
from selectivity_core.runs.profiles import PROFILES

CLAIMS = claims.all_claims()


def test_every_figure_of_both_papers_is_there():
    numbers = [f.number for f in FIGURES.values() if f.paper == claims.LEAVITT_MORCOS]
    assert numbers == ["1", "2", "3", "4", *(f"A{k}" for k in range(1, 35))]
    ours = {f.number for f in FIGURES.values() if f.paper == claims.MORCOS}
    assert ours == {*map(str, range(1, 8)), "A1", "A2", "A3", "A4"}
    assert len(CLAIMS) == 118
    covered = {model for profile in PROFILES.values() for model in profile.models}
    assert {model for figure in FIGURES.values() for model in figure.models} <= covered


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda c: c.id)
def test_a_claim_names_what_exists(claim):
    assert claim.criterion.kind in CONTRASTS
    parameters = inspect.signature(CONTRASTS[claim.criterion.kind]).parameters
    assert set(claim.criterion.settings) <= set(parameters)
    for model in claim.models:
        assert model in MODEL_NAMES
        figure = find_figure(claim.figure_of(model))
        # ResNet-50 on ImageNet, of Morcos et al., is not among the networks of this book's figures.
        assert model in figure.models or claim.id == "M004"
    assert claim.statement.endswith(".")
    assert (claim.criterion.sign == 0) == (claim.criterion.margin > 0)


def test_every_contrast_is_some_claims():
    assert {claim.criterion.kind for claim in CLAIMS.values()} == set(CONTRASTS)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_figure_has_a_grid_at_every_profile(profile):
    for figure in FIGURES:
        specs = grid(profile, figure, seeds=1)
        assert specs and len(specs) == len(set(specs))
        assert any(spec.alpha == 0 for spec in specs)


def test_grids_share_their_baseline():
    plain, leaky = grid("digits", "figA2", seeds=1), grid("digits", "figA21", models=["resnet20"], seeds=1)
    assert {s.id for s in plain if not s.alpha} == {s.id for s in leaky if not s.alpha}


def test_a_grid_takes_overrides_and_refuses_what_it_cannot():
    specs = grid("digits", "fig1", alphas=[-1, 2], seeds=[3], epochs=2, milestones=[1])
    assert [(s.alpha, s.seed, s.epochs) for s in specs] == [(-1.0, 3, 2), (0.0, 3, 2)]
    with pytest.raises(SpecError, match="figure: 'fig99'"):
        grid("digits", "fig99")
    with pytest.raises(SpecError, match="alpha"):
        on_side([float("nan")], "negative")


def test_a_stretched_schedule_drops_at_the_same_shares():
    base = RunSpec(epochs=8, milestones=(4, 6), warmup_epochs=1.0)
    half, double = stretched(base, 0.5), stretched(base, 2)
    assert (half.epochs, half.milestones, half.warmup_epochs) == (4, (2, 3), 0.5)
    assert (double.epochs, double.milestones) == (16, (8, 12))


@pytest.mark.parametrize(
    ("shares", "epochs", "expected"),
    [
        ((0, 0.25), 30, (0, 7)), ((0.25, 1), 30, (8, 29)), ((0.75, 1), 30, (22, 29)), ((0, 0.25), 34, (0, 7)),
        ((0.75, 1), 34, (26, 33)), ((0, 0.25), 40, (0, 9)), ((0.25, 1), 40, (10, 39)), ((0, 0.25), 1, (0, 0)),
        ((0.75, 1), 1, (0, 0)),
    ],
)  # fmt: skip
def test_a_window_is_a_share_of_the_epochs(shares, epochs, expected):
    assert window_at(shares, epochs) == expected


def test_windows_follow_the_profile_and_its_overrides():
    """Four windows with true labels and three with shuffled ones, of two α each, and one baseline."""
    specs = grid("digits", "windows", seeds=[2])
    assert len(specs) == 4 * 2 + 3 * 2 + 1
    assert {s.window for s in specs} == {None, (0, 9), (10, 39), (30, 39)}
    assert {s.window for s in specs if s.estimate == "shuffled"} == {None, (0, 9), (10, 39)}
    assert {s.window for s in grid("digits", "windows", seeds=1, epochs=8, milestones=())} == {
        None, (0, 1), (2, 7), (6, 7)
    }  # fmt: skip
    assert [s for s in specs if not s.alpha] == [grid("digits", "fig4", seeds=[2], alphas=[0], models=["resnet20"])[0]]


def test_each_means_has_its_own_alphas_unless_some_are_given():
    specs = grid("digits", "means", seeds=1)
    for index in ("si", "dprime", "offset", "spread"):
        own = {s.alpha for s in specs if s.index == index or not s.alpha}
        assert own == set(PROFILES["digits"].grids[f"means_{index}"])
    assert {(s.index, s.alpha) for s in grid("digits", "means", seeds=1, alphas=[-1])} == {
        ("si", 0.0), ("si", -1.0), ("dprime", -1.0), ("offset", -1.0), ("spread", -1.0)
    }  # fmt: skip


def test_claims_are_found_by_figure():
    assert [c.id for c in claims.claims_of(["fig4"])] == ["L047", "L048"]
    assert "L005" in [c.id for c in claims.claims_of(["figA6"])]  # ResNet20's share of a claim on every network
    assert claims.claims_of(["index"]) == []


def test_reported_values_are_those_of_the_papers_own_data():
    assert claims.reported("resnet20", "cifar10", "si_units") == {-30.0: 0.003, -1.0: 0.07, 0.0: 0.22}
    assert claims.reported("resnet18", "tiny-imagenet", "test_accuracy")[-1.0] == 0.536
    assert claims.reported("resnet20", "digits", "si_units") == {}
