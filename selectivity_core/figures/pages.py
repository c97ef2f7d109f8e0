"""What single pages show beside their figures."""

from __future__ import annotations

import pandas as pd

from ..representations import distances, in_form, ratios
from ..study import MODEL_NAMES, Study
from .representations import SHOWN_FORMS
from .shown import Nothing, Shown, Table, show
from .style import alpha_label, panels
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
        listed = ", ".join(f"{alpha_label(a)}: {v * 100:.1f} %" for a, v in sparse.items())  # type: ignore[arg-type]
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
