"""The claims of Leavitt & Morcos."""

from __future__ import annotations

from functools import partial
from math import inf

from .claims import ACCURACY, INDEX, RATIO, SPEARMAN, Criterion, Value, by, claim_of, same
from .figures import LEAVITT_MORCOS

R18, R20, R50, VGG = "resnet18", "resnet20", "resnet50", "vgg16"
SI18, SI20, SI_VGG = 0.35, 0.22, 0.35  # mean indices at α = 0, of which the margins of the index are shares
LOWER = {R18: "fig1", R20: "figA2", VGG: "figA12", R50: "figA34"}  # figures of accuracy with α < 0 …
RAISE = {R18: "fig3", R20: "figA6", VGG: "figA14", R50: "figA34"}  # … and with α > 0


def index_at(number: float, half: float, natural: float) -> Value:
    """A mean index at one α."""
    return Value(number, INDEX * natural, half, of="level")


def index_below(alpha: float) -> Criterion:
    """The mean index at an α lies below that at α = 0."""
    return by("effect_at", -1, alpha=alpha, measure="si_units")


claim = partial(claim_of, LEAVITT_MORCOS)
NEGATIVE, POSITIVE = {"low": -inf, "high": 0.0}, {"low": 0.0, "high": inf}
T95 = 15 / 45  # of the time to learn at α = 0: the paper's quartiles over its median, for want of a margin
BOTH = (R18, R20)

CLAIMS = (
    claim("L001", "fig1", R18, "Lowering selectivity raises ResNet18's test accuracy: the α < 0 that is best "
          "on validation images beats α = 0.",
          by("best", 1, **NEGATIVE), says="more than 2 points", value=Value(0.0203, ACCURACY)),
    claim("L002", "figA34", R50, "Lowering selectivity raises ResNet50's test accuracy.", by("best", 1, **NEGATIVE),
          says="about 1 point", value=Value(0.01, ACCURACY)),
    claim("L003", "figA2", R20, "ResNet20's mean index can be cut 2.5-fold at no cost in accuracy.",
          same("cost_at_reduction", ACCURACY, factor=2.5), says="2.5-fold at no cost"),
    claim("L004", "figA2", R20, "Where ResNet20's index is cut 20-fold, accuracy is lower than at α = 0.",
          by("cost_at_reduction", -1, factor=20.0), says="about 2 points", value=Value(-0.02, ACCURACY)),
    claim("L005", "fig3", (R18, R20, VGG, R50), "The more selectivity is raised, the lower is test accuracy: the "
          "average change from one α to the next is negative.",
          by("trend", -1, **POSITIVE), says="significant", figures=RAISE),
    claim("L006", "figA1", R18, "ResNet18's mean index falls at every step from one α ≤ 0 to the next lower one.",
          by("monotone", 1, measure="si_units", **NEGATIVE), says="monotone"),
    claim("L007", "fig1", R18, "Every α from −2.5 to −0.1 raises ResNet18's test accuracy.",
          by("every", 1, low=-2.5, high=-0.1), says="p < 0.01 at each"),
    claim("L008", "fig1", R18, "At α = −1 ResNet18's accuracy is above that at α = 0.",
          by("effect_at", 1, alpha=-1.0), says="53.60 ± 0.13 %, from 51.57 %",
          value=Value(0.5360, ACCURACY, 0.0013, of="level")),
    claim("L009", "fig1", R18, "ResNet18's test accuracy at α = 0.",
          by("level", None, alpha=0.0, measure="test_accuracy"), says="51.57 ± 0.18 %",
          value=Value(0.5157, ACCURACY, 0.0018)),
    claim("L010", "fig1", R18, "At α = −1 ResNet18's mean index is below that at α = 0.", index_below(-1.0),
          says="0.22 ± 0.0009, from 0.35", value=index_at(0.22, 0.0009, SI18)),
    claim("L011", "fig1", R18, "ResNet18's mean index at α = 0.", by("level", None, alpha=0.0, measure="si_units"),
          says="0.35 ± 0.0007", value=Value(0.35, INDEX * SI18, 0.0007)),
    claim("L012", "fig1", R18, "α = −1 cuts ResNet18's mean index: by which factor.",
          by("ratio_at", -1, 1.0, alpha=-1.0), says="1.6-fold lower", value=Value(1 / 1.6, INDEX)),
    claim("L013", "fig1", R18, "At α = −3 ResNet18's accuracy is that at α = 0.",
          same("effect_at", ACCURACY, alpha=-3.0), says="no significant difference"),
    claim("L014", "fig1", R18, "At α = −3 ResNet18's mean index is below that at α = 0.", index_below(-3.0),
          says="0.12 ± 0.0007, from 0.35", value=index_at(0.12, 0.0007, SI18)),
    claim("L015", "fig1", R18, "At α = −3.5 ResNet18's mean index is below that at α = 0.", index_below(-3.5),
          says="0.10 ± 0.0007, from 0.35", value=index_at(0.10, 0.0007, SI18)),
    claim("L016", "fig1", R18, "From α = −3.5 on downwards ResNet18's accuracy falls at every step.",
          by("monotone", 1, measure="test_accuracy", low=-inf, high=-3.5), says="progressively lower"),
    claim("L017", "figA2", R20, "Lowering selectivity does not help ResNet20: no α from −10 to −0.1 raises its "
          "accuracy by half a point.", by("every", -1, ACCURACY, low=-10.0, high=-0.1), says="no gain, small cost"),
    claim("L018", "figA1", R20, "At α = −30 ResNet20's mean index is below that at α = 0.", index_below(-30.0),
          says="0.003 ± 0.0002, from 0.22", value=index_at(0.003, 0.0002, SI20)),
    claim("L019", "figA2", R20, "Going down from 0, accuracy of ResNet20 first falls at α = −1.",
          by("first_effect", -1, alpha=-1.0), says="p = 0.03"),
    claim("L020", "figA2", R20, "ResNet20's mean index at α = 0.", by("level", None, alpha=0.0, measure="si_units"),
          says="0.22 ± 0.002", value=Value(0.22, INDEX * SI20, 0.002)),
    claim("L021", "figA2", R20, "At α = −1 ResNet20's mean index is below that at α = 0.", index_below(-1.0),
          says="0.07 ± 0.0013, from 0.22", value=index_at(0.07, 0.0013, SI20)),
    claim("L022", "figA2", R20, "α = −1 cuts ResNet20's mean index: by which factor.",
          by("ratio_at", -1, 1.0, alpha=-1.0), says="more than 3-fold lower",
          value=Value(1 / 3, INDEX, limit="beyond")),
    claim("L023", "figA12", VGG, "α = −0.1 lowers VGG16's test accuracy.", by("effect_at", -1, alpha=-0.1),
          says="p = 0.004"),
    claim("L024", "figA12", VGG, "Where VGG16's index is cut 5-fold, accuracy is lower than at α = 0.",
          by("cost_at_reduction", -1, factor=5.0), says="0.5 points", value=Value(-0.005, ACCURACY)),
    claim("L025", "figA12", VGG, "Where VGG16's index is cut 10-fold, accuracy is lower than at α = 0.",
          by("cost_at_reduction", -1, factor=10.0), says="about 1 point", value=Value(-0.01, ACCURACY)),
    claim("L026", "figA12", VGG, "VGG16's mean index at α = 0.", by("level", None, alpha=0.0, measure="si_units"),
          says="0.35", value=Value(0.35, INDEX * SI_VGG)),
    claim("L027", "figA16", VGG, "Without the regulariser VGG16's mean index is above ResNet20's.",
          by("against_at", 1, other=R20, alpha=0.0, measure="si_units"), says="0.35 against 0.22, 1.6-fold",
          value=Value(0.13, INDEX * SI_VGG)),
    claim("L028", "figA34", R50, "Some α < 0 raises ResNet50's test accuracy: the best one does.",
          by("best", 1, **NEGATIVE), says="improves"),
    claim("L029", "fig1", (R18, R20, VGG, R50), "The mean index can be cut 3-fold at a cost of less "
          "than a point of accuracy.", by("cost_at_reduction", 1, -0.01, factor=3.0),
          says="at least 3-fold for about 1 point or less", figures=LOWER),
    claim("L030", "figA2", R20, "Cutting ResNet20's index 20-fold lowers test accuracy.",
          by("cost_at_reduction", -1, factor=20.0), says="2 points", value=Value(-0.02, ACCURACY, limit="within")),
    claim("L031", "fig2", R18, "ResNet18s at each α from −0.2 down lie further from baseline ones than the two kinds "
          "lie from their own, on average.",
          by("distance_excess", 1, low=-inf, high=-0.2), says="p < 1.3×10⁻⁵, paired by layer"),
    claim("L032", "fig2", R18, "At α = −0.1 ResNet18s lie as far from baseline ones as from each other.",
          same("distance_equal", RATIO, alpha=-0.1), says="no significant difference"),
    claim("L033", "figA3", R20, "ResNet20s at each α < 0 lie further from baseline ones than the two kinds lie from "
          "their own, on average.",
          by("distance_excess", 1, **NEGATIVE), says="p < 5×10⁻⁶, paired by layer"),
    claim("L034", "fig2", (R18, R20), "The further α is below 0, the further networks lie from baseline ones "
          "beyond their distance from each other.", by("distance_trend", 1, **NEGATIVE), says="grows with |α|",
          figures={R20: "figA3"}),
    claim("L037", "fig2", (R18, R20), "The off-axis bound of selectivity falls as α falls below 0.",
          by("bound_trend", 1), says="monotone", figures={R20: "figA4"}),
    claim("L038", "figA4", (R18, R20), "In the last two layers the off-axis bound is the same at every α ≤ 0.",
          same("relative", INDEX, measure="bound_last", **NEGATIVE), says="very similar"),
    claim("L039", "fig2", (R18, R20), "At every α the off-axis bound lies above the index of the unit axes, shifted "
          "alike.", by("bound_above_axis", 1), says="larger throughout", figures={R20: "figA4"}),
    claim("L040", "figA5", R18, "ResNet18's mean index rises with α > 0.",
          by("trend", 1, measure="si_units", **POSITIVE), says="rises"),
    claim("L041", "figA5", R20, "ResNet20's mean index is irregular at large α: it falls at some step from α = 1 on.",
          by("irregular", -1, low=1.0), says="irregular"),
    claim("L042", "fig3", R18, "Every α from 0.1 on lowers ResNet18's test accuracy.",
          by("every", -1, low=0.1, high=inf), says="p ≤ 6×10⁻⁵ at each"),
    claim("L043", "fig3", R18, "At α = 5 ResNet18's accuracy is below that at α = 0.", by("effect_at", -1, alpha=5.0),
          says="about 25 %, from 51.57 %", value=Value(0.25, ACCURACY, of="level")),
    claim("L044", "figA10", R18, "ResNet18 loses accuracy to α < 10 before units fall silent: at the largest such α "
          "with at most a tenth of them sparse.", by("deficit_before", -1, measure="sparse", below=10.0, share=0.1),
          says="more than 4 points", value=Value(-0.04, ACCURACY, limit="beyond")),
    claim("L045", "figA6", R20, "With α > 0, ResNet20 loses accuracy faster than ResNet18.",
          by("slopes_against", -1, other=R18, elsewhere="fig3", measure="test_accuracy", **POSITIVE), says="faster"),
    claim("L046", "figA6", R20, "α = 0.7 lowers ResNet20's test accuracy.", by("effect_at", -1, alpha=0.7),
          says="5 points", value=Value(-0.05, ACCURACY)),
    claim("L047", "fig4", R18, "At |α| = 0.1 already, ResNet18 is better with selectivity lowered than raised.",
          by("signs_at", 1, size=0.1), says="p < 6×10⁻⁶"),
    claim("L048", "fig4", R18, "At |α| = 2 ResNet18's accuracy is higher with selectivity lowered than raised.",
          by("signs_at", 1, size=2.0), says="6 points", value=Value(0.06, ACCURACY)),
    claim("L049", "figA14", VGG, "α = 0.1 lowers VGG16's test accuracy.", by("effect_at", -1, alpha=0.1),
          says="p = 0.02"),
    claim("L050", "figA15", VGG, "At |α| = 0.3 VGG16 is better with selectivity lowered than raised.",
          by("signs_at", 1, size=0.3), says="p = 10⁻⁴"),
    claim("L051", "figA14", VGG, "With α > 0, VGG16 loses accuracy more slowly than ResNet20.",
          by("slopes_against", 1, other=R20, elsewhere="figA6", measure="test_accuracy", **POSITIVE), says="slower"),
    claim("L052", "figA16", VGG, "With α > 0, VGG16's mean index rises more than ResNet20's.",
          by("slopes_against", 1, other=R20, measure="si_units", **POSITIVE), says="stronger"),
    claim("L053", "figA34", R50, "The more selectivity is raised, the lower is ResNet50's accuracy.",
          by("trend", -1, **POSITIVE), says="impairs"),
    claim("L054", "figA34", R50, "ResNet50's mean index rises with α.", by("trend", 1, measure="si_units"),
          says="positively related"),
    claim("L097", "fig1", R18, "From α = 0 down to −1 ResNet18's accuracy rises at every step.",
          by("monotone", -1, measure="test_accuracy", low=-1.0, high=0.0), says="rises"),
    claim("L098", "figA13", VGG, "VGG16's mean index is irregular at large α: it falls at some step from α = 1 on.",
          by("irregular", -1, low=1.0), says="irregular"),
    # Controls: learning speed, dead units, other measures, layers, warm-up.
    claim("L055", "t95", R20, "Epochs that ResNet20 needs for 95 % of its best accuracy at α = 0.",
          by("level", None, alpha=0.0, measure="t95"), says="45, quartiles 15 apart", value=Value(45.0, 45 * T95),
          schedule=True),
    claim("L056", "t95", R20, "For α from −2 to 0.7, ResNet20 learns as fast as at α = 0.",
          same("relative", T95, measure="t95", low=-2.0, high=0.7), says="quartiles overlap", schedule=True),
    claim("L057", "t95", R18, "Epochs that ResNet18 needs for 95 % of its best accuracy at α = 0.",
          by("level", None, alpha=0.0, measure="t95"), says="35, quartiles 1 apart", value=Value(35.0, 35 * T95),
          schedule=True),
    claim("L058", "t95", R18, "For some α from −2 to 1, ResNet18 learns more slowly than at α = 0.",
          by("largest", 1, measure="t95", low=-2.0, high=1.0), says="51 epochs at most, from 35",
          value=Value(51.0, 51 * T95, of="level"), schedule=True),
    claim("L059", "t95", BOTH, "At each α below −2 or above 1, networks learn more slowly than at α = 0.",
          by("every", 1, measure="t95", but=(-2.0, 1.0)), says="more than 1.5-fold, or very variable", schedule=True),
    claim("L060", "figA8", R20, "The share of dead units of ResNet20 rises with α > 0.",
          by("trend", 1, measure="dead", **POSITIVE), says="roughly proportional"),
    claim("L061", "figA7", R18, "At every α > 0 fewer than 3 % of ResNet18's units are dead.",
          by("levels", -1, 0.03, measure="dead", low=0.1, high=inf), says="at most 0.03, from α = 30 on"),
    claim("L062", "figA9", R20, "With leaky rectifiers no unit of ResNet20 is dead (fewer than half a percent).",
          by("leaky_dead", -1, 0.005), says="0"),
    claim("L063", "figA9", R20, "Leaky rectifiers do not rescue ResNet20's accuracy: with each slope it falls "
          "at least as far as without, to within half a point.",
          by("leaky_recovery", -1, ACCURACY), says="none to minor"),
    claim("L064", "figA10", BOTH, "At α = 0.7 most units are activated by at least 80 % of the images.",
          by("busy_units", 1, 0.5, alpha=0.7), says="the majority of units"),
    claim("L065", "figA10", R18, "More than a tenth of ResNet18's units are sparse at each α from 10 on, and fewer at "
          "each smaller α > 0.", by("beyond_only", 1, measure="sparse", alpha=10.0, share=0.1),
          says="only from 10 on"),
    claim("L066", "figA10", R20, "The share of sparse units of ResNet20 rises with α > 0.",
          by("trend", 1, measure="sparse", **POSITIVE), says="rises"),
    claim("L071", "figA17", R18, "Units' precision rises and falls with the index over all α, in ResNet18s that fit.",
          by("follows", 1, measure="precision"), says="follows"),
    claim("L072", "figA17", R20, "Units' precision rises and falls with the index for α up to 1, in ResNet20s that fit "
          "(beyond, the paper finds it irregular).", by("follows", 1, measure="precision", high=1.0),
          says="follows, then irregular"),
    claim("L073", "figA18", R18, "Units' mutual information with the class rises and falls with the index over all α, "
          "in ResNet18s that fit.", by("follows", 1, measure="informed"), says="follows"),
    claim("L074", "figA18", R20, "Units' mutual information with the class falls with the index for α < 0, in "
          "ResNet20s that fit (for large α > 0 the paper finds it irregular).",
          by("follows", 1, measure="informed", high=0.0), says="follows, then irregular"),
    claim("L075", "figA19", R18, "Over the units of baseline ResNet18s, d′ and the index go together.",
          by("units_agree", 1, first="dprime", second="si", pooled=True), says="rank correlation 0.83",
          value=Value(0.83, SPEARMAN)),
    claim("L076", "figA19", R20, "Over the units of baseline ResNet20s, d′ and the index go together.",
          by("units_agree", 1, first="dprime", second="si", pooled=True), says="rank correlation 0.90",
          value=Value(0.90, SPEARMAN)),
    claim("L077", "figA19", BOTH, "Regularising d′ moves it: mean d′ rises with α.",
          by("trend", 1, measure="dprime"), says="follows sign and size of α"),
    claim("L078", "figA19", BOTH, "Raising d′ lowers test accuracy.", by("trend", -1, **POSITIVE), says="rapid loss"),
    claim("L079", "figA19", R18, "No α < 0 on d′ raises ResNet18's accuracy by as much as half a point.",
          by("every", -1, ACCURACY, **NEGATIVE), says="no improvement, modest effect"),
    claim("L080", "figA21", R18, "Lowering selectivity in the first three layers raises ResNet18's accuracy: the best "
          "α does.", by("best", 1, **NEGATIVE), says="improves"),
    claim("L081", "figA21", R20, "Lowering selectivity in the first three layers leaves ResNet20's accuracy as it is.",
          same("every", ACCURACY, **NEGATIVE), says="little or no effect"),
    claim("L082", "figA23", BOTH, "Each α > 0 on the first three layers lowers accuracy.",
          by("every", -1, **POSITIVE), says="immediate loss"),
    claim("L083", "figA25", R18, "No α < 0 on the last three layers raises ResNet18's accuracy by as much as half a "
          "point.", by("every", -1, 0.005, **NEGATIVE), says="less than 0.5 points, at α = −0.2"),
    claim("L084", "figA25", R18, "At α = −0.4 on the last three layers, ResNet18's accuracy is that at α = 0.",
          same("effect_at", ACCURACY, alpha=-0.4), says="no gain"),
    claim("L085", "figA25", R20, "Lowering selectivity in the last three layers lowers ResNet20's accuracy.",
          by("trend", 1, **NEGATIVE), says="falls"),
    claim("L086", "figA27", BOTH, "Each α > 0 on the last three layers lowers accuracy.",
          by("every", -1, **POSITIVE), says="immediate loss"),
    claim("L087", "figA21", BOTH, "Lowering selectivity in the first three layers is better for accuracy than in the "
          "last three.", by("early_less_late", 1, late="figA25", **NEGATIVE), says="less needed early"),
    claim("L088", "figA28", BOTH, "At every α ≥ 0 at least 95 % of units switch their preferred class at least once.",
          by("levels", 1, 0.95, measure="switched", **POSITIVE), says="about 100 %", schedule=True),
    claim("L089", "figA29", R18, "From α = 0.3 on, ResNet18's units switch their preferred class less as α grows.",
          by("trend", -1, measure="switches", low=0.3, high=inf), says="falls", schedule=True),
    claim("L090", "figA29", R18, "At α of 0.1 and 0.2, ResNet18's units switch as often as at α = 0.",
          same("relative", INDEX, measure="switches", low=0.1, high=0.2), says="about equal", schedule=True),
    claim("L091", "figA29", R20, "How often ResNet20's units switch has nothing to do with α ≥ 0.",
          same("rank_with_alpha", SPEARMAN, measure="switches", low=0.0), says="no clear relation", schedule=True),
    claim("L092", "figA31", R20, "With warm-up, each α < 0 leaves ResNet20's accuracy as it is.",
          same("every", ACCURACY, **NEGATIVE), says="minimal cost"),
    claim("L093", "figA31", R18, "With warm-up, lowering selectivity raises ResNet18's accuracy: the best α does.",
          by("best", 1, **NEGATIVE), says="improves"),
    claim("L094", "figA31", BOTH, "With warm-up, raising selectivity still lowers accuracy.",
          by("trend", -1, **POSITIVE), says="slightly less than without warm-up"),
    claim("L099", "figA8", R20, "Without dead units ResNet20's index follows α ≥ 0 more closely than with them.",
          by("more_regular", 1, measure="si_living"), says="more regular"),
    claim("L100", "figA19", BOTH, "At equal |α|, raising d′ harms accuracy more than lowering it.",
          by("signs_averaged", 1), says="much more"),
    claim("L101", "figA19", R20, "No α < 0 on d′ raises ResNet20's accuracy by as much as half a point.",
          by("every", -1, ACCURACY, **NEGATIVE), says="modest effect"),
    claim("L102", "figA21", BOTH, "Accuracy rises and falls over α as it does with all layers, whether the first three "
          "layers alone are regularised or the last three.", by("same_shape", 1,
          restricted=(("figA21", "figA23"), ("figA25", "figA27")), whole={R18: "fig4", R20: "figA32"}),
          says="much of the effect"),
)  # fmt: skip
