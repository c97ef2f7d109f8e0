"""The picture of the package is that of its imports, and they point one way."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import selectivity_core
from selectivity_core.book.publish.architecture import LAYERS, Layer, as_html, between, check, draw, in_words, write
from selectivity_core.book.publish.imports import circle, read_imports
from selectivity_core.errors import BookError

PACKAGE = Path(selectivity_core.__file__).parent
TWO = (Layer("Upper", ("cli", "shelf")), Layer("Lower", ("ground",)))


def house(folder, **files):
    """A package of single files, by name and source."""
    for name, source in {"__init__": "", **files}.items():
        (folder / "house").mkdir(exist_ok=True)
        (folder / "house" / f"{name}.py").write_text(source)
    return folder / "house"


def test_imports_of_this_package_point_down_and_never_in_a_circle():
    imports = read_imports(PACKAGE)
    check(imports)
    assert circle(imports.modules) == circle(imports.rooms()) == []
    placed = [room for layer in LAYERS for room in layer.rooms]
    assert sorted(placed) == sorted(imports.rooms())


def test_what_is_read_is_what_python_imports():
    """Modules of the package that are loaded with one of them are among those that the source leads to."""
    imports = read_imports(PACKAGE)
    reached, waiting = set(), ["sweeping"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += [*imports.modules[module], *([module.rpartition(".")[0]] if "." in module else [])]
    code = "import sys, selectivity_core.runs.sweeping; print(*[m for m in sys.modules if 'selectivity_core.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("selectivity_core.") for name in done.stdout.split()}
    # The networks' files are found by their folder.
    networks = {m for m in loaded if m.startswith("models.")}
    assert loaded - networks <= reached
    assert {"sweeping", "store", "errors"} <= loaded


def test_the_picture_has_a_bow_for_every_pair_of_layers_and_no_other():
    imports = read_imports(PACKAGE)
    svg = draw(imports)
    titles = re.findall(r"<title>(.+?) → (.+?): (\d+) imports?</title>", svg)
    named = [layer.title for layer in LAYERS]
    drawn = {(named.index(a), named.index(b)): int(n) for a, b, n in titles}
    # Counted anew, from the modules.
    place = {room: k for k, layer in enumerate(LAYERS) for room in layer.rooms}
    expected = {}
    for module, others in imports.modules.items():
        for other in others - {""}:
            pair = (place[module.split(".")[0]], place[other.split(".")[0]])
            if pair[0] != pair[1]:
                expected[pair] = expected.get(pair, 0) + 1
    assert drawn == expected
    assert all(above < below for above, below in drawn)
    written = " ".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))
    assert set(place) <= set(re.findall(r"\w+", written))


def test_the_page_shows_it_with_words_and_says_what_every_room_is_for():
    imports = read_imports(PACKAGE)
    page = BeautifulSoup(as_html(imports), "html.parser")
    (image,) = page.find_all("img")
    assert image["alt"] == in_words(imports)
    for layer in LAYERS:
        assert layer.title in image["alt"]
    (first, second), count = next(iter(between(imports).items()))
    assert f"{LAYERS[second].title} ({count})" in image["alt"].split(f"{LAYERS[first].title} (")[1]
    rooms = {term.code.text: said.text for term, said in zip(page.find_all("dt"), page.find_all("dd"), strict=True)}
    assert set(rooms) == set(imports.rooms())
    assert rooms["units"] == (importlib.import_module("selectivity_core.units").__doc__ or "").splitlines()[0]
    assert min(map(len, rooms.values())) > 20
    assert not any("`" in said for said in rooms.values())


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"cli": "from . import ground", "shelf": "", "ground": ""}, None),
        ({"cli": "", "shelf": "", "ground": "from . import cli"}, "ground imports cli, which lies in a layer above it"),
        ({"cli": "", "shelf": "", "ground": "", "attic": ""}, "attic is in no layer: name it in LAYERS"),
        ({"cli": "", "ground": ""}, "shelf has a layer and is not there"),
        ({"cli": "from . import shelf", "shelf": "from .cli import x", "ground": ""}, "in a circle: "),
    ],
    ids=["in order", "up", "no layer", "gone", "circle"],
)  # fmt: skip
def test_what_is_out_of_order_is_named(files, words, tmp_path):
    imports = read_imports(house(tmp_path, **files))
    if words is None:
        check(imports, TWO)
        assert between(imports, TWO) == {(0, 1): 1}
        return
    with pytest.raises(BookError, match=words):
        check(imports, TWO)


def test_a_file_that_is_current_is_left_alone(tmp_path):
    out = tmp_path / "made" / "architecture.html"
    write(PACKAGE, out)
    before = out.stat().st_mtime_ns
    write(PACKAGE, out)
    assert out.stat().st_mtime_ns == before
    out.write_text("older")
    write(PACKAGE, out)
    assert out.read_text(encoding="utf-8").startswith("<figure")
    assert [p.name for p in out.parent.iterdir()] == ["architecture.html"]
