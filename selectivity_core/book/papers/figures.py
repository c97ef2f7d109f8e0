"""The register of figures: which runs each needs, at any profile, and which notebook draws it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import SpecError, unknown
from ...runs.profiles import expand, find_profile, profile, seed_list, with_epochs
from ...spec import RunSpec

Side = Literal["negative", "positive", "both", "none"]

LEAVITT_MORCOS, MORCOS, BOOK = "Leavitt & Morcos", "Morcos et al. 2018", "this book"
WARM_UP_EPOCHS = 5
# Epochs of the papers' schedules: a warm-up keeps its share of a shorter one.
PAPER_EPOCHS = {"resnet18": 90, "resnet50": 90, "resnet20": 200, "vgg16": 200}


@dataclass(frozen=True)
class Figure:
    """A figure of a paper, or of this book."""

    id: str  # its name in commands ("fig4", "figA1")
    paper: str
    number: str  # as the paper counts it (ICLR 2021 numbering for Leavitt & Morcos)
    title: str
    notebook: str  # that draws it
    models: tuple[str, ...]  # the paper's networks
    side: Side = "both"  # the α values that it shows
    setting: Mapping[str, Any] = field(default_factory=dict)  # of its regularised runs, beside the profile's
    # The settings that it compares, each a set of fields. One that names a `model` is for that network, one that names
    # a `grid` takes that set of α values. A `window` is given as two shares of the epochs.
    variants: tuple[Mapping[str, Any], ...] = ({},)
    stretches: tuple[float, ...] = (1.0,)  # factors by which the profile's schedule is multiplied
    warm_up: bool = False  # whether α grows over the first five of the paper's epochs, or their share of the schedule
    grid: str = "all"  # which of the profile's sets of α values it takes
    tables: tuple[str, ...] = ()  # derived tables that it needs ("pairs", "bounds")
    analyses: tuple[str, ...] = ()  # of each of its trained networks, keys of `runs.analyses.ANALYSES`
    closer: tuple[str, ...] = ()  # the same, of the baseline runs of each network's first variant only
    loads: int = 0  # of how many baseline runs its page needs the weights
    note: str = ""  # what is not known of it, or was chosen here where the paper is silent

    @property
    def anchor(self) -> str:
        """The id that links point at."""
        return f"{'morcos-' if self.paper == MORCOS else ''}figure-{self.number}"


LOST = "The paper's caption is missing in the text at hand; the panels follow what the text says of the figure."
CITED = " The text cites A21 c and d for the last three layers of ResNet20, where A25 must be meant."
PRESUMED = "The paper never describes this figure; what stands here is presumed from its number and neighbours."
FOLLOWED = "Followed over epochs on the test set, the initialisation among them; dead units have no preferred class."
GROWS = "α grows linearly, step by step, over the paper's five epochs or the same share of a shorter schedule."
MEMORISED = "A corrupted network counts only where it has memorised (training accuracy of at least 0.95). "
NO_IMAGENET = "The paper's panels of ResNet-50 on ImageNet are not drawn: nothing here has been run at that scale."
# The paper names no slopes of its leaky rectifiers.
SLOPES = ({}, *({"activation": f"leaky_relu:{slope}"} for slope in (0.01, 0.1, 0.3)))
CORRUPTED = tuple({"label_corruption": share} for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
SEARCHED: tuple[Mapping[str, Any], ...] = (
    {"model": "mlp"},
    {"model": "convnet11"},
    *({"model": "convnet11", "lr": lr, "batch_size": b} for lr in (0.005, 0.01, 0.02, 0.05) for b in (32, 64, 128)),
)
REGULARISED: tuple[Mapping[str, Any], ...] = (
    *({"model": "mlp", "dropout": p, "label_corruption": c} for c in (0.0, 1.0) for p in (0.0, 0.1, 0.2, 0.3)),
    *({"model": "convnet11", "batch_norm": norm} for norm in (True, False)),
)
NORMED = ({"batch_norm": True}, {"batch_norm": False})
SMALL = ({"model": "mlp", "width": 128}, {"model": "convnet11"})
# When α acts, as shares of the epochs; throughout where there is none.
EARLY, AFTER, LATE = (0.0, 0.25), (0.25, 1.0), (0.75, 1.0)
WINDOWS: tuple[Mapping[str, Any], ...] = (
    {}, {"window": EARLY}, {"window": AFTER}, {"window": LATE},
    *({"estimate": "shuffled", **window} for window in ({}, {"window": EARLY}, {"window": AFTER})),
)  # fmt: skip
# By which term an index is reached; each has its own α.
MEANS = tuple({"index": index, "grid": f"means_{index}"} for index in ("si", "dprime", "offset", "spread"))
NOT_FIELDS = ("model", "grid")  # of variants

_ENTRIES = (
    Figure("fig1", LEAVITT_MORCOS, "1", "Reducing selectivity", "02_figure_1", ("resnet18",), side="negative"),
    Figure("fig2", LEAVITT_MORCOS, "2", "Do units only rotate away?", "03_figure_2", ("resnet18",), side="negative",
           tables=("bounds", "pairs"),
           note="Printed indices of the ratio's denominator look garbled: read as the distance within α. Bands "
           "in a are over pairs, as the paper has them; pairs share networks, so that they are narrower "
           "than networks would allow."),
    Figure("fig3", LEAVITT_MORCOS, "3", "Increasing selectivity", "04_figure_3", ("resnet18",), side="positive"),
    Figure("fig4", LEAVITT_MORCOS, "4", "Reducing against increasing selectivity", "05_figure_4", ("resnet18",)),
    Figure("figA1", LEAVITT_MORCOS, "A1", "Negative α lowers selectivity", "06_selectivity_by_layer",
           ("resnet18", "resnet20"), side="negative"),
    Figure("figA2", LEAVITT_MORCOS, "A2", "Reducing selectivity in ResNet20", "07_resnet20", ("resnet20",),
           side="negative"),
    Figure("figA3", LEAVITT_MORCOS, "A3", "Distance ratio of ResNet20", "03_figure_2", ("resnet20",), side="negative",
           tables=("pairs",),
           note="The text prints p < 5×10⁶ where the caption has 5×10⁻⁶."),
    Figure("figA4", LEAVITT_MORCOS, "A4", "The off-axis bound, layer by layer", "03_figure_2",
           ("resnet18", "resnet20"), side="negative", tables=("bounds",)),
    Figure("figA5", LEAVITT_MORCOS, "A5", "Positive α raises selectivity", "06_selectivity_by_layer",
           ("resnet18", "resnet20"), side="positive"),
    Figure("figA6", LEAVITT_MORCOS, "A6", "Increasing selectivity in ResNet20", "07_resnet20", ("resnet20",),
           side="positive", note=LOST),
    Figure("figA7", LEAVITT_MORCOS, "A7", "Dead units of ResNet18", "08_dead_units", ("resnet18",), side="positive",
           note="Dead here: the map is 0 at every position for every test image."),
    Figure("figA8", LEAVITT_MORCOS, "A8", "Dead units of ResNet20, and selectivity without them", "08_dead_units",
           ("resnet20",), side="positive", note=LOST),
    Figure("figA9", LEAVITT_MORCOS, "A9", "Accuracy with leaky rectifiers", "08_dead_units", ("resnet20",),
           side="positive", variants=SLOPES, grid="leaky",
           note=LOST + " The slopes are this book's choice; activity is shifted by each unit's minimum before the "
           "index."),
    Figure("figA10", LEAVITT_MORCOS, "A10", "How many images activate a unit", "09_active_units",
           ("resnet18", "resnet20")),
    Figure("figA11", LEAVITT_MORCOS, "A11", "VGG16: negative α lowers selectivity", "14_vgg16", ("vgg16",),
           side="negative"),
    Figure("figA12", LEAVITT_MORCOS, "A12", "VGG16: reducing selectivity", "14_vgg16", ("vgg16",), side="negative",
           note=LOST),
    Figure("figA13", LEAVITT_MORCOS, "A13", "VGG16: positive α raises selectivity", "14_vgg16", ("vgg16",),
           side="positive"),
    Figure("figA14", LEAVITT_MORCOS, "A14", "VGG16: increasing selectivity", "14_vgg16", ("vgg16",), side="positive",
           note=LOST + " The text never cites it; its place between A13 and A15 says what it must be."),
    Figure("figA15", LEAVITT_MORCOS, "A15", "VGG16: reducing against increasing selectivity", "14_vgg16", ("vgg16",),
           note=LOST),
    Figure("figA16", LEAVITT_MORCOS, "A16", "VGG16 beside ResNet20", "14_vgg16", ("vgg16", "resnet20"), note=LOST),
    Figure("figA17", LEAVITT_MORCOS, "A17", "The regulariser and precision", "10_other_measures",
           ("resnet18", "resnet20"),
           note="Ties at the cut count by their expected share."),
    Figure("figA18", LEAVITT_MORCOS, "A18", "The regulariser and mutual information", "10_other_measures",
           ("resnet18", "resnet20"),
           note=LOST + " Bins: exact zeros apart, the rest cut into 20 of equal count; dotted: shuffled labels, the "
           "estimate's own bias."),
    Figure("figA19", LEAVITT_MORCOS, "A19", "d′ as the regularised index", "11_dprime", ("resnet18", "resnet20"),
           setting={"index": "dprime"}, grid="dprime",
           note="Its printed caption repeats that of Figure A20, taken for a slip."),
    Figure("figA20", LEAVITT_MORCOS, "A20", "Reducing selectivity in the first three layers: selectivity",
           "12_first_layers", ("resnet18", "resnet20"), side="negative", setting={"layers": "first3"}, grid="layers"),
    Figure("figA21", LEAVITT_MORCOS, "A21", "Reducing selectivity in the first three layers: accuracy",
           "12_first_layers", ("resnet18", "resnet20"), side="negative", setting={"layers": "first3"}, grid="layers",
           note=LOST + CITED),
    Figure("figA22", LEAVITT_MORCOS, "A22", "Increasing selectivity in the first three layers: selectivity",
           "12_first_layers", ("resnet18", "resnet20"), side="positive", setting={"layers": "first3"}, grid="layers"),
    Figure("figA23", LEAVITT_MORCOS, "A23", "Increasing selectivity in the first three layers: accuracy",
           "12_first_layers", ("resnet18", "resnet20"), side="positive", setting={"layers": "first3"}, grid="layers",
           note=LOST),
    Figure("figA24", LEAVITT_MORCOS, "A24", "Reducing selectivity in the last three layers: selectivity",
           "13_last_layers", ("resnet18", "resnet20"), side="negative", setting={"layers": "last3"}, grid="layers"),
    Figure("figA25", LEAVITT_MORCOS, "A25", "Reducing selectivity in the last three layers: accuracy",
           "13_last_layers", ("resnet18", "resnet20"), side="negative", setting={"layers": "last3"}, grid="layers",
           note=LOST + CITED),
    Figure("figA26", LEAVITT_MORCOS, "A26", "Increasing selectivity in the last three layers: selectivity",
           "13_last_layers", ("resnet18", "resnet20"), side="positive", setting={"layers": "last3"}, grid="layers"),
    Figure("figA27", LEAVITT_MORCOS, "A27", "Increasing selectivity in the last three layers: accuracy",
           "13_last_layers", ("resnet18", "resnet20"), side="positive", setting={"layers": "last3"}, grid="layers",
           note=LOST),
    Figure("figA28", LEAVITT_MORCOS, "A28", "Units that ever switch their preferred class", "15_learning",
           ("resnet18", "resnet20"), side="positive",
           note=FOLLOWED),
    Figure("figA29", LEAVITT_MORCOS, "A29", "How often units switch their preferred class", "15_learning",
           ("resnet18", "resnet20"), side="positive",
           note=FOLLOWED),
    Figure("figA30", LEAVITT_MORCOS, "A30", "Selectivity when α is warmed up", "16_warm_up", ("resnet18", "resnet20"),
           warm_up=True, grid="warm_up",
           note=GROWS),
    Figure("figA31", LEAVITT_MORCOS, "A31", "Accuracy when α is warmed up", "16_warm_up", ("resnet18", "resnet20"),
           warm_up=True, grid="warm_up",
           note=f"{LOST} {GROWS}"),
    Figure("figA32", LEAVITT_MORCOS, "A32", "ResNet20: reducing against increasing selectivity", "07_resnet20",
           ("resnet20",),
           note=PRESUMED),
    Figure("figA33", LEAVITT_MORCOS, "A33", "ResNet20: accuracy over the whole range of selectivity", "07_resnet20",
           ("resnet20",),
           note=PRESUMED),
    Figure("figA34", LEAVITT_MORCOS, "A34", "ResNet50", "17_resnet50", ("resnet50",), note=LOST),
    Figure("morcos1", MORCOS, "1", "Networks that memorise rely on single units", "23_ablation", ("mlp", "convnet11"),
           side="none", variants=CORRUPTED, analyses=("ablation",),
           note=MEMORISED + NO_IMAGENET),
    Figure("morcos2", MORCOS, "2", "Networks that memorise suffer more from noise", "24_noise", ("mlp", "convnet11"),
           side="none", variants=CORRUPTED, analyses=("noise",),
           note=MEMORISED + "The scale multiplies each unit's standard deviation over the training images."),
    Figure("morcos3", MORCOS, "3", "Do networks that generalise rely less on single units?", "25_generalisation",
           ("convnet11",), side="none", grid="many", analyses=("ablation",),
           note="Networks differ in initialisation, data order and in which images they are given."),
    Figure("morcos4", MORCOS, "4", "Reliance as a signal for stopping and for choosing", "26_model_selection",
           ("mlp", "convnet11"), side="none", variants=SEARCHED, grid="settings", analyses=("ablation",),
           closer=("training",),
           note="The grid over learning rate and batch size is this book's; the paper's is recalled, not "
           "confirmed. Epochs are looked at closer together where networks learn fast."),
    Figure("morcos5", MORCOS, "5", "Dropout and batch norm", "27_dropout_batch_norm", ("mlp", "convnet11"),
           side="none", variants=REGULARISED, grid="instances", analyses=("ablation",)),
    Figure("morcos6", MORCOS, "6", "Batch norm, selectivity and mutual information", "28_batch_norm_selectivity",
           ("convnet11",), side="none", variants=NORMED, grid="instances"),
    Figure("morcos7", MORCOS, "7", "Are selective units more important than others?", "29_importance",
           ("mlp", "convnet11"), side="none", variants=SMALL, analyses=("importance",),
           note=NO_IMAGENET),
    Figure("morcosA1", MORCOS, "A1", "Ablating to zero and to the mean", "23_ablation", ("mlp", "convnet11"),
           side="none", analyses=("ablation", "ablation-mean"),
           note="The finding is in the text at hand; the figure's number is not."),
    Figure("morcosA2", MORCOS, "A2", "Selectivity by depth", "29_importance", ("convnet11",), side="none",
           note=NO_IMAGENET),
    Figure("morcosA3", MORCOS, "A3", "Selectivity and the size of the filter", "29_importance", ("convnet11",),
           side="none",
           note=NO_IMAGENET),
    Figure("morcosA4", MORCOS, "A4", "Importance and mutual information", "29_importance", ("mlp", "convnet11"),
           side="none", variants=SMALL, analyses=("importance",),
           note=NO_IMAGENET),
    Figure("index", BOOK, "B1", "The index on real units", "01_index", ("resnet20",), side="none"),
    Figure("offset", BOOK, "B2", "How much of the fall in selectivity is offset", "18_offset",
           ("resnet20", "resnet18")),
    Figure("classes", BOOK, "B3", "Does class matter?", "19_does_class_matter", ("resnet20",),
           variants=({}, {"estimate": "shuffled"}), grid="estimates"),
    Figure("batches", BOOK, "B4", "What α acts on in a batch", "20_batches", ("resnet20",),
           variants=({}, {"estimate": "unbiased"}), grid="estimates", loads=1),
    Figure("pwcca", BOOK, "B5", "Which PWCCA?", "21_which_pwcca", ("resnet20",), side="negative", tables=("pairs",),
           loads=2),
    Figure("others", BOOK, "B6", "What other implementations do differently", "22_how_others_differ", ("resnet20",),
           side="none", loads=1),
    Figure("t95", BOOK, "B7", "Epochs to 95 % of the best accuracy", "15_learning", ("resnet18", "resnet20"),
           note="Leavitt & Morcos give medians and quartiles in their text (A.2) and draw no figure."),
    Figure("reliance", BOOK, "B8", "Does α change the reliance on single units?", "30_alpha_and_reliance",
           ("resnet20", "resnet18"), grid="estimates", analyses=("ablation-test", "ablation-test-mean", "noise-test")),
    Figure("live", BOOK, "B9", "Networks trained when the book was built", "36_live", ("resnet18",)),
    Figure("schedules", BOOK, "B10", "Do the gaps close with longer training?", "38_schedules", ("resnet20",),
           stretches=(1.0, 0.5, 2.0), grid="schedules"),
    Figure("windows", BOOK, "B11", "When is selectivity needed, and is it the classes?", "40_windows", ("resnet20",),
           variants=WINDOWS, grid="windows", closer=("importance-by-epoch",)),
    Figure("means", BOOK, "B12", "Equal index by different means", "42_equal_index", ("resnet20",), variants=MEANS,
           grid="means", tables=("bounds",), analyses=("probe",)),
    Figure("robustness", BOOK, "B13", "Does selectivity make networks robust?", "41_robustness", ("resnet20",),
           analyses=("robustness", "dimensions"),
           note="After Leavitt & Morcos (arXiv 2007.04440), of which the abstract was read. Strengths of corruptions "
           "are those published for 32x32 images; 8x8 images go without motion blur and pixelation. Grey images are "
           "attacked with larger ε than colour ones."),
    Figure("damage", BOOK, "B14", "Whom does ablating a selective unit harm?", "29_importance",
           ("convnet11", "resnet20"), side="none", analyses=("damage",),
           note="After Zhou et al. (arXiv 1806.02891), of which the abstract was read."),
    Figure("by_class", BOOK, "B15", "Does α cost all classes alike?", "07_resnet20", ("resnet20",),
           analyses=("classes",)),
)  # fmt: skip

FIGURES: dict[str, Figure] = {figure.id: figure for figure in _ENTRIES}


def find_figure(name: str) -> Figure:
    """A figure by its id, such as "fig4" or "figA1"; SpecError where there is none."""
    if name not in FIGURES:
        raise SpecError(unknown("figure", name, FIGURES))
    return FIGURES[name]


def on_side(alphas: Iterable[float], side: Side) -> list[float]:
    """The α values of one side, ascending, with the baseline 0; SpecError for one that no run can have, on any side."""
    checked = [RunSpec(alpha=a).alpha for a in alphas]
    low, high = side in ("negative", "both"), side in ("positive", "both")
    return sorted({a for a in checked if (a < 0 and low) or (a > 0 and high)} | {0.0})


def setting(figure: Figure, base: RunSpec, variant: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the regularised runs of a figure's variant have beside those of a profile's base spec."""
    found = dict(figure.setting)
    if figure.warm_up:
        paper = PAPER_EPOCHS.get(base.model, base.epochs)
        found["warmup_epochs"] = WARM_UP_EPOCHS * min(1.0, base.epochs / paper)
    found |= {name: value for name, value in variant.items() if name not in NOT_FIELDS}
    if "window" in found:
        found["window"] = window_at(found["window"], base.epochs)
    return found


def window_at(shares: tuple[float, float], epochs: int) -> tuple[int, int]:
    """First and last epoch from one share of a schedule to another: (0, 0.25) of 30 epochs is 0 to 7, at least one."""
    first = min(round(shares[0] * epochs), epochs - 1)
    return first, max(first, round(shares[1] * epochs) - 1)


def stretched(base: RunSpec, factor: float) -> RunSpec:
    """A spec with `factor` times the epochs and warm-up; its learning rate drops at the same shares of them."""
    longer = with_epochs(base, max(1, round(factor * base.epochs)))
    return longer.replace(warmup_epochs=factor * base.warmup_epochs)


def grid(
    profile_name: str, figure: str, *,
    alphas: Sequence[float] | None = None, seeds: int | Sequence[int] | None = None,
    models: Sequence[str] | None = None, **overrides: Any,
) -> list[RunSpec]:  # fmt: skip
    """The runs that a figure needs at a profile.

    Args:
        alphas: α values; by default the profile's. Values of the other sign are left out where a figure has one side.
        seeds: a count or a list; by default the profile's, with the further ones of some α.
        models: networks; by default the figure's own as far as the profile covers them.
        overrides: other values for any field of the specs.

    Returns:
        specs, network by network, each once; SpecError for what is unknown or out of range.
    """
    entry, scale = find_figure(figure), find_profile(profile_name)
    numbers = seed_list(scale.seeds_for(entry.grid) if seeds is None else seeds)
    specs: list[RunSpec] = []
    # A profile that covers none of the figure's networks shows its own.
    usual_models = [model for model in entry.models if model in scale.models] or scale.models[:1]
    for model in usual_models if models is None else models:
        base = profile(profile_name, model=model, **overrides)
        usual = on_side(scale.alphas_for(entry.grid, model) if alphas is None else alphas, entry.side)
        # A network that stands in for the figure's own has none of their variants.
        for variant in [v for v in entry.variants if v.get("model", model) == model] or [{}]:
            own_grid = "grid" in variant and alphas is None
            chosen = on_side(scale.alphas_for(variant["grid"], model), entry.side) if own_grid else usual
            # An override wins over what the figure sets.
            own = {k: v for k, v in setting(entry, base, variant).items() if k not in overrides}
            for stretch in entry.stretches:
                specs += expand(stretched(base.replace(**own), stretch), alphas=chosen, seeds=numbers)
        if seeds is None and entry.grid == "all":
            specs += scale.more_seeds(base, usual)
    return list(dict.fromkeys(specs))
