"""Every example of parameters and every command, in notebooks, on pages, in the README and where commands are kept."""

import re
import shlex
from pathlib import Path

import nbformat
import pytest

from selectivity_core.book.build.execution import find_notebook, prepare
from selectivity_core.book.papers.figures import FIGURES, grid
from selectivity_core.book.parameters import declared, read_notebook
from selectivity_core.cli import _parser
from selectivity_core.cli.arguments import read_yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [*sorted((ROOT / "book").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile",
         ROOT / ".ci" / "run", ROOT / ".binder" / "colab.ipynb", *NOTEBOOKS]  # fmt: skip
# Text in capitals stands for a reader's own.
STANDS_FOR = {"YOUR_NOTEBOOK": "05_figure_4", "ID": "fig4", "$SLURM_ARRAY_TASK_ID/64": "3/64", "HOST": "localhost"}
MAKE = re.compile(r"make figure NB=(\w+)(?: PARAMS='([^']*)')?")
NAMES = "plan|sweep|status|verify|export|import|figure|data|claims"
COMMAND = re.compile(rf"(?:^|[\s`/!])(selectivity (?:{NAMES})\b(?:(?!…|\$\()[^`#])*)(?:$|[`#])")
PAPERMILL = re.compile(r"papermill notebooks/(\w+)\.ipynb \S+ -y '([^']*)'")


def lines():
    """Page and line; those of notebooks are the lines of their cells."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
        for line in text.splitlines():
            for word, meant in STANDS_FOR.items():
                line = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", meant, line)
            yield page.name, line


def runs(name, text):
    """The specs of a notebook's figures under an example's parameters; every value is checked."""
    given = read_yaml("parameters", text or "") or {}
    job = prepare(find_notebook(name), Path("out.ipynb"), given)
    values = job.made_from["parameters"]
    figures = [figure.id for figure in FIGURES.values() if figure.notebook == name]
    ask = {"alphas": values.get("alphas") or None, "seeds": values.get("seeds") or None}
    return [s for f in figures for s in grid(values.get("profile", "digits"), f, **ask, **values.get("overrides", {}))]


COLAB = next(re.search(r'^parameters = "(.*)"$', line)[1] for page, line in lines() if line.startswith("parameters = "))
MADE = sorted({(p, *found.groups()) for p, line in lines() for found in MAKE.finditer(line)}, key=str)
MADE += sorted({(p, *found.groups()) for p, line in lines() for found in PAPERMILL.finditer(line)})
SAID = sorted({(p, found[1].strip()) for p, line in lines() for found in COMMAND.finditer(line)})


@pytest.mark.parametrize(("page", "name", "text"), MADE)
def test_a_figures_example_is_allowed(page, name, text):
    assert runs(name, text)


@pytest.mark.parametrize(("page", "command"), SAID)
def test_a_command_is_read(page, command):
    words = [word.strip('"') for word in shlex.split(command.replace("{parameters}", COLAB))][1:]
    options = _parser().parse_args(words)
    if words[0] == "figure":
        assert runs(options.notebook, options.parameters)


def commented(path):
    """Parameters whose comment gives an example: names and examples."""
    (cell,) = (c for c in read_notebook(path).cells if "parameters" in c.metadata.get("tags", []))
    return [found.groups() for line in cell.source.splitlines()
            if (found := re.match(r"(\w+):.*#.*such as ([\[{].*[\]}])", line))]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_a_comment_gives_as_an_example_is_allowed(path):
    """Such as `overrides: dict = {}  # other values for fields of RunSpec, such as {epochs: 20}`, of every figure."""
    known = declared(read_notebook(path), path.stem)
    for name, text in commented(path):
        assert name in known
        runs(path.stem, f"{name}: {text}")


def test_examples_are_found():
    """A change of wording must not leave the tests above without anything to test."""
    assert len(MADE) >= 6 and len(SAID) >= 12
    assert sum("overrides" in dict(commented(path)) for path in NOTEBOOKS) >= 30
    assert {"README.md", "rerun.md"} <= {page for page, *_ in MADE}
