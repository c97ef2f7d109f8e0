"""The ledger: small tables of finished runs that the repository keeps, with where each row came from."""

from __future__ import annotations

import gzip
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..files import make_folder, replace
from ..spec import field_names
from ..tables import Tables, concat, empty
from .profiles import PROFILES, find_profile, profile_of
from .reads import record as record_read
from .store import RunStore, from_csv, to_csv

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("runs", "history", "layers", "units", "responses")
DERIVED = ("pairs", "bounds", "curves", "importances")
# Unit tables are kept for the first so many seeds of each setting, to stay small enough for git.
PER_UNIT = {"units": 5, "responses": 3}
# Significant digits: enough for any figure and any test, and a third to a half of the space. `runs` is exact.
DIGITS = {"history": 7, "layers": 7, "units": 5, "responses": 4} | dict.fromkeys(DERIVED, 5)


TRACKED = Path(__file__).resolve().parents[2] / "results"


def ledger_folder() -> Path | None:
    """The ledger's folder: SELECTIVITY_LEDGER ("none" for no ledger), else `results/` of the checkout.

    Raises:
        StoreError: neither is there, as beside a package installed from a wheel.
    """
    given = os.environ.get("SELECTIVITY_LEDGER")
    if given == "none":
        return None
    if not given and not TRACKED.is_dir():
        raise StoreError(
            "ledger: a checkout of the repository has the archived results, and the installed package is not in one; "
            "SELECTIVITY_LEDGER names its results/ folder, or none"
        )
    return Path(given) if given else TRACKED


def ledger(profile: str | None = None, *, folder: Path | None = None) -> Tables:
    """The finished runs that the repository keeps.

    Args:
        profile: only those kept under this profile; all by default.
        folder: the ledger's; that of `ledger_folder` by default.

    Returns:
        Tables, each read when it is first used; empty where there is no ledger.
    """
    folder = folder or ledger_folder()
    if folder is None:
        return Tables()
    # Profiles that have no rows yet are looked for too, so that a page notices when they get some.
    kept = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    names = [profile] if profile else sorted(kept | set(PROFILES))
    return concat([Tables(partial(_read_kept, folder / name)) for name in names])


def _read_kept(profile: Path, table: str) -> pd.DataFrame:
    return read_table(profile / f"{table}.csv.gz", table)


def read_table(path: Path, table: str) -> pd.DataFrame:
    """One table of one profile; empty where the ledger has none.

    Raises:
        StoreError: it cannot be parsed, or is of an older schema.
    """
    record_read(path)
    try:
        return _parse(path, table, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return empty(table)


@lru_cache(maxsize=64)
def _parse(path: Path, table: str, _changed: int) -> pd.DataFrame:
    try:
        found = from_csv(gzip.decompress(path.read_bytes()), table)
        if table == "runs" and (lacking := [f for f in field_names() if f not in found]):
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return found
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise StoreError(f"{path}: not a table of the ledger ({error})") from error


def export(store: RunStore, folder: Path | None = None) -> dict[str, int]:
    """Adds a store's current runs to the ledger; rows of a run that it already has are replaced, stale runs left out.

    Rows are sorted, and the same runs give the same bytes. Unit tables are kept of the settings that figures show unit
    by unit, for their first seeds. Figures of `runs` are exact, those of other tables have the digits of `DIGITS`.

    Args:
        store: where the runs lie.
        folder: the ledger's; by default `results/` of the checkout.

    Returns:
        how many runs the ledger holds now, by profile.

    Raises:
        StoreError: a run that does not verify, or a ledger that cannot be written.
    """
    target = folder or ledger_folder()
    if target is None:
        raise StoreError('ledger: SELECTIVITY_LEDGER is "none"; name a folder to export to')
    by_profile: dict[str, list[str]] = {}
    for run in store.ids():
        spec = store.spec(run)
        if store.holds(spec):
            by_profile.setdefault(profile_of(spec), []).append(run)
    return {name: _export(store, runs, target / name) for name, runs in sorted(by_profile.items())}


def _export(store: RunStore, runs: list[str], folder: Path) -> int:
    import pandas as pd

    from ..training import RESULT_VERSION
    from .derived import kept_rows

    make_folder(folder)
    kept: pd.DataFrame | None = None
    settings: pd.DataFrame | None = None
    for table in (*TABLES, *DERIVED):
        path = folder / f"{table}.csv.gz"
        old = read_table(path, table)
        if table in DERIVED:
            assert kept is not None
            frames = list(kept_rows(store, table, set(kept["run"])))
        else:
            frames = [f for run in runs if len(f := store.table(run, table))]
        if table == "runs":  # only current runs come here
            frames = [f.assign(provenance_result_version=str(RESULT_VERSION)) for f in frames]
        # An empty table has no types of its own: it would turn the others' figures to objects.
        frames = [f for f in (_without(old, runs, frames, table), *frames) if len(f)]
        new = pd.concat(frames, ignore_index=True) if frames else old
        if not len(new):
            continue
        if table == "runs":
            settings = _settings(new)
            new = new.loc[settings.index].reset_index(drop=True)
            kept = settings
        assert kept is not None
        if table in PER_UNIT:
            most = min(PER_UNIT[table], find_profile(folder.name).counts.get("by_unit", PER_UNIT[table]))
            shown = (kept["seed_rank"] < most) & _shown_by_unit(kept, folder.name)
            if table == "responses":
                scale = find_profile(folder.name)
                shown &= kept["model"].isin(scale.by_class or scale.models[:1])
            new = new[new["run"].isin(kept.loc[shown, "run"])]
        if table in DIGITS:
            new = _shortened(new, DIGITS[table])
        if table != "runs":
            order = {run: k for k, run in enumerate(kept["run"])}
            keys = [c for c in ("analysis", "other") if c in new]  # a run has several derived results
            new = new.assign(_place=new["run"].map(order)).sort_values(["_place", *keys], kind="stable")
            new = new.drop(columns="_place")
        replace(path, gzip.compress(to_csv(new), compresslevel=9, mtime=0))
    return 0 if kept is None else len(kept)


def _without(old: pd.DataFrame, runs: list[str], new: list[pd.DataFrame], table: str) -> pd.DataFrame:
    """The rows that stay: of other runs, and of derived tables also what the store has no newer result of."""
    if table not in DERIVED:
        return old[~old["run"].isin(runs)]
    keys = [c for c in ("analysis", "run", "other") if c in old]
    if not len(old) or not new:
        return old
    import pandas as pd

    fresh = pd.MultiIndex.from_frame(pd.concat([f[keys] for f in new]).drop_duplicates())
    return old[~pd.MultiIndex.from_frame(old[keys]).isin(fresh)]


def _shown_by_unit(runs: pd.DataFrame, profile: str) -> pd.Series:
    """The settings whose units some figure shows: the profile's own schedule, the plain regulariser, neither label
    noise nor dropout."""
    plain = (runs["layers"] == "all") & (runs["warmup_epochs"] == 0) & (runs["index"] == "si")
    plain &= (runs["activation"] == "relu") & (runs["label_corruption"] == 0) & (runs["dropout"] == 0)
    own = {base.model: base.epochs for base in find_profile(profile).base}
    return plain & (runs["epochs"].astype(float) == runs["model"].map(own))


def _settings(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs in a fixed order, each with the rank of its seed among the runs that differ in nothing else."""
    fields = [f for f in field_names() if f != "seed"]
    ordered = runs.sort_values([*fields, "seed"], kind="stable")
    return ordered.assign(seed_rank=ordered.groupby(fields, sort=False).cumcount())


def _shortened(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    """So many significant digits."""
    floats = frame.select_dtypes("float").columns
    return frame.assign(**{c: [float(f"{v:.{digits}g}") for v in frame[c]] for c in floats})
