"""The rules of verdicts: each status by made-up findings and by tables with a known answer."""

import math

import pytest
from verdict_studies import claim, evidence, steps, study

from selectivity_core.book.paper.claim_entries import Test, Value
from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.verdicts import STATUSES, Evidence, by_chance, judge
from selectivity_core.book.verdicts.findings import Finding
from selectivity_core.book.verdicts.judging import compare, weigh

UP = Test("effect_at", 1, {"alpha": -1.0})
SAME = Test("effect_at", 0, {"alpha": -1.0}, margin=0.05)


def part(estimate, se=0.01, df=20, n=5, **more):
    return Finding(estimate, se, df, n, "made up", **more)


def status(test, *parts, own=False, value=None):
    return weigh(claim(test, value=value), list(parts), own)[0]


def test_the_statuses():
    assert STATUSES == (
        "reproduced", "direction holds", "not reproduced", "does not carry over", "inconclusive", "not run",
    )  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_a_direction(own):
    # 95 % half width: 2.086 × 0.01.
    assert status(UP, part(0.03), own=own) == ("reproduced" if own else "direction holds")
    assert status(UP, part(0.02), own=own) == "inconclusive"
    assert status(UP, part(-0.02), own=own) == "inconclusive"
    assert status(UP, part(-0.03), own=own) == ("not reproduced" if own else "does not carry over")


def test_a_negative_claim_is_the_mirror_image():
    down = Test("effect_at", -1, {"alpha": -1.0})
    assert status(down, part(-0.03)) == "direction holds"
    assert status(down, part(0.03)) == "does not carry over"


def test_a_null_other_than_zero():
    above = Test("levels", 1, {}, 0.5)
    assert status(above, part(0.55)) == "direction holds"
    assert status(above, part(0.51)) == "inconclusive"
    assert status(above, part(0.45)) == "does not carry over"


def test_the_smallest_lower_bound_decides_a_claim_about_several():
    weak = part(0.02, where="weak")
    assert status(UP, part(0.05), weak) == "inconclusive"
    assert weigh(claim(UP), [part(0.05), weak, part(0.3)], False)[2] is weak
    assert status(UP, part(0.05), part(0.03)) == "direction holds"


def test_one_of_several_contradicts_at_a_level_corrected_for_their_number():
    # t = −2.5 with 20 degrees of freedom: p = 0.0213, below 0.05 / 2 and above 0.05 / 3.
    opposed = part(-0.025)
    assert opposed.p() == pytest.approx(0.0213, abs=1e-4)
    assert status(UP, part(0.05), opposed) == "does not carry over"
    assert status(UP, part(0.05), part(0.05), opposed) == "inconclusive"


@pytest.mark.parametrize(("n", "enough"), [(2, False), (5, False), (6, True)])
def test_networks_that_do_not_differ_must_be_many_enough(n, enough):
    # Six that agree have p = 2/64 by a sign test, five 2/32: an interval of no width excludes anything.
    def same(estimate):
        return part(estimate, 0.0, n - 1, n)

    assert status(UP, same(0.3)) == ("direction holds" if enough else "inconclusive")
    assert status(UP, same(-0.3)) == ("does not carry over" if enough else "inconclusive")
    assert status(SAME, same(0.01)) == ("direction holds" if enough else "inconclusive")
    assert status(SAME, same(0.3)) == ("does not carry over" if enough else "inconclusive")
    with_spread = part(0.05)
    _, reason, shown = weigh(claim(UP), [with_spread, same(0.3)], False)
    assert (reason == f"{n} networks that do not differ are too few to tell that from chance") is not enough
    assert shown == (with_spread if enough else same(0.3))  # the numbers beside a reason are those that it is about


def test_agreement_is_corrected_for_the_number_of_tests():
    # 3/32 with six networks, 3/64 with seven.
    for n, expected in ((6, "inconclusive"), (7, "does not carry over")):
        alike = part(-0.3, 0.0, n - 1, n)
        assert alike.p() == 2.0 ** (1 - n)
        assert status(UP, part(0.05), part(0.05), alike) == expected
        assert status(SAME, part(0.0), part(0.0), alike) == expected


def test_two_that_agree_are_not_held_against_a_value():
    level = Test("levels", None, {})
    value = Value(0.3, margin=0.05)
    spread, alike = part(0.3, 0.001, 1, 2), part(0.3, 0.0, 1, 2)
    assert compare(value, None, spread) == "inside"
    assert status(level, alike, own=True, value=value) == "inconclusive"
    assert status(level, part(0.6, 0.0, 1, 2), own=True, value=value) == "inconclusive"
    assert status(level, part(0.3, 0.0, 5, 6), own=True, value=value) == "reproduced"


def test_what_cannot_be_tested_is_inconclusive_whatever_the_estimate():
    assert status(UP, part(0.5, math.nan, math.nan, 1)) == "inconclusive"
    assert status(UP, part(0.5, reachable=False)) == "inconclusive"
    assert status(UP, part(-0.5, reachable=False)) == "inconclusive"
    assert "n = 5 the test cannot reach" in weigh(claim(UP), [part(0.5, reachable=False)], False)[1]


def test_an_exact_test_must_pass_too():
    assert status(UP, part(0.05, exact=0.2)) == "inconclusive"
    assert status(UP, part(0.05, exact=0.01)) == "direction holds"


def test_no_difference_needs_the_ninety_percent_interval_inside_the_margin():
    # 90 % half width: 1.725 × 0.01.
    assert status(SAME, part(0.03)) == "direction holds"
    assert status(SAME, part(0.03), own=True) == "reproduced"
    assert status(SAME, part(0.04)) == "inconclusive"
    assert status(SAME, part(0.08)) == "does not carry over"
    assert status(SAME, part(-0.08), own=True) == "not reproduced"
    assert status(SAME, part(0.0, math.nan, math.nan, 1)) == "inconclusive"
    assert status(SAME, part(0.0), part(0.045)) == "inconclusive"


def test_a_reason_has_the_unit_of_the_estimate():
    def reason(test, *parts):
        return weigh(claim(test), list(parts), False)[1]

    bar = Test("effect_at", 1, {"alpha": -1.0}, -0.01)
    assert reason(bar, part(-0.01, points=True)) == "the 95 % interval does not exclude −1 points"
    assert reason(bar, part(-0.01)) == "the 95 % interval does not exclude −0.01"
    assert reason(UP, part(0.03, points=True)) == "the 95 % interval excludes 0, on the claimed side"
    assert reason(SAME, part(0.08, points=True)) == "outside ±5 points"
    assert reason(SAME, part(0.04)) == "the 90 % interval is not within ±0.05"


def test_reproduced_asks_for_the_corrected_level_what_else_is_claimed_and_the_value():
    assert status(UP, part(0.03, corrected=0.2), own=True) == "direction holds"
    assert status(UP, part(0.03, met=False), own=True) == "direction holds"
    near, far = Value(0.03, 0.02), Value(0.30, 0.02)
    assert status(UP, part(0.03), own=True, value=near) == "reproduced"
    assert status(UP, part(0.03), own=True, value=far) == "not reproduced"
    assert status(UP, part(0.03), own=True, value=Value(0.05, 0.01)) == "direction holds"
    assert status(UP, part(0.03), own=False, value=far) == "direction holds"


def test_a_value_alone_is_held_against_the_papers():
    level = Test("level", None, {})
    assert status(level, part(0.51), own=True, value=Value(0.50, 0.05)) == "reproduced"
    assert status(level, part(0.60), own=True, value=Value(0.50, 0.05)) == "not reproduced"
    assert status(level, part(0.55), own=True, value=Value(0.50, 0.05)) == "inconclusive"


def test_the_papers_own_interval_widens_the_difference():
    # 90 % of ours: ±0.01725; the paper's ±0.0392 at 95 % is ±0.0329 at 90 %: together ±0.0371.
    ours = part(0.52)
    assert compare(Value(0.50, 0.04), 1, ours) == "inside"
    assert compare(Value(0.50, 0.04, 0.0392), 1, ours) == "between"
    assert compare(Value(0.50, 0.058, 0.0392), 1, ours) == "inside"


def test_limits_forgive_one_side():
    far_up, far_down = part(0.9), part(0.1)
    assert [compare(Value(0.5, 0.05, limit="beyond"), 1, f) for f in (far_up, far_down)] == ["inside", "outside"]
    assert [compare(Value(0.5, 0.05, limit="within"), 1, f) for f in (far_up, far_down)] == ["outside", "inside"]
    assert [compare(Value(0.5, 0.05, limit="beyond"), -1, f) for f in (far_up, far_down)] == ["outside", "inside"]
    assert [compare(Value(0.5, 0.05, limit="within"), -1, f) for f in (far_up, far_down)] == ["inside", "outside"]
    assert compare(Value(0.5, 0.05), 1, far_up) == "outside"


def test_a_level_is_compared_where_the_value_is_one():
    ours = part(0.02, level=part(0.535, 0.001))
    assert compare(Value(0.536, 0.005, 0.0013, of="level"), 1, ours) == "inside"
    assert compare(Value(0.536, 0.005), 1, ours) == "outside"


def headline(gain, profile, seeds=5, base=0.5157, **more):
    made = study(
        accuracy=lambda a, s: base + (gain if a else 0.0) + 0.0004 * s + (0.0003 * (s % 2) if a else 0.0), seeds=seeds,
        profile=profile, **more,
    )  # fmt: skip
    return judge(CLAIMS["L008"], evidence(made, profile=profile))


def test_the_headline_at_the_papers_scale_and_elsewhere():
    assert headline(0.0203, "tiny-imagenet").status == "reproduced"
    assert headline(0.10, "tiny-imagenet").status == "not reproduced", "the value is far from the paper's"
    assert headline(-0.02, "tiny-imagenet").status == "not reproduced"
    assert headline(0.0203, "digits").status == "direction holds"
    assert headline(-0.02, "digits").status == "does not carry over"
    assert headline(0.0203, "digits", seeds=1).status == "inconclusive"


def test_another_recipe_is_not_the_papers():
    made = study(accuracy=steps({-1.0: 0.05}), profile="tiny-imagenet")
    at = Evidence("tiny-imagenet", overrides={"epochs": 20}, studies={"fig1": made})
    assert judge(claim(UP), at).status == "direction holds"
    assert judge(claim(Test("level", None, {"alpha": 0.0, "measure": "si_units"})), at).status == "not run"


def test_not_run_says_why():
    at = evidence(study())
    assert judge(CLAIMS["L013"], at).reason == "no run at α = −3"
    assert judge(CLAIMS["L009"], at).status == "not run"
    assert "ResNet" not in judge(CLAIMS["L002"], at).reason
    assert judge(CLAIMS["M004"], at).status == "not run"
    short = evidence(study(profile="cifar10-short", figure="figA2"), profile="cifar10-short")
    assert judge(CLAIMS["L092"], short).reason == "not judged where the schedule was shortened"
    assert judge(CLAIMS["L001"], short).status == "not run", "of another network the paper says other things"


def test_a_claim_about_several_networks_names_those_that_were_judged():
    positive = study("fig3", alphas=(0, 1, 2), accuracy=lambda a, s: 0.9 - 0.1 * a + 0.001 * s * (a > 0))
    verdict = judge(CLAIMS["L005"], evidence(positive))
    assert verdict.status == "direction holds"
    assert verdict.models == ("resnet18",)
    assert verdict.reason.endswith("(of 4 networks 1 judged)")


def test_chance_counts_what_could_have_held_in_direction():
    at = evidence(study(accuracy=steps({-1.0: 0.05}), seeds=6))  # made-up networks do not differ in their index
    verdicts = [judge(CLAIMS[name], at) for name in ("L008", "L010", "L013", "L009")]
    assert [v.directional for v in verdicts] == [True, True, False, False]
    assert by_chance(verdicts) == pytest.approx(0.05)
    alone = judge(CLAIMS["L008"], evidence(study(seeds=1)))
    assert not alone.directional
    assert not judge(CLAIMS["L010"], evidence(study(seeds=5))).directional
