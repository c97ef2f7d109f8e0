"""What single pages show beside their figures."""

from __future__ import annotations

import pandas as pd

from ...runs.planning import Plan
from ..numbers import alpha_label
from ..representations import distances, in_form, ratios
from ..study import MODEL_NAMES, Study
from .representations import SHOWN_FORMS
from .selectivity import index_histogram
from .shown import Nothing, Shown, Table, show
from .style import panels
from .units import active_share


def positions(study: Study) -> Shown | Nothing:
    """The share of positions at which each unit is active, for every network of a study of Figure A10."""
    models = [m for m in study.models if len(study.table("units", m))]
    if not models:
        return Nothing(study, part="-positions")
    figure, axes = panels(len(models), columns=2 if len(models) > 1 else 1, width=4.4, letters=False)
    alts = []
    for axis, model in zip(axes, models, strict=True):
        sparse = active_share(axis, study.table("units", model), "active_positions")
        axis.set_ylabel("active positions (%)")
        axis.set_title(MODEL_NAMES[model])
        listed = ", ".join(f"{alpha_label(a)}: {v * 100:.1f} %" for a, v in sparse.items())
        alts.append(f"{MODEL_NAMES[model]}, share of units active at half of the positions or fewer by α: {listed}.")
    return show(
        figure, study, part="-positions", alt=" ".join(alts),
        caption="The same units by the share of image positions at which they are active. This book's own panel.",
    )  # fmt: skip


def distance_table(*studies: Study) -> Table:
    """Ratio and excess at every α, in each form, with the test over networks and the paper's over layers."""
    rows = []
    for study in studies:
        for model in study.models:
            table = distances(study.tables.pairs, study.runs(model))
            for form, (name, _, _) in SHOWN_FORMS.items():
                found = ratios(in_form(table, form)).assign(network=MODEL_NAMES[model], form=name)
                rows.append(found)
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    if not len(frame):
        return Table(pd.DataFrame({"α": []}), "No pair of networks is finished")
    shown = pd.DataFrame(
        {
            "network": frame["network"],
            "form": frame["form"],
            "α": [alpha_label(a) for a in frame["alpha"]],
            "ratio": [f"{v:.3f}" for v in frame["ratio"]],
            "excess": [f"{v:+.4f}".replace("-", "−") for v in frame["excess"]],
            "p, exchanging networks": ["–" if pd.isna(p) else f"{p:.3f}" for p in frame["p_networks"]],
            "p, paired by layer (paper)": ["–" if pd.isna(p) else f"{p:.1e}" for p in frame["p_layers"]],
        }
    )
    return Table(
        shown,
        "With n seeds the exchange of networks cannot fall below 1/2ⁿ⁻¹: three seeds give no less than 0.25, whatever "
        "the data",
    )


def index_by_hand(study: Study) -> str:
    """The index of the most selective unit, worked out from its class means as on paper; Markdown."""
    units, responses = study.table("units"), study.table("responses")
    if not len(units) or not len(responses):
        return "No run is finished: there is no unit to work it out for."
    unit = units.loc[units["si"].idxmax()]
    mine = responses[[*("run", "layer", "unit")]].eq(unit[["run", "layer", "unit"]]).all(axis=1)
    means = responses.loc[mine, "mean"].to_numpy()
    highest = means.max()
    others = (means.sum() - highest) / (len(means) - 1)
    value = (highest - others) / (highest + others + 1e-7)
    return (
        f"({highest:.4f} − {others:.4f}) / ({highest:.4f} + {others:.4f}) = **{value:.4f}**; in the table: "
        f"{unit['si']:.4f}."
    )


def units_figure(study: Study) -> Shown | Nothing:
    """The selectivity of every unit of a study, and what shuffled labels give."""
    units = study.table("units", study.models[0])
    if not len(units):
        return Nothing(study)
    figure, (axes,) = panels(1, width=5.2)
    index_histogram(axes, units)
    return show(
        figure, study,
        caption="Selectivity of every unit on the test set; pale: mean over 20 shuffles of the labels; dashed: mean.",
        alt=f"Histogram of the selectivity index of {len(units)} units: mean {units['si'].mean():.3f}, largest "
        f"{units['si'].max():.3f}; with shuffled labels the mean is {units['si_shuffled'].mean():.3f}.",
    )  # fmt: skip


def index_on_batches(study: Study) -> str:
    """The index of training batches beside that of the whole test set, at a run's last epoch; Markdown."""
    history = study.table("history", study.models[0])
    if not len(history):
        return "No run is finished."
    last = history.loc[history["epoch"].idxmax()]
    return (
        f"Mean over layers on a training batch of {study.specs[0].batch_size}: **{last['batch_index']:.3f}**; on the "
        f"whole test set: **{last['si_layers']:.3f}**."
    )


def plan_table(plan: Plan) -> Table:
    """What a sweep will take, a row a setting, with where each cost comes from."""
    shown = plan.frame()
    for name, digits in (("minutes each", 1), ("hours", 0), ("GB", 1)):
        shown[name] = ["–" if pd.isna(v) else f"{v:,.{digits if v < 100 else 0}f}" for v in shown[name]]
    return Table(shown, f"Runs, hours and disk; {plan.workers} workers")
