"""Finished runs kept when `RunSpec` gets a field: the old ones get the value that the older code implied.

To add a field: give it to `RunSpec`, raise `SCHEMA`, and note it in `ADDED` under the new schema. Ids change, since
they cover every field; stores are then rewritten when a sweep opens them, a ledger by `selectivity migrate`.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError
from .files import replace
from .manifests import make_manifest
from .rows import fields_of
from .spec import SCHEMA, RunSpec, field_names
from .store import RunStore, from_csv, to_csv
from .tables import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

ADDED: dict[int, dict[str, Any]] = {}  # schema -> fields that came with it, each with the value of all runs before


def upgrade(content: dict[str, Any], schema: int) -> RunSpec:
    """The spec that an older schema's fields stand for.

    Raises:
        StoreError: a schema that this code does not know.
        SpecError: fields that are not those of that schema.
    """
    if not 1 <= schema <= SCHEMA:
        raise StoreError(f"schema {schema}: not known to this version, which has {SCHEMA}; install a later one")
    implied = {name: value for s in range(schema + 1, SCHEMA + 1) for name, value in ADDED[s].items()}
    return RunSpec.from_dict(implied | content)


def migrate_store(store: RunStore) -> int:
    """Brings the finished runs of older schemas to this one. The old folders move to `.replaced`.

    Returns:
        how many there were.

    Raises:
        StoreError: a run that does not verify, or a store that cannot be written.
    """
    if not ADDED:
        return 0
    with store.migrating():
        old = [run for run in store.ids() if _schema(store, run) < SCHEMA]
        for run in old:
            _migrate_run(store, run)
    return len(old)


def _schema(store: RunStore, run: str) -> int:
    manifest = store.manifest(run)
    return SCHEMA if manifest is None else int(manifest["schema"])


def _migrate_run(store: RunStore, run: str) -> None:
    manifest = store.manifest(run)
    assert manifest is not None
    spec = upgrade(manifest["spec"], manifest["schema"])
    files: dict[str, bytes] = {}
    for name in manifest["files"]:
        content = store.content(run, name)
        assert content is not None
        table, dot, kind = name.partition(".")
        if dot and kind == "csv":
            content = to_csv(_renamed(from_csv(content, table), table, {run: spec}))
        files[name] = content
    made = make_manifest(spec.as_dict(), spec.id, manifest["status"], manifest["digest"], files)
    store.put(made | {"result_version": manifest["result_version"]}, files)
    store.set_aside(run)


def _renamed(frame: pd.DataFrame, table: str, specs: dict[str, RunSpec]) -> pd.DataFrame:
    """A table with the new ids, and in `runs` the new fields."""
    found = frame.copy()
    if table == "runs":
        for name in field_names():
            if name not in found:
                found[name] = [_cell(getattr(specs[run], name)) for run in frame["run"]]
        extra = [c for c in frame if c not in COLUMNS["runs"]]
        found = found[[*(c for c in COLUMNS["runs"] if c in found), *extra]]
    for column in ("run", "other"):
        if column in found:
            found[column] = [specs[run].id if run in specs else run for run in found[column]]
    return found


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def migrate_ledger(folder: Path) -> int:
    """Brings the rows of a ledger to this schema.

    Returns:
        how many runs there were of older ones.

    Raises:
        StoreError: tables whose columns are no schema's, or that cannot be read or written.
    """
    return sum(_migrate_profile(path.parent) for path in sorted(folder.glob("*/runs.csv.gz")))


def _migrate_profile(folder: Path) -> int:
    runs = _read(folder / "runs.csv.gz")
    schema = _schema_of(runs, folder)
    if schema == SCHEMA:
        return 0
    specs = {row["run"]: upgrade(fields_of(row), schema) for row in runs.to_dict("records")}
    # The runs come last: until they are there, the tables can be gone through again.
    for path in sorted(folder.glob("*.csv.gz"), key=lambda p: p.name == "runs.csv.gz"):
        table = path.name.partition(".")[0]
        replace(path, gzip.compress(to_csv(_renamed(_read(path), table, specs)), compresslevel=9, mtime=0))
    return len(specs)


def _schema_of(runs: pd.DataFrame, folder: Path) -> int:
    """The schema whose fields the columns are: rows do not carry its number."""
    lacking = set(field_names()) - set(runs.columns)
    for schema in range(SCHEMA, 0, -1):
        if lacking == {name for s in range(schema + 1, SCHEMA + 1) for name in ADDED[s]}:
            return schema
    raise StoreError(f"{folder / 'runs.csv.gz'}: lacks {', '.join(sorted(lacking))}, as no schema before this one did")


def _read(path: Path) -> pd.DataFrame:
    try:
        return from_csv(gzip.decompress(path.read_bytes()), path.name.partition(".")[0])
    except (OSError, EOFError, ValueError) as error:
        raise StoreError(f"{path}: not a table of the ledger ({error})") from error
