"""What comes from data does not run."""

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

from selectivity_core.book.build import execution
from selectivity_core.book.build.execution import defuse, foreign_scripts


def shown(**data):
    return new_notebook(cells=[new_code_cell("x", outputs=[new_output("display_data", data)])])


@pytest.mark.fault("HTML in what notebooks print", "inert")
def test_html_in_markdown_is_shown_as_text():
    evil = "n = 3, p < 0.05 <script>alert(1)</script> <img src=x onerror=alert(1)> <!-- x -->"
    notebook = shown(**{"text/markdown": evil})
    assert list(defuse(notebook)) == []
    text = notebook.cells[0].outputs[0].data["text/markdown"]
    assert text.replace("&lt;", "<") == evil
    assert text.startswith("n = 3, p < 0.05 &lt;script>") and text.count("<") == 1


@pytest.mark.fault("scripts in what notebooks show", "inert")
def test_scripts_in_html_are_named():
    (problem,) = defuse(shown(**{"text/html": "<b>x</b><script>alert('no one wrote this')</script>"}))
    assert problem.startswith("a script that is not the package's: <script>alert")
    assert (
        list(defuse(shown(**{"text/html": "<table><td>&lt;script&gt;</td></table>", "text/plain": "<script>"}))) == []
    )


OWN = "let own = 1;"


@pytest.mark.fault("ways to run a script in HTML", "inert")
@pytest.mark.parametrize(
    ("html", "found"),
    [
        (f"<script>{OWN}</script><script>(() => {{\n{OWN}\n}})();</script>", 0),
        ('<script type="application/json">{}</script>', 0),
        ('<a href="https://example.org">x</a><p title="javascript">', 0),
        (f"<script>{OWN}; alert('no one wrote this')</script>", 1),
        ('<script src="x.js"></script>', 1),
        ('<script type="module">import "no one wrote this"</script>', 1),
        ("<svg onload=x()></svg>", 1),
        ('<a href=" JavaScript:alert(1)">x</a>', 1),
        ('<a href="java\n\tscript:alert(1)">x</a><a href="\x01vbscript:x">y</a>', 2),
        ('<a href="data:text/html,x">x</a><img alt="x" src="data:image/png;base64,x">', 1),
        ('<meta http-equiv="refresh" content="0;url=javascript:alert(1)"><base href="//example.org">', 2),
        ("<iframe srcdoc=x></iframe><object></object><embed><applet></applet>", 4),
    ],
)
def test_what_stands_in_the_package_may_run(html, found, monkeypatch):
    monkeypatch.setattr(execution, "_own_code", lambda: f"a\n{OWN}\nb")
    assert len(list(foreign_scripts(BeautifulSoup(html, "html.parser")))) == found
