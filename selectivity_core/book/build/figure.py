"""One notebook with a reader's parameters: an executed copy to open in JupyterLab, and a page of HTML beside it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.sign import NotebookNotary

from ...files import replace
from ..errors import BookError
from ..parameters import read_notebook
from . import scripts
from .execution import Job, execute, find_notebook, prepare
from .pages import as_yaml

# nbconvert's own page, with what it would ask other hosts for as part of the page or left out.
_TEMPLATE = """{% extends 'index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}
{% for script in resources.scripts %}<script>{{ script }}</script>{% endfor %}
{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""
_FORMULAS = r"window.MathJax = {tex: {inlineMath: [['$', '$'], ['\\(', '\\)']]}};"


def make_figure(name: str, parameters: Mapping[str, Any], out: Path | None = None) -> tuple[Path, Path]:
    """Execute a notebook, and give the executed copy and the page beside it.

    Args:
        name: a notebook's name, or a path.
        parameters: values for those that differ from the notebook's own.
        out: the executed copy; by default in `figures/`, named by notebook and parameters.

    Raises:
        ParameterError: before a kernel starts.
        NotebookError: there is no such notebook, or it failed.
    """
    notebook = find_notebook(name)
    job = prepare(notebook, out or Path("figures") / notebook.name, parameters)
    if out is None:
        job = Job(job.notebook, job.out.with_name(f"{named(job)}.ipynb"), job.changed, job.made_from)
    execute(job, show_progress=True)
    executed = read_notebook(job.out)
    NotebookNotary().sign(executed)  # scripts in outputs, such as the explorer's, run in trusted notebooks only
    page = job.out.with_suffix(".html")
    replace(page, as_html(executed, job.out.stem).encode())
    return job.out, page


def named(job: Job) -> str:
    """A name that no other set of parameters has: readable as far as file names allow, with a digest."""
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
            script = scripts.installed() / "mathjax" / "es5" / "tex-svg.js"  # its letters are paths: it needs no fonts
            formulas = [_FORMULAS, script.read_text(encoding="utf-8").replace("</script", r"<\/script")]
        except BookError as error:  # a figure that is made is not lost for want of a script
            print(f"formulas stand in the page as TeX: {error}", file=sys.stderr)
    resources = {"scripts": formulas, "metadata": {"name": title}}
    return str(HTMLExporter(raw_template=_TEMPLATE).from_notebook_node(notebook, resources=resources)[0])
