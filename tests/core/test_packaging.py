"""The package outside the repository: wheel and sdist, extras that are not installed, imports that stay light."""

import ast
import importlib.util
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from selectivity_core import errors
from selectivity_core.errors import MissingExtraError, SelectivityError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "selectivity_core"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = {p.relative_to(ROOT).as_posix() for p in PACKAGE.rglob("*") if p.is_file() and p.suffix != ".pyc"}
EXTRAS = {"data": {"torchvision", "sklearn", "PIL"}, "runs": {"joblib", "filelock", "pydantic", "sklearn", "yaml"}}
# Takes packages away from an interpreter, so that what needs them fails as where they were never installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {missing} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


def requirements(*extras):
    """Names of what the package and some extras ask for, extras of these too."""
    found = set()
    for listed in (PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)):
        for requirement in map(Requirement, listed):
            name = canonicalize_name(requirement.name)
            found |= requirements(*requirement.extras) if name == "selectivity-core" else {name}
    return found


def run(code, path, **environment):
    """What a new interpreter prints that imports the package from `path`, away from the repository."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("SELECTIVITY")}
    given |= {"PYTHONPATH": str(path)} | environment
    done = subprocess.run([sys.executable, "-c", code], cwd="/", env=given, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist of the checkout, and the wheel that is built from what it holds."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in (*FILES, "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())

    def build(what, place):
        code = f"import sys; from setuptools import build_meta as b; b.build_{what}(sys.argv[1])"
        command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
        subprocess.run(command, cwd=place, check=True, capture_output=True)

    build("sdist", source)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    build("wheel", sdist.with_name(sdist.name.removesuffix(".tar.gz")))
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(built[1]) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.slow
def test_sdist_and_wheel_have_every_file_of_the_package_and_no_other(built):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert FILES | {"pyproject.toml", "README.md", "LICENSE"} <= inside
    assert {n for n in inside if n.startswith("selectivity_core/") and "." in Path(n).name} == FILES
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n}
    assert inside == FILES


@pytest.mark.slow
def test_an_installed_wheel_has_every_public_name(installed):
    code = "import selectivity_core as s; print(s.__file__, *[n for n in s.__all__ if not hasattr(s, n)])"
    assert run(code, installed) == str(installed / "selectivity_core" / "__init__.py")


@pytest.mark.slow
def test_an_installed_wheel_says_where_the_ledger_is(installed, tmp_path):
    code = (
        "import selectivity_core as s\n"
        "try: print(len(s.ledger('digits').runs))\n"
        "except s.SelectivityError as error: print(error)"
    )
    assert "SELECTIVITY_LEDGER names its results/ folder" in run(code, installed)
    assert run(code, installed, SELECTIVITY_LEDGER="none") == "0"
    assert run(code, installed, SELECTIVITY_LEDGER=str(tmp_path)) == "0"


@pytest.mark.slow
def test_without_extras_each_name_imports_or_says_which_extra_to_install(installed):
    code = WITHOUT.format(missing=set().union(*EXTRAS.values())) + (
        "import selectivity_core as s\n"
        "for name in s.__all__:\n"
        "    try: getattr(s, name)\n"
        "    except s.SelectivityError as error: print(name, isinstance(error, ImportError), error)\n"
    )
    said = [line.split(" ", 2) for line in run(code, installed).splitlines()]
    assert {name for name, _, _ in said} == {"RunStore", "grid", "ledger", "profile", "sweep", "trained_network"}
    for _, is_import_error, words in said:
        assert is_import_error == "True"
        assert words == "joblib: not installed; the extra 'runs' brings it: pip install 'selectivity-core[runs]'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "package"), [("load('digits')", "sklearn"), ("load('mnist', '/nowhere')", "torchvision")]
)
def test_data_without_their_extra_are_refused_by_its_name(installed, call, package):
    code = WITHOUT.format(missing={package}) + (
        f"from selectivity_core.data import load\ntry: {call}\nexcept ImportError as error: print(error)\n"
    )
    assert run(code, installed) == (
        f"{package}: not installed; the extra 'data' brings it: pip install 'selectivity-core[data]'"
    )


def test_an_error_about_an_extra_is_both_kinds_of_error(monkeypatch):
    errors.required("data", "json")
    with pytest.raises(MissingExtraError, match="no_such_package: not installed; the extra 'data' brings it") as raised:
        errors.required("data", "json", "no_such_package")
    assert isinstance(raised.value, SelectivityError)
    assert isinstance(raised.value, ImportError)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["", ".indices", ".regularizer", ".measuring", ".data", ".ablation"])
def test_imports_bring_nothing_that_is_not_needed_yet(module):
    code = f"import sys, selectivity_core{module}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    loaded = set(run(code, ROOT).split())
    heavy = {"pandas", "scipy", "torchvision", "sklearn", "PIL", "joblib", "matplotlib", "timm", "transformers"}
    assert loaded & heavy == set()
    assert module or "torch" not in loaded


def imported(path):
    """Top-level names that a module imports from other packages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("room", "extra"), [("", ()), ("runs", ("runs", "cluster")), ("cli", ("runs", "book")), ("book", ("book",))]
)
def test_every_room_asks_for_what_it_imports(room, extra):
    inside = PACKAGE / room
    rooms = [PACKAGE / name for name in ("runs", "cli", "book") if not room]
    files = [p for p in inside.rglob("*.py") if not any(p.is_relative_to(other) for other in rooms)]
    names = {name for path in files for name in imported(path)} - sys.stdlib_module_names - {"selectivity_core"}
    homes = packages_distributions()
    needed = {name: {canonicalize_name(d) for d in homes.get(name, [name])} for name in names}
    allowed = requirements(*extra, *(("data",) if not room else ()))
    allowed |= {"typing-extensions"}  # comes with torch and with pydantic
    assert {name for name, distributions in needed.items() if not distributions & allowed} == set()


def test_the_extras_that_rooms_check_are_those_of_the_project():
    homes = packages_distributions()
    for extra, packages in EXTRAS.items():
        present = [name for name in packages if importlib.util.find_spec(name)]
        assert {canonicalize_name(homes[name][0]) for name in present} <= requirements(extra) - requirements()
        assert len(packages) == len(PROJECT["optional-dependencies"][extra])
