"""The walk through every figure of Morcos et al. 2018: register, page, anchor, caption, runs behind it, and picture."""

import ast
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from made_up_reliance import made_up_reliance
from panels import assert_told

from selectivity_core.book.figures import KINDS, Nothing, draw
from selectivity_core.book.figures.shown import Shown
from selectivity_core.book.paper import FIGURES
from selectivity_core.book.paper.entries import MORCOS
from selectivity_core.book.paper.figures import grid
from selectivity_core.book.study import gather
from selectivity_core.runs.analyses import ANALYSES
from selectivity_core.runs.profiles import find_profile

ROOT = Path(__file__).resolve().parents[2]

# What the paper's figures show: number, then letter, network and what differs between its runs, as the register of
# facts has it; panels of ResNet-50 on ImageNet are not drawn.
PAPER = """
1   a:mlp        b:convnet11
2   a:mlp        b:convnet11
3   a:convnet11  b:convnet11
4   a:mlp        b:convnet11  c:convnet11
5   a:mlp        b:convnet11
6   a:convnet11  b:convnet11
7   a:mlp        b:convnet11  c:convnet11
A1  a:mlp        b:convnet11
A2  a:convnet11
A3  a:convnet11
A4  a:mlp        b:convnet11
"""
LINES = [line.split() for line in PAPER.strip().splitlines()]
VARIED = {
    **{key: {"label_corruption": {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}} for key in "12"},
    "4": {"lr": None, "batch_size": None},
    "5": {"label_corruption": {0.0, 1.0}, "dropout": {0.0, 0.1, 0.2, 0.3}, "batch_norm": {True, False}},
    "6": {"batch_norm": {True, False}},
}  # fmt: skip
THEIRS = {entry.number: entry for entry in FIGURES.values() if entry.paper == MORCOS}
NAMES = {"mlp": "MLP", "convnet11": "11-layer convnet"}
SEEDS = 2
each_figure = pytest.mark.parametrize("entry", THEIRS.values(), ids=lambda e: e.id)


@cache
def study_of(figure):
    return made_up_reliance(figure, SEEDS)


@cache
def drawn(figure):
    return draw(study_of(figure))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_the_register_has_the_papers_panels(line):
    number, *wanted = line
    entry = THEIRS[number]
    assert [f"{p.letter}:{p.model}" for p in entry.panels if p.source != "added"] == wanted
    assert {p.kind for p in entry.panels} <= set(KINDS)
    assert set(entry.analyses) | set(entry.closer) <= set(ANALYSES)
    assert (entry.id, entry.anchor, entry.side) == (f"morcos{number}", f"morcos-figure-{number}", "none")


def test_the_register_has_no_other():
    assert list(THEIRS) == [line[0] for line in LINES]


@each_figure
def test_its_runs_differ_in_what_the_figure_compares(entry):
    specs = grid("digits", entry.id)
    assert {s.alpha for s in specs} == {0.0}
    assert {s.model for s in specs} == set(entry.models)
    for field, values in VARIED.get(entry.number, {}).items():
        found = {getattr(s, field) for s in specs if values is not None or s.model == "convnet11"}
        assert found == values if values is not None else len(found) > 2
    for model in entry.models:  # the first variant is the profile's own network, but for what the figure sets
        first = next(s for s in specs if s.model == model)
        base = next(s for s in find_profile("digits").base if s.model == model)
        assert first == base.replace(width=first.width)
        assert first.width == (128 if entry.number in ("7", "A4") and model == "mlp" else base.width)
    if entry.number == "3":
        assert len({s.seed for s in specs}) == len(specs) >= 20


def calls(path):
    """First arguments of every `gather` of a notebook."""
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    nodes = ast.walk(ast.parse("\n".join(cells)))
    named = [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "gather" and n.args]
    return [n.args[0].value for n in named if isinstance(n.args[0], ast.Constant)]


@pytest.mark.parametrize("entry", [*THEIRS.values(), FIGURES["reliance"]], ids=lambda e: e.id)
def test_every_figure_has_a_page_that_draws_it(entry):
    path = ROOT / "notebooks" / f"{entry.notebook}.ipynb"
    assert path.is_file()
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert f"book/executed/{entry.notebook}" in [c["file"] for part in toc["parts"] for c in part["chapters"]]
    assert calls(path).count(entry.id) == 1


@each_figure
def test_the_caption_names_the_figure_singly_with_its_paper(entry):
    shown = drawn(entry.id)
    assert isinstance(shown, Shown)
    assert shown.caption.startswith(f"Figure {entry.number} ({MORCOS}). {entry.title}")
    assert shown.caption.count(f"({MORCOS})") == 1
    assert shown.anchor == entry.anchor
    assert shown._repr_html_().count(f'id="{entry.anchor}"') == 1
    for model in entry.models:
        assert f"the paper's is {NAMES[model]} on {'MNIST' if model == 'mlp' else 'CIFAR-10'}" in shown.caption
    assert f"n = {SEEDS}" in shown.caption
    assert "instead of" not in shown.caption  # nothing was overridden
    assert "nan" not in (shown.caption + shown.alt).lower()


@each_figure
def test_every_panel_is_in_the_picture_and_told_with_numbers(entry):
    assert_told(entry, drawn(entry.id))


@each_figure
def test_the_picture_is_drawn_from_the_registers_runs(entry):
    shown, specs = drawn(entry.id), {spec.id: spec for spec in study_of(entry.id).specs}
    assert [letter for letter, _ in shown.used] == [panel.letter for panel in entry.panels]
    for panel, (_, runs) in zip(entry.panels, shown.used, strict=True):
        assert len(set(runs)) == len(runs) > 0
        assert {specs[run].model for run in runs} == {panel.model}
    if entry.number == "4":
        assert [len(runs) for _, runs in shown.used[:2]] == [SEEDS, SEEDS]


@each_figure
def test_the_picture_changes_with_its_runs(entry):
    fewer = draw(made_up_reliance(entry.id, 3))
    assert fewer.svg != drawn(entry.id).svg
    assert fewer.alt != drawn(entry.id).alt


@each_figure
def test_without_any_run_it_says_what_it_lacks(entry):
    nothing = draw(made_up_reliance(entry.id, SEEDS, missing=[(0.0, seed) for seed in range(SEEDS)]))
    assert isinstance(nothing, Nothing)
    assert nothing.anchor == entry.anchor
    assert nothing.caption.endswith("Nothing is drawn: no run is finished.")
    assert f"selectivity sweep --profile digits --figure {entry.id}" in " ".join(nothing.lacking)


@pytest.mark.slow
def test_trainings_are_looked_at_for_each_networks_first_setting_only(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("selectivity_core.runs.executing.default_jobs", lambda specs, gpus: 1)
    tiny = {"epochs": 1, "width": 1, "train_size": 40, "batch_size": 40}
    study = gather("morcos4", profile="digits", seeds=1, overrides=tiny)
    curves = study.tables.curves
    assert set(curves.loc[curves["analysis"] == ANALYSES["ablation"].label, "run"]) == {s.id for s in study.specs}
    looked_at = set(curves.loc[curves["analysis"] == ANALYSES["training"].label, "run"])
    first = [next(s for s in study.specs if s.model == model) for model in ("mlp", "convnet11")]
    assert looked_at == {s.id for s in first}
    shown = draw(study)
    assert [len(runs) for _, runs in shown.used] == [1, 1, len(study.specs) - 1]
