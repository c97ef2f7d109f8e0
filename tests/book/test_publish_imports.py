from itertools import pairwise

import pytest

from selectivity_core.book.publish.imports import circle, read_imports
from selectivity_core.errors import BookError

FILES = {
    "__init__.py": "import json",
    "a.py": '"""What a is.\n\nMore."""\nfrom . import b\nfrom .rooms.deep import thing\nimport os, house.c\n',
    "b.py": "def late():\n    from house.rooms import deep\n    from houses import other\n",
    "c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .rooms import deep as d\n",
    "rooms/__init__.py": "from .deep import thing\nfrom ..b import late\n",
    "rooms/deep.py": "from ..c import x\nfrom . import shelf\nfrom .shelf import y\n",
    "rooms/shelf/__init__.py": "from ... import b\nfrom . import top\n",
    "rooms/shelf/top.py": "",
}


@pytest.fixture
def house(tmp_path):
    root = tmp_path / "house"
    for name, source in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source)
    return root


def test_imports_of_every_file_wherever_they_stand(house):
    found = read_imports(house)
    assert found.package == "house"
    assert found.modules == {
        "": set(),
        "a": {"b", "rooms.deep", "c"},
        "b": {"rooms.deep"},
        "c": {"rooms.deep"},
        "rooms": {"rooms.deep", "b"},
        "rooms.deep": {"c", "rooms.shelf"},
        "rooms.shelf": {"b", "rooms.shelf.top"},
        "rooms.shelf.top": set(),
    }
    assert (found.says["a"], found.says["b"]) == ("What a is.", "")


def test_rooms_are_what_lies_directly_in_the_package(house):
    found = read_imports(house)
    assert found.rooms() == {"a": {"b", "rooms", "c"}, "b": {"rooms"}, "c": {"rooms"}, "rooms": {"b", "c"}}
    assert [found.files_of(room) for room in ("a", "rooms")] == [1, 4]


def test_circles_begin_and_end_with_the_same_name(house):
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    found = circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert found[0] == found[-1]
    assert set(pairwise(found)) == {("a", "b"), ("b", "c"), ("c", "a")}
    of_files = circle(read_imports(house).modules)
    assert set(of_files) <= {"b", "c", "rooms.deep", "rooms.shelf"}
    assert len(of_files) > 2


def test_a_file_that_is_no_python_is_named(house):
    (house / "b.py").write_text("x = 1\ndef (:\n")
    with pytest.raises(BookError, match=r"b\.py: line 2 is no Python: "):
        read_imports(house)
