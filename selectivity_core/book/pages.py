"""The runs behind a notebook's figures, and the few things that every page shows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd
from IPython.display import HTML

from ..data import DATASETS
from ..errors import ParameterError
from ..models import MODEL_NAMES
from ..runs.analyses import ANALYSES, bound_tasks
from ..runs.archive import ledger
from ..runs.derived import Task, derive, ledger_results, result_path
from ..runs.profiles import PLAIN, PROFILES, Bound, Profile, check_overrides, find_profile
from ..runs.reads import note_read
from ..runs.store import RunStore, default_store
from ..runs.sweeping import MAX_HOURS, OnMissing, sweep
from ..spec import RunSpec
from ..tables import Tables
from . import NOT_HERE
from .papers.claims import OTHER_SOURCE, PAPER_ACCURACY, PAPER_DATA
from .papers.figures import LEAVITT_MORCOS, Figure, find_figure, grid
from .representations import pair_tasks

# Fields in which the runs of one figure can differ beside α and seed.
VARIED = (
    "activation", "estimate", "label_corruption", "dropout", "batch_norm", "epochs", "lr", "batch_size", "width",
    "weight_decay",
)  # fmt: skip
# Of networks whose full-scale recipe is known.
PAPER_WIDTH = {spec.model: spec.width for scale in PROFILES.values() if not scale.scaled_down for spec in scale.base}


@dataclass(frozen=True)
class FigureRuns:
    """The runs of one figure at one profile.

    Attributes:
        specs: all runs that the figure wants.
        tables: those that are there, as tidy tables; a diverged run has a row in `tables.runs` only.
    """

    figure: Figure
    profile: str
    specs: tuple[RunSpec, ...]
    tables: Tables

    @property
    def runs(self) -> pd.DataFrame:
        """Completed runs, a row a run."""
        return self.tables.runs[self.tables.runs["status"] == "complete"].reset_index(drop=True)

    @property
    def diverged(self) -> pd.DataFrame:
        """Runs whose loss stopped being finite."""
        return self.tables.runs[self.tables.runs["status"] == "diverged"].reset_index(drop=True)

    @property
    def missing(self) -> list[RunSpec]:
        """Runs that are wanted and not there."""
        there = set(self.tables.runs["run"])
        return [spec for spec in self.specs if spec.id not in there]

    @property
    def models(self) -> list[str]:
        """Networks, in the order of the figure."""
        return list(dict.fromkeys(spec.model for spec in self.specs))

    def table(self, name: str) -> pd.DataFrame:
        """A table of the completed runs, with model, α, seed and what else varies joined on."""
        return self.tables.with_spec(name, "model", "alpha", "seed", *VARIED)

    def context(self) -> pd.DataFrame:
        """What the networks of the page are and how well they do at α = 0, beside the paper's: a text column for each.

        Where a figure compares settings a column is of its first one alone: a mean over true and random labels would be
        nobody's accuracy. Accuracies are means over seeds in percent; steps are those of gradient descent.
        """
        found = {}
        for model in self.models:
            spec = next(s for s in self.specs if s.model == model)
            plain = spec.replace(alpha=0.0, seed=0, **PLAIN)
            like = {s.id for s in self.specs if s.alpha == 0 and s.replace(seed=0, **PLAIN) == plain}
            own = self.runs[self.runs["run"].isin(like)]
            theirs = PAPER_DATA.get(self.figure.paper, PAPER_DATA[LEAVITT_MORCOS]).get(model)
            accuracy = PAPER_ACCURACY.get((model, theirs or ""))
            known = f"{100 * accuracy:.4g} %" if accuracy else ""
            source = OTHER_SOURCE.get((model, theirs or ""))
            known = f"accuracy not given ({source}: {known})" if source else known or "accuracy not given"
            width = PAPER_WIDTH.get(model)
            paper = DATASETS[theirs].title if theirs in DATASETS else theirs or "not known"
            found[MODEL_NAMES[model]] = {
                "data": ", ".join(own["provenance_data"].unique()),
                "width (units of the first layer)": f"{spec.width} (the paper: {width})" if width else str(spec.width),
                "training images": f"{spec.train_size:,}",
                "epochs (steps)": f"{spec.epochs} ({spec.epochs * -(-spec.train_size // spec.batch_size):,})",
                "networks" if self.figure.side == "none" else "seeds at α = 0": str(own["seed"].nunique()),
                "training accuracy": _percent(own["train_accuracy"]),
                "test accuracy": _percent(own["test_accuracy"]),
                "the paper": f"{paper}, {known}",
            }  # fmt: skip
        return pd.DataFrame(found).rename_axis("").reset_index()


def _percent(accuracies: pd.Series) -> str:
    return f"{100 * accuracies.mean():.1f} %" if len(accuracies) else "–"


def gather(
    figure: str,
    *,
    profile: str,
    alphas: Sequence[float] = (),
    seeds: int | Sequence[int] = 0,
    overrides: dict[str, Any] | None = None,
    on_missing: OnMissing = "train",
) -> FigureRuns:
    """The runs of a figure: from the local store, then the ledger, then trained (or skipped, or refused).

    Args:
        figure: its id in the register ("fig4").
        profile: at which scale.
        alphas: α values; the profile's where empty.
        seeds: a count or a list; the profile's own where 0 or empty.
        overrides: other values for fields of the specs.
        on_missing: "train", "skip" or "raise".

    Raises:
        SpecError: a value that is not allowed.
        MissingRunsError: runs are missing and `on_missing` is "raise".
        ParameterError: more work than `allowed_hours`.
    """
    entry, scale, store, kept = find_figure(figure), find_profile(profile), default_store(), ledger()
    ask: dict[str, Any] = {"alphas": alphas or None, **check_overrides(overrides or {})}
    specs = grid(profile, figure, seeds=seeds or None, **ask)
    how: dict[str, Any] = {"on_missing": on_missing, "ledger": kept, "max_hours": allowed_hours()}
    tables = sweep(specs, store, **how)
    found = FigureRuns(entry, profile, tuple(specs), tables)
    there = set(found.runs["run"])
    wanted = tasks_for(entry, [s for s in specs if s.id in there], bound_limit(scale, entry, alphas))
    for table in {task.analysis.table for task in wanted}:
        tasks = [task for task in wanted if task.analysis.table == table]
        if on_missing == "skip":
            listed = ledger_results(table, kept)
            tasks = [task for task in tasks if task.name in listed or _kept_in(store, task)]
        if tasks:
            setattr(tables, table, derive(tasks, store, **how))
    return found


def bound_limit(scale: Profile, figure: Figure, alphas: Sequence[float]) -> Bound | None:
    """For how much of a figure the off-axis bound is worked out: the profile's `bound`, None for no limit.

    Its α are those given, else those of the profile's grid of the figure's kind with "_bound" behind it; its number of
    seeds is the count of that name. Where the profile has neither they are those of its `bound`.
    """
    limit, kind = scale.bound, f"{figure.grid}_bound"
    if not limit:
        return None
    bounded = alphas or scale.grids.get(kind, limit.alphas)
    return replace(limit, alphas=tuple(bounded), seeds=scale.counts.get(kind, limit.seeds))


def allowed_hours() -> float:
    """Hours of work that a notebook trains: SELECTIVITY_MAX_HOURS, set by `selectivity figure --yes`, else a few."""
    given = os.environ.get("SELECTIVITY_MAX_HOURS", "")
    try:
        return float(given or MAX_HOURS)
    except ValueError:
        raise ParameterError(f"SELECTIVITY_MAX_HOURS: {given!r} given; a number of hours is needed, or inf") from None


def tasks_for(figure: Figure, specs: Sequence[RunSpec], limit: Bound | None) -> list[Task]:
    """What is measured of a figure's finished runs beside their own tables; the off-axis bound of those in `limit`."""
    found: list[Task] = []
    for model in dict.fromkeys(spec.model for spec in specs):
        own = [spec for spec in specs if spec.model == model]
        if "pairs" in figure.tables:
            found += pair_tasks(own)
        if "bounds" in figure.tables:
            found += bound_tasks(own, limit)
        found += [Task(ANALYSES[name], (spec,)) for name in figure.analyses for spec in own]
        first = own[0].replace(alpha=0.0, seed=0, **PLAIN)
        like = [s for s in own if s.replace(seed=0, **PLAIN) == first]
        found += [Task(ANALYSES[name], (spec,)) for name in figure.closer for spec in like]
    return found


def _kept_in(store: RunStore, task: Task) -> bool:
    path = result_path(task, store)
    note_read(path)  # so that a page notices when there is one
    return path.is_file()


def says(*sentences: str | tuple[str, bool]) -> HTML:
    """Paragraphs and lists written by a person, whose sentences hold of the runs at hand.

    `[text](target)` in a sentence is a link: to another notebook, or to `../book/glossary.html#term-…`.
    `**text**` is bold. A sentence that begins with it begins a paragraph. Sentences that begin with an asterisk and a
    space are items of a list.

    A sentence comes alone, or with a condition on the page's tables. Where a condition is false the sentence is struck
    through and marked: the build of the book fails on the mark and lists them all; under other parameters it says that
    the text describes the default runs. A sentence with a number that is NaN is never shown; a marked note stands for
    it, whatever its condition says of tables that may be empty.
    """
    note = "<em>(This describes the default runs; it is not so of these.)</em>"
    gone = f'<em class="{NOT_HERE}">(A sentence about the default runs stands here.)</em>'
    parts, paragraph = [], 0
    for sentence in sentences:
        text, holds = (sentence, True) if isinstance(sentence, str) else sentence
        item, text = text.startswith("* "), text.removeprefix("* ")
        paragraph += text.startswith("**") and not item
        if re.search(r"\bnan\b", text):
            parts.append((item, paragraph, gone))
            continue
        text = re.sub(r"\[([^]]+)\]\(([\w./#-]+)\)", r'<a href="\2">\1</a>', escape(text))
        text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text.replace('.ipynb">', '.html">'))
        parts.append((item, paragraph, text if holds else f'<s class="{NOT_HERE}">{text}</s> {note}'))
    blocks = []
    for (item, _), group in groupby(parts, key=itemgetter(0, 1)):
        texts = [text for *_, text in group]
        blocks.append(
            f"<ul>{''.join(f'<li>{text}</li>' for text in texts)}</ul>" if item else f"<p>{' '.join(texts)}</p>"
        )
    return HTML("".join(blocks))
