import base64
import json

import nbformat
import pytest
from bs4 import BeautifulSoup

from selectivity_core.book.publish.finish import finish, mended, unbroken, without_outputs

STATE = "application/vnd.jupyter.widget-state+json"
RED, BLUE = b"\x89PNG red", b"\x89PNG blue"


def frame(content, label):
    data = base64.b64encode(content).decode()
    words = f'alt="{label}: \\u03b1" data-label="{label}"'
    return f'<img class="selectivity-frame" {words} src="data:image/png;base64,{data}">'


def page(*frames):
    state = {"state": {str(k): {"model_name": "HTMLModel", "state": {"value": f}} for k, f in enumerate(frames)}}
    return f'<html><body><script type="{STATE}">{json.dumps(state)}</script></body></html>'


def frames(path):
    state = json.loads(BeautifulSoup(path.read_text(), "html.parser").find("script", type=STATE).string)
    return [BeautifulSoup(model["state"]["value"], "html.parser").img for model in state["state"].values()]


@pytest.fixture
def site(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one.html").write_text(page(frame(RED, "red"), frame(BLUE, "blue")))
    (tmp_path / "two.html").write_text(page(frame(RED, "red")))
    return tmp_path


def test_frames_become_files_that_pages_share_and_load_when_shown(site):
    finish(site)
    red, blue = frames(site / "a" / "b" / "one.html")
    (again,) = frames(site / "two.html")
    assert (site / "a" / "b" / red["src"]).resolve().read_bytes() == RED
    assert (site / "a" / "b" / blue["src"]).resolve().read_bytes() == BLUE
    assert red["src"] == f"../../{again['src']}"
    assert {image["loading"] for image in (red, blue, again)} == {"lazy"}
    assert [image["alt"] for image in (red, blue)] == ["red: \\u03b1", "blue: \\u03b1"]
    assert len(list((site / "_frames").iterdir())) == 2


def test_a_finished_site_stays_as_it_is(site):
    finish(site)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in site.rglob("*") if path.is_file()}
    finish(site)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in site.rglob("*") if path.is_file()} == before


def test_the_bare_address_is_a_whole_page_that_asks_for_no_icon(tmp_path):
    (tmp_path / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=book/index.html" />\n')
    finish(tmp_path)
    found = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert found.find("meta", attrs={"http-equiv": "Refresh"})["content"] == "0; url=book/index.html"
    assert found.find("link", rel="icon")["href"] == "data:,"
    assert found.a["href"] == "book/index.html"
    assert found.html["lang"] == "en" and found.title.string
    before = (tmp_path / "index.html").read_bytes()
    finish(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_pictures_outside_sliders_stay_in_their_page(tmp_path):
    text = '<img src="data:image/png;base64,AAAA" alt="Dots">'
    (tmp_path / "a.html").write_text(text)
    finish(tmp_path)
    assert (tmp_path / "a.html").read_text() == text


def test_markup_is_mended():
    assert mended('<summary aria-label="Toggle hidden content">\n<p>Show</p>') == "<summary>\n<p>Show</p>"
    button = '<button class="btn search-button-field pst-js-only" title="Search" aria-label="Search" data-x="y">'
    assert mended(button) == button.replace(' aria-label="Search"', "")
    icon = '<i class="theme-switch fa-solid fa-sun   fa-lg" data-mode="light" title="Light"></i>'
    assert mended(icon) == icon.replace(' title="Light"', "")
    entry = '<div role="list" class="citation-list">\n<div class="citation" id="id1" role="doc-biblioentry">'
    assert mended(entry) == '<div class="citation-list">\n<div class="citation" id="id1">'
    other = '<button class="btn" aria-label="Search"><i class="fa" title="Sun"></i></button><div role="list"></div>'
    assert mended(other) == other


def test_parameters_of_a_signature_are_no_definition_list():
    fields = '<dl class="field-list"><dt>Raises</dt><dd>x</dd></dl>'
    text = f'<span class="sig-paren">(</span>\n\n<dl>\n<dd><em>a</em>,</dd>\n<dd>b</dd>\n</dl>\n<dd>{fields}</dd>'
    assert mended(text) == text.replace("<dl>\n", '<dl role="none">\n').replace(
        "<dd><em>a</em>,</dd>\n<dd>b</dd>", '<dd role="none"><em>a</em>,</dd>\n<dd role="none">b</dd>'
    )


def test_downloads_have_no_outputs_and_keep_the_rest(tmp_path):
    code = nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["parameters"], "papermill": {"duration": 1}})
    code.outputs, code.execution_count = [nbformat.v4.new_output("stream", text="2")], 3
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Text"), code])
    notebook.metadata.update(widgets={STATE: {}}, kernelspec={"name": "python3", "display_name": "Python 3"})
    (tmp_path / "_sources" / "book").mkdir(parents=True)
    path = tmp_path / "_sources" / "book" / "a.ipynb"
    nbformat.write(notebook, path)
    finish(tmp_path)
    found = nbformat.read(path, 4)
    nbformat.validate(found)
    assert [cell.source for cell in found.cells] == ["Text", "1 + 1"]
    assert (found.cells[1].outputs, found.cells[1].execution_count) == ([], None)
    assert found.cells[1].metadata == {"tags": ["parameters"]}
    assert found.metadata == {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    before = path.read_bytes()
    without_outputs(path)
    assert path.read_bytes() == before


def test_numbers_and_their_units_stay_on_one_line():
    page = (
        '<p title="n = 1">95 % of <b>n = 8</b> at α = −0.4, p = 0.02, p &lt; 0.01; in = 3, 7 of 8, ≤ 1.18, ≥ 9</p>'
        "<pre>n = 5 % 3</pre><code>n = 5</code><script>n = 5 % 3</script><span>\\(n = 5\\)</span><!-- 5 % -->"
    )
    found = unbroken(page)
    assert found.replace("\u00a0", " ") == page
    assert found.startswith(
        '<p title="n = 1">95\u00a0% of <b>n\u00a0=\u00a08</b> at α\u00a0=\u00a0−0.4, p\u00a0=\u00a00.02, '
        "p\u00a0&lt;\u00a00.01; "
    )
    assert "; in = 3, 7 of 8, ≤\u00a01.18, ≥\u00a09</p>" in found
    assert found[found.index("<pre>") :] == page[page.index("<pre>") :]
    assert unbroken(found) == found
