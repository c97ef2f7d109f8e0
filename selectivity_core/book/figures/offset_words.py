"""What the page on offset says in numbers: tables of shares, and its conclusion in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..numbers import NONE, alpha_label, number, span, with_span
from ..offset import SHIFT_FREE, part_shares, relative, shares
from ..statistics import Interval, interval
from ..study import MODEL_NAMES, Study
from .offset import LINES, PARTS, compared_models, example_alpha, parts_of
from .shown import Table


def shares_table(study: Study) -> Table:
    """Which share of the index's change, in logs, each shift-free measure shows, with intervals over seeds."""
    rows = []
    for model in compared_models(study):
        table = relative(study.table("layers", model))
        found = shares(table)
        for alpha, logs in table[table["measure"] == "si"].groupby("alpha")["log_ratio"]:
            if alpha == 0:
                continue
            row = {"network": MODEL_NAMES[model], "α": alpha_label(float(alpha))}
            row["SI, share of α = 0"] = number(float(np.exp(logs.mean())))
            for measure in SHIFT_FREE:
                row[LINES[measure][0]] = with_span(found[float(alpha), measure])
            rows.append(row)
    columns = ["network", "α", "SI, share of α = 0", *(LINES[m][0] for m in SHIFT_FREE)]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "The change of each measure since α = 0 as a share of the change of SI (logarithms, less chance; paired by "
        f"seed, 95 % intervals over seeds; {NONE} where these seeds cannot tell the change of SI from none)",
    )


def split_table(study: Study) -> Table:
    """The parts of the index's change at each α, and the share that is offset with its interval over seeds."""
    rows = []
    for model in compared_models(study):
        parts = parts_of(study, model)
        found, raw = part_shares(parts), part_shares(parts, "classes_raw")
        layers = parts_of(study, model, by_layer=True).groupby(["alpha", "seed"]).mean(numeric_only=True).reset_index()
        equal = part_shares(layers)
        for alpha, group in parts.groupby("alpha"):
            means = group[["change", *PARTS]].mean()
            rows.append(
                {
                    "network": MODEL_NAMES[model], "α": alpha_label(float(alpha)), "n": len(group),
                    "change of SI": number(means["change"], 3, signed=True),
                    **{label: number(means[part], 3, signed=True) for part, (label, _) in PARTS.items()},
                    "offset (% of change)": with_span(found[float(alpha)], 0, scale=100),
                    "the same, layers equal": with_span(equal[float(alpha)], 0, scale=100),
                    "raw class differences (%)": number(100 * raw[float(alpha)].mean, 0),
                }
            )  # fmt: skip
    columns = ["network", "α", "n", "change of SI", *(label for label, _ in PARTS.values()),
               "offset (% of change)", "the same, layers equal", "raw class differences (%)"]  # fmt: skip
    return Table(pd.DataFrame(rows, columns=columns), "The change of the mean index since α = 0 and its parts")


def offset_in_words(study: Study) -> str:
    """What these networks say of offset, a Markdown paragraph a network; every number and word of it is computed."""
    paragraphs = [_network_in_words(study, model) for model in compared_models(study)]
    return "\n\n".join(paragraphs) or "No network has runs at α = 0 and at another α: there is nothing to compare."


def _network_in_words(study: Study, model: str) -> str:
    table = relative(study.table("layers", model))
    alpha = example_alpha(table["alpha"])
    logs = table[table["alpha"] == alpha].groupby("measure")["log_ratio"]
    left = {str(measure): interval(rows.to_numpy()) for measure, rows in logs}
    sentences = [
        f"**{MODEL_NAMES[model]}.** At α = {alpha_label(alpha)} the index, less chance, is {_ratio(left['si'])} of its "
        "value at α = 0."
    ]
    free = {m: left[m] for m in SHIFT_FREE if np.isfinite(left[m].mean)}
    if free:
        least, most = min(free, key=lambda m: free[m].mean), max(free, key=lambda m: free[m].mean)
        sentences.append(
            f"The measures that no offset moves stand at {_ratio(free[least])} ({LINES[least][0]}) to "
            f"{_ratio(free[most])} ({LINES[most][0]}) of theirs{_clearly(left['si'], free)}."
        )
    parts = parts_of(study, model)
    for side, name in ((-1, "fall"), (1, "rise")):
        mine = parts[np.sign(parts["alpha"]) == side]
        moved = mine.groupby("alpha")["change"].mean() * side > 0
        found = {a: band for a, band in part_shares(mine).items() if moved[a] and np.isfinite(band.mean)}
        if found:
            sentences.append(_shares_in_words(found, name))
    return " ".join(sentences)


def _clearly(index: Interval, free: dict[str, Interval]) -> str:
    """How many measures moved to the index's side of their value at α = 0, where there are intervals to tell."""
    if not any(np.isfinite(band.low) for band in free.values()):
        return ""
    down = index.mean < 0
    clear = sum(band.high < 0 if down else band.low > 0 for band in free.values())
    return f"; {clear} of {len(free)} are clearly {'below' if down else 'above'} their value at α = 0 (95 %)"


def _shares_in_words(found: dict[float, Interval], name: str) -> str:
    near, far = min(found, key=abs), max(found, key=abs)
    ends = " and ".join(_share(found[a], a) for a in dict.fromkeys((near, far)))
    sentence = f"Of the {name} of the mean index offset makes up {ends}."
    known = [band for band in found.values() if np.isfinite(band.low)]
    if not known:
        return f"{sentence} With one seed there is no interval: these are values, not effects."
    most, least = sum(band.low > 0.5 for band in known), sum(band.high < 0.5 for band in known)
    return (
        f"{sentence} The {name} itself is clear at {len(known)} values of α: at {most} of them offset is clearly "
        f"more than half of it, at {least} clearly less, and at {len(known) - most - least} these seeds cannot tell."
    )


def _share(band: Interval, alpha: float) -> str:
    bounds = span(band, 0, scale=100)
    return f"{number(100 * band.mean, 0)} %{'' if bounds == NONE else f' ({bounds})'} at α = {alpha_label(alpha)}"


def _ratio(band: Interval) -> str:
    return number(float(np.exp(band.mean)))
