"""What Leavitt & Morcos found in their controls: learning speed, dead units, other measures, layers, warm-up."""

from __future__ import annotations

from math import inf

from .claim_entries import ACCURACY, INDEX, SPEARMAN, Value
from .claims_main import NEGATIVE, POSITIVE, R18, R20, claim, same, test

_SHORT = {"on_short": False}
T95 = 15 / 45  # of the time to learn at α = 0: the paper's quartiles over its median, for want of a margin
BOTH = (R18, R20)

CLAIMS = (
    claim("L055", "t95", R20, "Epochs that ResNet20 needs for 95 % of its best accuracy at α = 0.",
          test("level", None, alpha=0.0, measure="t95"), says="45, quartiles 15 apart", value=Value(45.0, 45 * T95),
          **_SHORT),
    claim("L056", "t95", R20, "For α from −2 to 0.7, ResNet20 learns as fast as at α = 0.",
          same("relative", T95, measure="t95", low=-2.0, high=0.7), says="quartiles overlap", **_SHORT),
    claim("L057", "t95", R18, "Epochs that ResNet18 needs for 95 % of its best accuracy at α = 0.",
          test("level", None, alpha=0.0, measure="t95"), says="35, quartiles 1 apart", value=Value(35.0, 35 * T95),
          **_SHORT),
    claim("L058", "t95", R18, "For some α from −2 to 1, ResNet18 learns more slowly than at α = 0.",
          test("largest", 1, measure="t95", low=-2.0, high=1.0), says="51 epochs at most",
          value=Value(51.0, 51 * T95, of="level"), **_SHORT),
    claim("L059", "t95", BOTH, "At each α below −2 or above 1, networks learn more slowly than at α = 0.",
          test("every", 1, measure="t95", but=(-2.0, 1.0)), says="more than 1.5-fold, or very variable", **_SHORT),
    claim("L060", "figA8", R20, "The share of dead units of ResNet20 rises with α > 0.",
          test("trend", 1, measure="dead", **POSITIVE), says="roughly proportional"),
    claim("L061", "figA7", R18, "At every α > 0 fewer than 3 % of ResNet18's units are dead.",
          test("levels", -1, 0.03, measure="dead", **POSITIVE), says="at most 0.03, from α = 30 on"),
    claim("L062", "figA9", R20, "With leaky rectifiers no unit of ResNet20 is dead (fewer than half a percent).",
          test("leaky_dead", -1, 0.005), says="0"),
    claim("L063", "figA9", R20, "Leaky rectifiers do not rescue ResNet20's accuracy: it falls as far with each slope "
          "as without.", same("leaky_recovery", ACCURACY), says="none to minor", **_SHORT),
    claim("L064", "figA10", BOTH, "At α = 0.7 most units are activated by at least 80 % of the images.",
          test("busy_units", 1, 0.5, alpha=0.7), says="the majority of units"),
    claim("L065", "figA10", R18, "More than a tenth of ResNet18's units are sparse at each α from 10 on, and fewer at "
          "each smaller α > 0.", test("beyond_only", 1, measure="sparse", alpha=10.0, share=0.1),
          says="only from 10 on"),
    claim("L066", "figA10", R20, "The share of sparse units of ResNet20 rises with α > 0.",
          test("trend", 1, measure="sparse", **POSITIVE), says="rises"),
    claim("L071", "figA17", R18, "Units' precision rises and falls with the index over all α, in ResNet18.",
          test("follows", 1, measure="precision"), says="follows"),
    claim("L072", "figA17", R20, "Units' precision rises and falls with the index for α up to 1, in ResNet20 (beyond, "
          "the paper finds it irregular).", test("follows", 1, measure="precision", high=1.0),
          says="follows, then irregular"),
    claim("L073", "figA18", R18, "Units' mutual information with the class rises and falls with the index over all α, "
          "in ResNet18.", test("follows", 1, measure="informed"), says="follows"),
    claim("L074", "figA18", R20, "Units' mutual information with the class falls with the index for α < 0, in ResNet20 "
          "(for large α > 0 the paper finds it irregular).", test("follows", 1, measure="informed", high=0.0),
          says="follows, then irregular"),
    claim("L075", "figA19", R18, "Over the units of unregularised ResNet18s, d′ and the index go together.",
          test("units_agree", 1, first="dprime", second="si"), says="rank correlation 0.83",
          value=Value(0.83, SPEARMAN)),
    claim("L076", "figA19", R20, "Over the units of unregularised ResNet20s, d′ and the index go together.",
          test("units_agree", 1, first="dprime", second="si"), says="rank correlation 0.90",
          value=Value(0.90, SPEARMAN)),
    claim("L077", "figA19", BOTH, "Regularising d′ moves it: mean d′ rises with α.",
          test("trend", 1, measure="dprime"), says="follows sign and size of α"),
    claim("L078", "figA19", BOTH, "Raising d′ lowers test accuracy.", test("trend", -1, **POSITIVE), says="rapid loss"),
    claim("L079", "figA19", R18, "No α < 0 on d′ raises ResNet18's accuracy by as much as half a point.",
          test("every", -1, ACCURACY, **NEGATIVE), says="no improvement, modest effect", **_SHORT),
    claim("L080", "figA21", R18, "Lowering selectivity in the first three layers raises ResNet18's accuracy: the best "
          "α does.", test("best", 1, **NEGATIVE), says="improves"),
    claim("L081", "figA21", R20, "Lowering selectivity in the first three layers leaves ResNet20's accuracy as it is.",
          same("every", ACCURACY, **NEGATIVE), says="little or no effect", **_SHORT),
    claim("L082", "figA23", BOTH, "Each α > 0 on the first three layers lowers accuracy.",
          test("every", -1, **POSITIVE), says="immediate loss"),
    claim("L083", "figA25", R18, "No α < 0 on the last three layers raises ResNet18's accuracy by as much as half a "
          "point.", test("every", -1, 0.005, **NEGATIVE), says="less than 0.5 points, at α = −0.2", **_SHORT),
    claim("L084", "figA25", R18, "At α = −0.4 on the last three layers, ResNet18's accuracy is that at α = 0.",
          same("effect_at", ACCURACY, alpha=-0.4), says="no gain", **_SHORT),
    claim("L085", "figA25", R20, "Lowering selectivity in the last three layers lowers ResNet20's accuracy.",
          test("trend", 1, **NEGATIVE), says="falls"),
    claim("L086", "figA27", BOTH, "Each α > 0 on the last three layers lowers accuracy.",
          test("every", -1, **POSITIVE), says="immediate loss"),
    claim("L087", "figA21", BOTH, "Lowering selectivity in the first three layers is better for accuracy than in the "
          "last three.", test("early_less_late", 1, late="figA25", **NEGATIVE), says="less needed early"),
    claim("L088", "figA28", BOTH, "At every α ≥ 0 at least 95 % of units switch their preferred class at least once.",
          test("levels", 1, 0.95, measure="switched", **POSITIVE), says="about 100 %", **_SHORT),
    claim("L089", "figA29", R18, "From α = 0.3 on, ResNet18's units switch their preferred class less as α grows.",
          test("trend", -1, measure="switches", low=0.3, high=inf), says="falls", **_SHORT),
    claim("L090", "figA29", R18, "At α of 0.1 and 0.2, ResNet18's units switch as often as at α = 0.",
          same("relative", INDEX, measure="switches", low=0.1, high=0.2), says="about equal", **_SHORT),
    claim("L091", "figA29", R20, "How often ResNet20's units switch has nothing to do with α ≥ 0.",
          same("rank_with_alpha", SPEARMAN, measure="switches", low=0.0), says="no clear relation", **_SHORT),
    claim("L092", "figA31", R20, "With warm-up, each α < 0 leaves ResNet20's accuracy as it is.",
          same("every", ACCURACY, **NEGATIVE), says="minimal cost", **_SHORT),
    claim("L093", "figA31", R18, "With warm-up, lowering selectivity raises ResNet18's accuracy: the best α does.",
          test("best", 1, **NEGATIVE), says="improves", **_SHORT),
    claim("L094", "figA31", BOTH, "With warm-up, raising selectivity still lowers accuracy.",
          test("trend", -1, **POSITIVE), says="slightly less than without warm-up", **_SHORT),
    claim("L099", "figA8", R20, "Without dead units ResNet20's index follows α ≥ 0 more closely than with them.",
          test("more_regular", 1, measure="si_living"), says="more regular"),
    claim("L100", "figA19", BOTH, "At equal |α|, raising d′ harms accuracy more than lowering it.",
          test("signs_averaged", 1), says="much more"),
    claim("L101", "figA19", R20, "No α < 0 on d′ raises ResNet20's accuracy by as much as half a point.",
          test("every", -1, ACCURACY, **NEGATIVE), says="modest effect", **_SHORT),
    claim("L102", "figA21", BOTH, "Accuracy rises and falls over α as it does with all layers, whether the first three "
          "layers alone are regularised or the last three.", test("same_shape", 1,
          parts=(("figA21", "figA23"), ("figA25", "figA27")), whole={R18: "fig4", R20: "figA32"}),
          says="much of the effect"),
)  # fmt: skip
