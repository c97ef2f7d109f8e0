"""What the tutorial pages show: selectivity by layer and accuracy by α, the modules of units, and the loop's source."""

from __future__ import annotations

import inspect
import io
import textwrap
from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import alpha_label, number
from ..tutorials import Comparison
from .shown import Shown, Table
from .style import GREY, RC, alpha_axis, alpha_color, in_style, panels

_SCALE = "Scaled down: a small network on scikit-learn's 8×8 digits."


@in_style
def layers_by_alpha(axes: Axes, layers: pd.DataFrame) -> None:
    """Mean SI of each layer, a line an α (means over seeds), beside shuffled labels.

    Args:
        axes: where to draw.
        layers: of a `Comparison`.
    """
    alphas = sorted(layers["alpha"].unique())
    for alpha in alphas:
        means = layers[layers["alpha"] == alpha].groupby("depth")[["si", "si_shuffled"]].mean()
        color = alpha_color(alpha, alphas)
        axes.plot(means.index, means["si"], "o-", color=color, label=f"α = {alpha_label(alpha)}")
        axes.plot(means.index, means["si_shuffled"], ":", color=color)
    axes.plot([], [], ":", color=GREY, label="labels shuffled")
    names = layers.drop_duplicates("depth").set_index("depth")["layer"].sort_index()
    axes.set_xticks(names.index, [_broken(name) for name in names], fontsize=7.5)
    axes.set_ylim(0, 1)
    axes.set_ylabel("mean SI of the layer's units")


@in_style
def accuracy_dots(axes: Axes, networks: pd.DataFrame) -> None:
    """Test accuracy of every network, in percent, with the mean at each α.

    Args:
        axes: where to draw.
        networks: of a `Comparison`.
    """
    alphas = sorted(networks["alpha"].unique())
    places = alpha_axis(axes, alphas)
    for alpha in alphas:
        values = networks.loc[networks["alpha"] == alpha, "accuracy"] * 100
        color = alpha_color(alpha, alphas)
        axes.plot([places[alpha]] * len(values), values, "o", color=color, alpha=0.6)
        axes.hlines(values.mean(), places[alpha] - 0.25, places[alpha] + 0.25, color=color)
    # At least ten points of accuracy, so that the scatter of a few networks does not look like an effect.
    shown = networks["accuracy"] * 100
    centre, half = (shown.min() + shown.max()) / 2, max(5.0, (shown.max() - shown.min()) / 2 + 1)
    axes.set_ylim(centre - half, centre + half)
    axes.set_ylabel("test accuracy (%)")


def tutorial_figure(compared: Comparison, *, name: str, what: str) -> Shown:
    """Selectivity by layer and accuracy, side by side.

    Args:
        compared: of `tutorials.compare`.
        name: the figure's anchor, after "figure-".
        what: the network and its data in words, the caption's first sentence.
    """
    networks, layers = compared.networks, compared.layers
    figure, (left, right) = panels(2, width=4.4, height=3.2)
    layers_by_alpha(left, layers)
    accuracy_dots(right, networks)
    buffer = io.BytesIO()
    with mpl.rc_context(RC):
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    count = networks.groupby("alpha")["seed"].nunique().min()
    caption = (
        f"{what} (a) Mean selectivity index of each layer on the test set, by α; dotted: the mean over 20 shuffles of "
        f"the labels. (b) Test accuracy, a dot a network, the mean as a line. {_SCALE} n = {count} at each α."
    )
    alt = " ".join(
        f"α = {alpha_label(alpha)}: SI by layer "
        + ", ".join(number(v, 2) for v in group.groupby("depth")["si"].mean())
        + f"; accuracy {number(networks.loc[networks['alpha'] == alpha, 'accuracy'].mean() * 100, 1)} %."
        for alpha, group in layers.groupby("alpha")
    )
    return Shown(buffer.getvalue().decode(), f"figure-{name}", caption, alt)


def networks_table(compared: Comparison) -> Table:
    """Accuracy and index at each α, means over seeds, beside the index with shuffled labels."""
    by_alpha = compared.networks.groupby("alpha")
    means = by_alpha.agg(n=("seed", "nunique"), accuracy=("accuracy", "mean"), si=("si", "mean"))
    shuffled = compared.layers.groupby("alpha")["si_shuffled"].mean()
    frame = pd.DataFrame(
        {
            "α": [alpha_label(a) for a in means.index],
            "n": means["n"].to_numpy(),
            "SI, mean over layers": [number(v, 3) for v in means["si"]],
            "SI, shuffled labels": [number(v, 3) for v in shuffled],
            "accuracy (%)": [number(v * 100, 1) for v in means["accuracy"]],
        }
    )
    return Table(frame, "The networks on the test set, means over seeds")


def calls_table(calls: pd.DataFrame) -> Table:
    """The activation modules that `layers="all"` finds, of `tutorials.calls`."""
    frame = calls.rename(columns={"layer": "module", "calls": "calls in a pass", "units": "units of each call"})
    return Table(frame, f"{len(calls)} modules, {calls['calls'].sum()} layers in a pass")


def source_of(function: Callable[..., object]) -> str:
    """A function's source as Markdown, for a page that shows what it ran."""
    return f"```python\n{textwrap.dedent(inspect.getsource(function)).rstrip()}\n```"


def _broken(name: str) -> str:
    """A module's name on two lines, so that it fits under a tick."""
    return "\n".join(part for part in name.rpartition(".")[::2] if part)
