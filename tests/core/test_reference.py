"""The book's reference, glossary and bibliography: complete, and agreeing with the code and the pages."""

import importlib
import inspect
import json
import re
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_file

import selectivity_core

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("api*.md"))
PROSE = [*sorted(BOOK.glob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]
DIRECTIVE = re.compile(
    r"^\.\. (currentmodule|auto\w+):: ([\w.]+)(?:\(\))?$(?:\n   :members:(.*)$)?", flags=re.MULTILINE
)
SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Warns|Attributes):$", flags=re.MULTILINE)


def entries():
    """Kind, module, name and listed members of every entry of the reference."""
    found = []
    for page in PAGES:
        module = ""
        for kind, name, members in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind == "currentmodule":
                module = name
            else:
                listed = [member.strip() for member in members.split(",") if member.strip()]
                found.append((kind.removeprefix("auto"), module, name, listed))
    return found


ENTRIES = entries()
CANNOT_FAIL = {"selectivity_core.ledger"}  # a missing ledger is an empty one
NAMES = [f"{module}.{name}" for _, module, name, _ in ENTRIES]


def documented(module, name):
    return getattr(importlib.import_module(module), name)


def sections(thing):
    """Sections of a docstring: name -> text, the part before them under ""."""
    parts = SECTION.split(inspect.getdoc(thing) or "")
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def names_in(text):
    """Names that an Args, Attributes or Raises section explains; several may share a line."""
    heads = [line.partition(":")[0] for line in text.splitlines() if re.match(r" {4}\S", line)]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


FUNCTIONS = {f"{module}.{name}": documented(module, name) for kind, module, name, _ in ENTRIES if kind == "function"}
PUBLIC = [name for name in FUNCTIONS if name.count(".") == 1]


def test_every_public_name_has_one_entry():
    assert len(NAMES) == len(set(NAMES))
    own = [name for _, module, name, _ in ENTRIES if module == "selectivity_core"]
    shown = [name for name in own if name != "SelectivityError"]
    assert sorted([*shown, "SelectivityError"]) == selectivity_core.__all__


@pytest.mark.parametrize(("kind", "module", "name", "members"), ENTRIES, ids=NAMES)
def test_an_entry_is_of_its_kind_and_has_a_docstring(kind, module, name, members):
    thing = documented(module, name)
    assert {"class": inspect.isclass, "exception": inspect.isclass, "function": inspect.isfunction}[kind](thing)
    assert inspect.getdoc(thing)
    for member in members:
        assert inspect.getdoc(getattr(thing, member)), member


@pytest.mark.parametrize("name", ["RunSpec", "RunStore", "SelectivityRegularizer", "Tables"])
def test_a_class_explains_what_it_is_made_from(name):
    found = sections(getattr(selectivity_core, name))
    explained = [*names_in(found.get("Args", "")), *names_in(found.get("Attributes", ""))]
    assert set(inspect.signature(getattr(selectivity_core, name)).parameters) <= set(explained)


def text(path):
    """Markdown of a page, that of a notebook's cells in one."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def roles(name):
    """Every use of a role on a page: (page, content)."""
    return [(p.name, found) for p in PROSE for found in re.findall(rf"\{{{name}\}}`([^`]+)`", text(p))]


def terms():
    """The glossary's terms in its order."""
    (body,) = re.findall(r"```\{glossary\}\n(.*?)^```", text(BOOK / "glossary.md"), flags=re.MULTILINE | re.DOTALL)
    return [line for line in body.splitlines() if re.match(r"\S", line)]


def test_the_glossary_is_in_order_and_has_no_term_twice():
    found = [term.lower() for term in terms() if term != "SI"]  # a second name, beside its first
    spelt = [term.replace("α", "alpha").replace("′", "") for term in found]
    assert spelt == sorted(set(spelt))
    assert {"unit", "layer", "activity", "run", "spec", "profile", "ledger", "claim", "verdict"} <= set(found)


def test_every_term_that_a_page_uses_is_in_the_glossary():
    used = [(page, re.sub(r"^.*<(.*)>$", r"\1", content, flags=re.DOTALL)) for page, content in roles("term")]
    known = {term.lower() for term in terms()}
    assert [use for use in used if " ".join(use[1].split()).lower() not in known] == []
    assert {"method.md", "reading.md"} <= {page for page, _ in used}


def test_works_that_would_be_cited_alike_have_a_letter_and_no_others():
    labels: dict[tuple[str, ...], list[str]] = {}
    for entry in parse_file(str(BOOK / "references.bib")).entries.values():
        names = [" ".join(person.last_names) for person in entry.persons["author"]]
        shown = (*(names if len(names) < 3 else (names[0], "et al.")), entry.fields["year"][:4])
        labels.setdefault(shown, []).append(entry.fields["year"][4:])
    for letters in labels.values():
        assert sorted(letters) == ([""] if len(letters) == 1 else list("abc"[: len(letters)]))
    assert ["a", "b"] in map(sorted, labels.values())


@pytest.mark.parametrize("key", parse_file(str(BOOK / "references.bib")).entries)
def test_a_source_can_be_found_again(key):
    entry = parse_file(str(BOOK / "references.bib")).entries[key]
    fields = entry.fields
    assert entry.persons["author"]
    assert re.fullmatch(r"(19|20)\d\d[a-z]?", fields["year"])
    assert fields["year"][:4] in key and fields["title"]
    where = {"article": "journal", "inproceedings": "booktitle", "book": "publisher", "techreport": "institution"}
    assert fields[where.get(entry.type, "note")]
    assert re.fullmatch(r"10\.\d{4,}/\S+", fields.get("doi", "10.1000/none"))
    assert fields.get("url", "https://").startswith("https://")


def test_one_part_of_the_table_of_contents_holds_the_reference():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    (files,) = [[c["file"] for c in part["chapters"]] for part in parts if part["caption"] == "Reference"]
    shown = [file for file in files if file.startswith("book/api")]
    assert shown[0] == "book/api"
    assert sorted(shown) == sorted(f"book/{page.stem}" for page in PAGES)


def properties():
    """Every property that the reference shows."""
    for kind, module, name, listed in ENTRIES:
        if kind == "class":
            thing = documented(module, name)
            for member in listed or vars(thing):
                if isinstance(inspect.getattr_static(thing, member), property):
                    yield f"{name}.{member}", getattr(thing, member)


@pytest.mark.parametrize(("name", "found"), [*properties()])
def test_what_a_property_is_is_not_taken_for_a_type(name, found):
    assert ":" not in inspect.getdoc(found).partition("\n")[0], name
