import nbformat
import pytest
from tiny_notebooks import write_notebook

from selectivity_core.book.publish import staleness


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A notebook with an executed copy and a stamp, made from a package, a table and two versions."""

    class Made:
        notebook = write_notebook(tmp_path / "notebooks" / "a.ipynb", "print(1)")
        out = tmp_path / "executed" / "a.ipynb"
        package = tmp_path / "package"
        table = tmp_path / "runs" / "r1" / "manifest.json"
        parameters = {"alphas": [0.0, 1.0], "profile": "digits"}  # noqa: RUF012

        def why_stale(self):
            return staleness.why_stale(self.out, staleness.fingerprint(self.notebook, self.parameters))

    made = Made()
    for path in (made.out, made.table, made.package / "metrics.py", made.package / "paper" / "claims.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr(staleness, "PACKAGE", made.package)
    monkeypatch.setattr(staleness, "installed", {"torch": "1", "matplotlib": "2"}.get)
    monkeypatch.chdir(tmp_path)
    read = {str(made.table): staleness.reads.digest(made.table), str(tmp_path / "absent"): None}
    staleness.write_stamp(made.out, staleness.fingerprint(made.notebook, made.parameters), read)
    return made


def test_current(made):
    assert made.why_stale() is None
    assert sorted(path.name for path in made.out.parent.iterdir()) == ["a.ipynb", "a.stamp.json"]


def edit(path, change):
    notebook = nbformat.read(path, 4)
    change(notebook)
    nbformat.write(notebook, path)


def test_outputs_and_counts_are_no_change_of_the_notebook(made):
    def run(notebook):
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
        notebook.cells[-1].execution_count = 7

    edit(made.notebook, run)
    assert made.why_stale() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook.cells[-1].update(source="print(2)"),
        lambda notebook: notebook.cells[-1].metadata.update(tags=["hide-input"]),
        lambda notebook: notebook.metadata.update(title="x"),
        lambda notebook: notebook.cells.reverse(),
        lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell("end")),
    ],
    ids=["source", "tags", "metadata", "order", "cell"],
)
def test_notebook_changed(made, change):
    edit(made.notebook, change)
    assert made.why_stale() == "the notebook changed"


@pytest.mark.parametrize("name", ["metrics.py", "paper/claims.csv", "new.py"])
def test_package_changed(made, name):
    (made.package / name).write_text("2")
    assert made.why_stale() == "the package changed"


def test_package_module_renamed(made):
    (made.package / "metrics.py").rename(made.package / "units.py")
    assert made.why_stale() == "the package changed"


def test_caches_are_no_change_of_the_package(made):
    (made.package / "__pycache__").mkdir()
    (made.package / "__pycache__" / "metrics.cpython-311.pyc").write_text("1")
    (made.package / ".metrics.py.swp").write_text("1")
    assert made.why_stale() is None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"alphas": [0.0], "profile": "digits"}, "parameter alphas changed"),
        ({"alphas": [0.0, 1.0]}, "parameter profile changed"),
        ({"alphas": [0.0, 1.0], "profile": "digits", "seeds": None}, "parameter seeds changed"),
        ({"alphas": [], "profile": "mnist"}, "parameter alphas changed; parameter profile changed"),
    ],
)
def test_parameters_changed(made, parameters, reason):
    made.parameters = parameters
    assert made.why_stale() == reason


def test_library_changed(made, monkeypatch):
    monkeypatch.setattr(staleness, "installed", {"torch": "1"}.get)
    assert made.why_stale() == "matplotlib changed from 2 to None"


def test_table_changed(made):
    made.table.write_text("2")
    assert made.why_stale() == "runs/r1/manifest.json changed"


def test_table_gone_and_an_absent_one_there(made, tmp_path):
    made.table.unlink()
    (tmp_path / "absent").write_text("1")
    assert made.why_stale() == "absent and 1 more changed"


def test_executed_copy_altered(made):
    made.out.write_text("2")
    assert made.why_stale() == "the executed copy was altered"


@pytest.mark.parametrize("name", ["a.ipynb", "a.stamp.json"])
def test_never_executed(made, name):
    (made.out.parent / name).unlink()
    assert made.why_stale() == "never executed"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"notebook": 1, "package": 1, "parameters": 3}'])
def test_broken_stamp(made, content):
    staleness.stamp_path(made.out).write_text(content)
    assert made.why_stale() == "a.stamp.json cannot be read"


def test_discard(made):
    staleness.discard(made.out)
    staleness.discard(made.out)
    assert list(made.out.parent.iterdir()) == []


def test_fingerprint_of_the_real_package_names_the_installed_versions(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb")
    versions = staleness.fingerprint(notebook, {}).versions
    assert versions.keys() == {"torch", "matplotlib"}
    assert all(versions.values())
