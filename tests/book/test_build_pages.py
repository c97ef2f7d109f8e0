"""What the book shows of an executed notebook, and of one run with a reader's parameters."""

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tiny_notebooks import write_notebook

from selectivity_core.book import BookError
from selectivity_core.book.build import pages
from selectivity_core.book.build.execution import STAMP, prepare
from selectivity_core.book.build.pages import as_html, make_figure, named, page, stage
from selectivity_core.book.plots import badges

MADE = {
    "parameters": {"alphas": [1.0], "profile": "digits"},
    "libraries": {"torch": "2.13.0", "matplotlib": "3.11.2"},
    "changed": {"alphas": [1.0]},
    "seconds": 12.3,
    "commit": "abc",
}


def executed(*cells):
    return new_notebook(cells=[new_markdown_cell("# A title"), *cells], metadata={STAMP: dict(MADE)})


def code(source, *tags, **data):
    outputs = [new_output("display_data", data)] if data else []
    return new_code_cell(source, metadata={"tags": list(tags), "papermill": {}}, outputs=outputs)


@pytest.mark.parametrize(
    "figure", [{"image/png": ""}, {"text/html": "<figure><img src=x></figure>"}, {"text/html": "<svg></svg>"}]
)
def test_figures_stand_above_their_code_and_code_before_the_first_below_it(figure):
    table = {"text/html": "<table>"}
    cells = [
        code("alphas = []", "parameters"), code("alphas = [1]", "injected-parameters"), code("import x", "hide-input"),
        code("a table", "hide-input", **table), new_markdown_cell("text"), code("in sight", **table),
        code("draw", **figure), code("another table", **table), code("draw more", "hide-input", **figure),
        code("import y", "hide-input"),
    ]  # fmt: skip
    shown = page(executed(*cells), "a").cells[1:-1]
    outputs = [[o.data for o in cell.get("outputs", [])] for cell in shown]
    assert outputs == [[table], [], [table], [figure], *[[]] * 5, [table], [figure], [], []]
    for cell in (shown[k] for k in (0, 2, 3, 10)):
        assert cell.metadata["tags"] == ["remove-input"] and cell.source  # MyST-NB drops a cell without a source
    code_of_it = ["alphas = []", "alphas = [1]", "import x\n\na table", "in sight", "draw"]
    assert [cell.source for cell in shown[4:10]] == [*code_of_it, "another table"]
    assert [shown[1].source, *(cell.source for cell in shown[11:])] == ["text", "draw more", "import y"]
    hidden = {cell.source for cell in shown if "hide-input" in cell.metadata.get("tags", [])}
    assert hidden == {*code_of_it[:3], "draw more", "import y"}


@pytest.mark.parametrize("before", ["", "on the table\n\n"])
def test_what_to_see_stands_directly_below_the_first_figure(before):
    figure, said = {"image/png": ""}, {"text/html": "<p>Seen.</p>"}
    cells = [
        code("draw", **figure), code("a table", **{"text/html": "<table>"}),
        new_markdown_cell(f"{before}## What to see"), code("says()", "hide-input", **said),
        code("says() more", "hide-input", **said), new_markdown_cell("## Next"), code("last", **said),
    ]  # fmt: skip
    shown = page(executed(*cells), "a").cells[1:-1]
    assert [[o.data for o in cell.get("outputs", [])] for cell in shown[:4]] == [[figure], [], [said], [said]]
    sources = ["draw", "a table", before.rstrip(), "says()", "says() more", "## Next", "last"]
    assert [cell.source for cell in shown[4:]] == sources and shown[1].source == "## What to see"
    assert [bool(cell.get("outputs")) for cell in shown[4:]] == [False, True, *[False] * 4, True]
    without = page(executed(*cells[1:]), "a").cells  # of a figure: as it was
    assert [cell.source for cell in without[1:-1]] == [cell.source for cell in cells[1:]]


def test_verdicts_are_badges_below_the_title():
    verdicts = pd.DataFrame({"status": ["holds", "opposite sign", "holds"]})
    badge = badges(verdicts, "claims-fig4")
    words = BeautifulSoup(badge.data, "html.parser").get_text(" | ", strip=True)
    assert words == "holds × 2 | opposite sign | what these words mean"
    cells = page(executed(new_markdown_cell("text"), code("claims()", **{"text/html": badge.data})), "a").cells
    assert "claims-fig4" in cells[1].outputs[0].data["text/html"] and cells[1].metadata["tags"] == ["remove-input"]
    assert [cell.source for cell in cells[2:4]] == ["text", "claims()"] and cells[3].outputs == []


def test_a_page_without_a_figure_keeps_its_order():
    shown = page(executed(code("alphas = []", "parameters"), code("print()")), "a").cells
    assert [cell.source for cell in shown[1:-1]] == ["alphas = []", "print()"]


def test_the_search_knows_the_figures_and_the_page_says_how_to_make_it_again():
    shown = page(executed(), "05_figure_4")
    assert "{index} ! Figure 4\n```" in shown.cells[1].source
    assert "make figure NB=05_figure_4 PARAMS='{alphas: [1.0]}'" in shown.cells[-1].source
    assert "`alphas = [1.0]`, `profile = 'digits'`. Made in 12 s" in shown.cells[-1].source
    assert STAMP not in shown.metadata
    nbformat.validate(shown)


def test_a_book_is_laid_out_as_the_repository_is(tmp_path, monkeypatch):
    root = tmp_path / "clone"
    for name in ("book/_static/book.css", "book/package.json", "_toc.yml", "_config.yml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    write_notebook(root / "notebooks" / "a.ipynb")
    (tmp_path / "executed").mkdir()
    nbformat.write(executed(), tmp_path / "executed" / "a.ipynb")
    monkeypatch.setattr(pages, "ROOT", root)
    monkeypatch.setattr(pages, "copy_scripts", lambda _: None)
    source = tmp_path / "source"
    before = stage(tmp_path / "executed", source)
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert files == {"book/_static/book.css", "_toc.yml", "_config.yml", "notebooks/a.ipynb"}
    assert stage(tmp_path / "executed", source) == before
    (root / "_toc.yml").write_text("root: a")
    assert stage(tmp_path / "executed", source) != before


def test_figures_of_other_parameters_have_other_names(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")

    def name(**given):
        return named(prepare(notebook, tmp_path / "out" / "a.ipynb", given))

    assert name() == name(alphas=[-1, 0, 1]) == "a"
    assert name(alphas=[2]).startswith("a-alphas=2.0-")
    long = {name(alphas=list(range(100, 100 + k))) for k in range(30, 40)}
    assert len(long | {name(alphas=[2]), name(alphas=[12]), name(profile="mnist", alphas=[2])}) == 13
    assert all(len(each) < 80 for each in long)


def test_a_figure_lies_beside_its_page_and_is_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    notebook = write_notebook(tmp_path / "a.ipynb")

    def execute(job, *, show_progress):
        job.out.parent.mkdir()
        nbformat.write(executed(code("1", **{"text/html": "<b>2</b>"})), job.out)

    monkeypatch.setattr(pages, "execute", execute)
    copy, beside = make_figure(str(notebook), {"alphas": [2]})
    assert copy.parent == tmp_path / "figures" and beside == copy.with_suffix(".html")
    assert pages.NotebookNotary().check_signature(nbformat.read(copy, 4))
    text = beside.read_text()
    assert "<b>2</b>" in text and "<script" not in text and "http" not in text.split("</head>")[1]


def test_where_npm_is_missing_formulas_stand_as_tex(monkeypatch, capsys):
    def missing():
        raise BookError("npm was not found")

    monkeypatch.setattr(pages, "node_modules", missing)
    assert "$x^2$" in as_html(executed(new_markdown_cell("$x^2$")), "a")
    assert "as TeX: npm was not found" in capsys.readouterr().err


@pytest.mark.book
@pytest.mark.slow
def test_formulas_need_no_other_host():
    soup = BeautifulSoup(as_html(executed(new_markdown_cell("$x^2$")), "a"), "html.parser")
    assert len(soup.find_all("script")) == 2  # settings and MathJax
    assert soup.select("script[src], link[href], img[src]") == []
