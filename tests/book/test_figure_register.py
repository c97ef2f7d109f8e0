"""The walk through every figure of Leavitt & Morcos: register, page, anchor, caption, rows behind it, and picture."""

import ast
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from made_up_study import made_up_study
from panels import assert_told, letters
from paper_register import HALVES, LEAKY, LINES, NAMES, NETWORKS, OTHERWISE, PLAIN, WARMED_UP

from selectivity_core.book.figures import KINDS, Nothing, draw
from selectivity_core.book.numbers import alpha_label
from selectivity_core.book.paper import FIGURES
from selectivity_core.book.paper.entries import BOOK, LEAVITT_MORCOS
from selectivity_core.book.paper.figures import PAPER_EPOCHS, find_figure, models_for
from selectivity_core.models import MODEL_NAMES
from selectivity_core.runs.profiles import find_profile

ROOT = Path(__file__).resolve().parents[2]

ALPHAS = (-2.0, -1.0, 0.0, 1.0, 2.0)

THEIRS = {entry.number: entry for entry in FIGURES.values() if entry.paper == LEAVITT_MORCOS}
WALKED = [entry for entry in FIGURES.values() if entry.paper in (LEAVITT_MORCOS, BOOK)]
DRAWN = [entry for entry in WALKED if all(panel.kind != "own" for panel in entry.panels)]
each_figure = pytest.mark.parametrize("entry", WALKED, ids=lambda e: e.id)
each_drawn = pytest.mark.parametrize("entry", DRAWN, ids=lambda e: e.id)


@cache
def study_of(figure):
    return made_up_study(ALPHAS, 3, figure=figure)


@cache
def drawn(figure):
    return draw(study_of(figure))


@cache
def fewer(figure):
    """With fewer values of α, and without one network at the last of them."""
    return draw(made_up_study((-1.0, 0.0, 1.0), 3, figure=figure, missing=[(away(find_figure(figure)), 2)]))


def away(entry):
    return -1.0 if entry.side == "negative" else 1.0


def test_the_register_has_the_papers_figures_and_no_other():
    assert list(THEIRS) == [line[0] for line in LINES]
    assert sorted(THEIRS) == sorted([*"1234", *(f"A{k}" for k in range(1, 35))])
    assert all(entry.id == f"fig{number}" for number, entry in THEIRS.items())
    assert len({entry.anchor for entry in FIGURES.values()}) == len(FIGURES)
    assert len({entry.number for entry in FIGURES.values() if entry.paper == BOOK}) == len(WALKED) - len(THEIRS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_the_register_has_the_papers_panels(line):
    number, side, *wanted = line
    entry = THEIRS[number]
    assert entry.side == side
    panels = [panel for panel in entry.panels if panel.source != "added"]
    found = []
    for panel in panels:
        letter = (panel.letter or "-") + ("?" if panel.source == "inferred" else "")
        what = "/".join(w for w in (panel.kind, panel.value, panel.layers if panel.layers != "all" else "") if w)
        networks = "+".join(key for model in panel.models for key, name in NETWORKS.items() if name == model)
        found.append(f"{letter}:{what}:{networks}")
    assert found == wanted
    signs = {"negative": "-", "positive": "+"}
    expected = list(HALVES[number]) if number in HALVES else [signs.get(side, "both")] * len(panels)
    assert [signs.get(panel.side, "both") for panel in panels] == expected
    assert [p.letter for p in entry.panels] == (
        list("abcdefgh")[: len(entry.panels)] if entry.panels[0].letter else [""]
    )


@pytest.mark.parametrize("number", THEIRS)
def test_the_register_has_the_papers_settings(number):
    entry = THEIRS[number]
    assert dict(entry.setting) == OTHERWISE.get(number, {})
    assert entry.warm_up == (number in WARMED_UP)
    slopes = [variant.get("activation", "relu") for variant in entry.variants]
    assert slopes[0] == "relu"
    assert all(slope.startswith("leaky_relu:") for slope in slopes[1:])
    assert (len(slopes) > 1) == (number == LEAKY)


@each_drawn
def test_every_panel_has_a_drawing(entry):
    assert {panel.kind for panel in entry.panels} <= set(KINDS)


def calls(path):
    """First arguments of every `gather` of a notebook."""
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    nodes = ast.walk(ast.parse("\n".join(cells)))
    named = [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "gather" and n.args]
    return [n.args[0].value for n in named if isinstance(n.args[0], ast.Constant)]


@each_figure
def test_every_figure_has_a_page_that_draws_it(entry):
    path = ROOT / "notebooks" / f"{entry.notebook}.ipynb"
    assert path.is_file()
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert f"book/executed/{entry.notebook}" in [c["file"] for part in toc["parts"] for c in part["chapters"]]
    assert calls(path).count(entry.id) == 1


def test_no_notebook_asks_for_a_figure_of_another_page():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert [f for f in calls(path) if find_figure(f).notebook != path.stem] == []


@each_drawn
def test_the_caption_names_the_figure_singly_with_its_paper(entry):
    shown = drawn(entry.id)
    lead = f"Figure {entry.number} ({entry.paper}). "
    assert shown.caption.startswith(lead + entry.title)
    assert shown.caption.count(f"({entry.paper})") == 1
    assert not re.search(r"Figures|A\d+ ?(–|-|to) ?A?\d", shown.caption)
    assert shown.anchor == f"figure-{entry.number}"
    html = shown._repr_html_()
    assert html.count(f'id="figure-{entry.number}"') == 1
    assert "<figcaption>" in html
    for model in entry.models:
        assert shown.caption.count(f"on digits made up (scaled down; the paper's is {NAMES[model]} on ") == 1
    assert "n = 3" in shown.caption
    unknown = [p.letter or "the panel" for p in entry.panels if p.source == "inferred"]
    assert (f"not described in the paper's text: {', '.join(unknown)}." in shown.caption) == bool(unknown)
    for letter in (p.letter for p in entry.panels if p.source == "added"):
        assert re.search(rf"Added by this book: [a-h, ]*{letter}", shown.caption)


@each_drawn
def test_every_panel_is_in_the_picture_and_told_with_numbers(entry):
    assert_told(entry, drawn(entry.id))


@each_drawn
def test_the_picture_is_drawn_from_the_registers_rows(entry):
    shown, specs = drawn(entry.id), {spec.id: spec for spec in study_of(entry.id).specs}
    assert [letter for letter, _ in shown.used] == [panel.letter for panel in entry.panels]
    for panel, (_, runs) in zip(entry.panels, shown.used, strict=True):
        used = [specs[run] for run in runs]
        assert len(set(used)) == len(used) > 0
        assert {spec.model for spec in used} == set(panel.models)
        sides = {"negative": {-2, -1, 0}, "positive": {0, 1, 2}, "both": {-2, -1, 0, 1, 2}, "none": {0}}
        assert {spec.alpha for spec in used} == sides[panel.side]
        for spec in used:
            wanted = PLAIN | (OTHERWISE.get(entry.number, {}) if spec.alpha else {})
            if entry.number in WARMED_UP and spec.alpha:
                wanted["warmup_epochs"] = 5 * spec.epochs / PAPER_EPOCHS[spec.model]
            if entry.number == LEAKY:
                del wanted["activation"]
            assert {field: getattr(spec, field) for field in wanted} == wanted
        slopes = {"relu", "leaky_relu:0.01", "leaky_relu:0.1", "leaky_relu:0.3"}
        assert {spec.activation for spec in used} == (slopes if entry.number == LEAKY else {"relu"})


@each_drawn
def test_the_picture_changes_with_alphas(entry):
    shown, before = fewer(entry.id), drawn(entry.id)
    assert shown.svg != before.svg
    assert shown.alt != before.alt
    assert {run for _, runs in shown.used for run in runs} < {run for _, runs in before.used for run in runs}


@each_drawn
def test_without_any_run_it_says_what_it_lacks(entry):
    every = [(alpha, seed) for alpha in ALPHAS for seed in range(3)]
    study = made_up_study(ALPHAS, 3, figure=entry.id, missing=every)
    nothing = draw(study)
    assert isinstance(nothing, Nothing)
    assert nothing.anchor == f"figure-{entry.number}"
    assert nothing.caption.startswith(f"Figure {entry.number} ({entry.paper}). {entry.title}")
    assert nothing.caption.endswith("Nothing is drawn: no run is finished.")
    said = " ".join(nothing.lacking)
    total = len(study.specs)
    assert f"{total} of {total} runs are missing, the first: {MODEL_NAMES[study.specs[0].model]} at α = " in said
    assert "What that would cost is not known: no such run has been measured." in said
    assert f"To train them: `selectivity sweep --profile digits --figure {entry.id} --alphas=" in said
    html = nothing._repr_html_()
    assert "<img" not in html
    assert f'id="figure-{entry.number}"' in html
    assert "selectivity sweep" in html


@each_drawn
def test_with_some_runs_it_draws_them_and_says_the_rest(entry):
    """One seed of one α is not there: every panel is drawn, and n is a range, or that seed of α = 0 stands apart."""
    shown, alpha = fewer(entry.id), away(entry)
    assert letters(shown) == letters(drawn(entry.id))
    apart = f"n = 2 ({len(entry.variants)} more at α = 0 "  # a seed of each slope in Figure A9
    assert ("n = 2 to 3 seeds" if entry.side == "both" else apart) in shown.caption
    lacking = len(entry.models) * len(entry.variants)
    (said,) = shown.lacking
    assert re.match(
        rf"{lacking} of \d+ runs {'is' if lacking == 1 else 'are'} missing, the first: "
        rf"{MODEL_NAMES[entry.models[0]]} at α = {alpha_label(alpha)}",
        said,
    )
    assert f"--figure {entry.id}" in said


@pytest.mark.parametrize("profile", ["digits", "cifar10-short", "tiny-imagenet"])
@pytest.mark.parametrize("number", ["1", "A1", "A16"])
def test_a_profile_that_lacks_a_network_says_so(number, profile):
    entry, covered = THEIRS[number], find_profile(profile).models
    shown = draw(made_up_study((-1.0, 0.0, 1.0), 2, figure=entry.id, profile=profile))
    some = [model for model in entry.models if model in covered]
    if some:  # the panels of the other networks are left out
        absent = [panel for panel in entry.panels if panel.model not in covered]
        said = " ".join(shown.lacking)
        for panel in absent:
            assert f"panel {panel.letter} ({NAMES[panel.model]} is not run at this scale)" in said
        assert letters(shown) == {panel.letter for panel in entry.panels} - {panel.letter for panel in absent}
        assert (said == "") == (not absent)
    else:  # the profile's own network takes their place
        (own,) = models_for(entry, profile)
        assert f"{NAMES[own]} on digits made up" in shown.caption
        assert f"the paper's is {' and '.join(NAMES[m] for m in entry.models)} on " in shown.caption.replace(
            " on CIFAR-10 and", " and"
        )
        assert letters(shown) == {panel.letter for panel in entry.panels}
