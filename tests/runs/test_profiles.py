import numpy as np
import pytest

from selectivity_core import grid, profile
from selectivity_core.errors import SpecError
from selectivity_core.runs.profiles import (
    PAPER_ALPHAS,
    PLAIN,
    PROFILES,
    check_overrides,
    expand,
    find_profile,
    keeps_epochs,
    profile_of,
    seed_list,
    with_epochs,
)
from selectivity_core.spec import RunSpec


def test_papers_recipes():
    spec = profile("cifar10")
    assert (spec.model, spec.dataset, spec.width, spec.train_size) == ("resnet20", "cifar10", 16, 45_000)
    assert (spec.epochs, spec.milestones, spec.batch_size, spec.lr) == (200, (100, 150), 256, 0.1)
    assert (spec.momentum, spec.weight_decay, spec.augment) == (0.9, 1e-4, True)
    short = profile("cifar10-short")
    assert (short.epochs, short.milestones) == (8, (4, 6))  # the same shares of the schedule
    assert short.replace(epochs=200, milestones=(100, 150)) == spec
    vgg = profile("cifar10", model="vgg16")
    assert (vgg.width, vgg.lr, vgg.epochs) == (64, 0.01, 200)
    tiny = profile("tiny-imagenet")
    assert (tiny.model, tiny.batch_size, tiny.lr, tiny.train_size) == ("resnet18", 4096, 0.1, 90_000)
    tiny = profile("tiny-imagenet", model="resnet50")
    assert (tiny.model, tiny.width, tiny.epochs, tiny.milestones) == ("resnet50", 64, 90, (35, 50, 65, 80))
    assert tiny.batch_size == 1400
    assert [find_profile(name).seeds for name in ("cifar10", "tiny-imagenet")] == [20, 20]


def test_every_profile_has_a_baseline_and_no_doubled_alpha():
    for found in PROFILES.values():
        assert 0 in found.alphas
        assert len(set(found.alphas)) == len(found.alphas)
        assert len(set(found.models)) == len(found.base)
        assert {profile_of(spec) for spec in found.base} <= set(PROFILES)
    assert sorted(PAPER_ALPHAS) == list(PAPER_ALPHAS)
    assert [-a for a in PAPER_ALPHAS[::-1]] == list(PAPER_ALPHAS)


@pytest.mark.parametrize("name", PROFILES)
def test_every_set_of_alphas_of_a_profile_is_usable(name):
    found = find_profile(name)
    for kind, alphas in found.grids.items():
        assert 0 in alphas
        assert len(set(alphas)) == len(alphas)
        assert set(alphas) == {RunSpec(alpha=a).alpha for a in alphas}
        assert found.alphas_for(kind, found.models[0]) == alphas
    assert found.alphas_for("all", "no network") == found.alphas
    kinds = {*found.counts, *found.seeds_of, "all"} - {"by_unit"}
    assert all(seed_list(found.seeds_for(kind)) for kind in kinds)
    if found.bound is not None:
        assert 0 in found.bound.alphas
        assert max(found.bound.alphas) <= 0
        assert found.bound.seeds <= found.seeds
        assert found.bound.layers >= 0  # 0 is all


def test_a_figures_kind_goes_before_its_network():
    digits = find_profile("digits")
    assert digits.alphas_for("all", "resnet50") == digits.grids["resnet50"] != digits.alphas
    assert digits.alphas_for("dprime", "resnet50") == digits.grids["dprime"]
    assert digits.alphas_for("all", "resnet20") == digits.alphas


def test_the_digits_cover_all_four_networks_of_the_first_paper():
    assert {"resnet20", "resnet18", "vgg16", "resnet50"} <= set(find_profile("digits").models)


def test_overrides_and_networks():
    assert profile("digits").model == "resnet20"
    assert (
        profile("digits", model="resnet18", alpha=-1, seed=4).replace(alpha=0.0, seed=0)
        == find_profile("digits").base[1]
    )
    with pytest.raises(SpecError, match="model: 'resnet18' given; profile cifar10 covers resnet20, vgg16"):
        profile("cifar10", model="resnet18")
    with pytest.raises(
        SpecError, match=r"profile: 'digit' given; one of digits, .* is allowed; did you mean digits\?$"
    ):
        profile("digit")
    with pytest.raises(SpecError, match="beta: no such field"):
        profile("digits", beta=1)
    with pytest.raises(SpecError, match="alpha: nan given"):
        profile("digits", alpha=float("nan"))


def test_expand_goes_seed_by_seed_and_shares_its_baseline(tiny):
    base = tiny.replace(index="dprime", layers="first3", warmup_epochs=1.0)
    assert {f: getattr(tiny, f) for f in PLAIN} == PLAIN
    specs = expand(base, alphas=[-1.0, 0.0, 2.0], seeds=iter([3, 1]))
    assert [(s.seed, s.alpha) for s in specs] == [(3, -1), (3, 0), (3, 2), (1, -1), (1, 0), (1, 2)]
    assert specs[0] == base.replace(alpha=-1.0, seed=3)
    # nothing is regularised at 0: whatever the index, it is the same run
    assert specs[1] == tiny.replace(seed=3) == expand(tiny.replace(estimate="shuffled"), alphas=[0.0], seeds=[3])[0]


def test_milestones_follow_the_epochs_unless_given():
    assert profile("digits").milestones == (20, 30)  # of 40 epochs
    assert profile("digits", epochs=20).milestones == (10, 15)
    assert profile("digits", epochs=3).milestones == (2,)  # 1.5 and 2.25
    assert profile("digits", epochs=1).milestones == ()
    assert profile("digits", epochs=80, seed=3).milestones == (40, 60)
    assert profile("tiny-imagenet", epochs=9).milestones == (4, 5, 6, 8)
    assert profile("digits", epochs=20, milestones=(1, 2)).milestones == (1, 2)
    assert profile("digits", milestones=()).milestones == ()
    assert profile("digits", schedule="onecycle", epochs=5).milestones == ()
    assert profile("mnist", epochs=1).milestones == ()
    with pytest.raises(SpecError, match=r"milestones: \(30,\) given; ascending epochs between 1 and 19"):
        profile("digits", epochs=20, milestones=(30,))
    with pytest.raises(SpecError, match=r"milestones: \(20, 30\) given; none of a single epoch is allowed"):
        profile("digits", epochs=1, milestones=(20, 30))
    with pytest.raises(SpecError, match=r"epochs: '20' .* given; a whole number is needed$"):
        profile("digits", epochs="20")
    assert with_epochs(profile("digits"), 40) == profile("digits")


@pytest.mark.parametrize(
    ("given", "found"),
    [(1, [0]), (3, [0, 1, 2]), ([5, 2], [5, 2]), ((0,), [0]), (np.int64(2), [0, 1]), (np.array([3, 4]), [3, 4])],
)
def test_seed_list(given, found):
    assert seed_list(given) == found


@pytest.mark.parametrize(
    "given", [0, -1, [], [1, 1], [1, 1.0], True, 2.5, 1001, 10**9, range(1001), [-1], ["a"], "3", None, float("nan")]
)
def test_seed_list_refuses(given):
    with pytest.raises(SpecError, match=r"^seeds?: .* given"):
        seed_list(given)


def test_profile_of_a_run():
    assert profile_of(profile("cifar10", epochs=160)) == "cifar10"
    assert profile_of(profile("cifar10-short", epochs=12)) == "cifar10-short"
    assert profile_of(profile("cifar10-short", schedule="onecycle")) == "cifar10-fast"
    assert profile_of(profile("tiny-imagenet-20", epochs=6)) == "tiny-imagenet-20"
    assert profile_of(profile("tiny-imagenet-short", epochs=60)) == "tiny-imagenet-short"
    assert profile_of(profile("digits", dataset="mnist")) == "mnist"


def test_the_one_cycle_profile_is_its_two_parts():
    for figure, parts in (("fig4", ["tiny-imagenet-20"]), ("figA1", ["tiny-imagenet-20", "cifar10-fast"])):
        assert grid("one-cycle", figure) == [spec for part in parts for spec in grid(part, figure)]
    assert grid("one-cycle", "windows") == grid("cifar10-fast", "windows")


def test_some_alphas_have_more_seeds_in_the_first_networks_plain_grid():
    scale, base = find_profile("cifar10-fast"), profile("cifar10-fast")
    more = scale.more_seeds(base, [0.0, 0.7, 2.0])
    assert [(spec.alpha, spec.seed) for spec in more] == [(a, s) for s in range(6) for a in (0.0, 0.7)]
    assert find_profile("cifar10-short").more_seeds(profile("cifar10-short", model="vgg16"), [0.0]) == []
    assert len(grid("cifar10-fast", "figA32")) == 6 * 6 + 4 * 3
    assert len(grid("cifar10-fast", "figA32", alphas=[-1.0, 2.0])) == 2 * 6 + 3
    assert len(grid("cifar10-fast", "figA32", seeds=2)) == 20


def test_weights_of_every_epoch_are_kept_of_the_last_baselines():
    base = profile("cifar10-fast", **PLAIN)
    assert [s for s in range(8) if keeps_epochs(base.replace(seed=s))] == [3, 4, 5]
    studied = grid("cifar10-fast", "windows")  # whose units are ablated at some epochs
    assert {spec.seed for spec in studied} == {3, 4, 5} and sum(map(keeps_epochs, studied)) == 3
    assert len(studied) == 3 * (1 + 7 * 2)
    others = (base.replace(seed=4, alpha=-1.0), base.replace(seed=4, epochs=2), profile("digits", seed=7))
    assert not any(map(keeps_epochs, others))


def test_overrides_of_what_the_grid_sets_are_refused():
    for name, other in (("model", "the figure or --model"), ("alpha", "alphas"), ("seed", "seeds")):
        with pytest.raises(SpecError, match=f"overrides: {name} given; it is set by {other}"):
            check_overrides({name: 1})


def test_overrides_are_checked_one_by_one():
    assert check_overrides({"lr": 1, "milestones": [3], "epochs": 5.0}) == {"lr": 1.0, "milestones": (3,), "epochs": 5}
    with pytest.raises(SpecError, match=r"overrides: 'epoch' given, .* allowed: .*; did you mean epochs\?"):
        check_overrides({"epochs": 1, "epoch": 3})
    with pytest.raises(SpecError, match=r"lr: 'fast' \(str\) given; a number is needed$"):
        check_overrides({"lr": "fast"})
