"""The ledger: tables and weights of finished runs that the repository keeps, its reading, and exports from a store.

What may displace what:

1. A profile's folder holds all tables of its runs and is replaced as one; readers see the tables of one export, never
   of two. Exports to one ledger take turns.
2. Only current runs are added. A ledger never mixes two copies of a data set: an export that would is refused by name
   before anything is written.
3. A current run that the ledger has from another training stays, with what was worked out of it; an export names it.
   Asked to `replace`, the store's training comes in its place: its rows in all tables and its weights, and what was
   worked out of the earlier one goes.
4. Results worked out of weights that are neither the store's any more nor the ledger's, or not those of the ledger's
   rows, are left out.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import StoreError
from ..files import BEFORE, flush_folder, make_folder, read_in, replace_folder, sha256, standing, write
from ..spec import RunSpec, field_names
from ..tables import COLUMNS, Tables, concat, empty, joined
from .locks import cleared, lock, staged
from .manifests import Layout, network_layout, result_version, weight_problems
from .profiles import PROFILES, Profile, find_profile, profile_of
from .reads import note_read
from .store import RunStore
from .validation import (
    DERIVED,
    RUN_ID,
    TABLES,
    all_problems,
    copies_of,
    copies_problems,
    equal_values,
    from_xz,
    is_litter,
    printable,
    to_csv,
)

if TYPE_CHECKING:
    from torch import Tensor

KEPT = (*TABLES, *DERIVED)
EXTENSION = ".csv.xz"
# Unit tables are kept for the first so many seeds of some settings, to stay small enough for git.
PER_UNIT, UNIT_SEEDS = ("units", "responses"), 8
# Significant digits: enough for any plot and any test, and a third to a half of the space. `runs` is exact.
DIGITS = {"history": 7, "layers": 7, "units": 5, "responses": 4} | dict.fromkeys(DERIVED, 5)
STAGE, LOCK = ".stage", ".lock"  # of a ledger's folder
WEIGHTS, SUMS = "weights", "SHA256SUMS"  # of a profile's folder, and beside weights, as `sha256sum -c` reads it
TRACKED = Path(__file__).resolve().parents[2] / "results"


def ledger_folder() -> Path | None:
    """The ledger's folder: SELECTIVITY_LEDGER ("none" for no ledger), else `results/` of the checkout."""
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
        Tables, each read when it is first used; empty where there is no ledger. They raise StoreError where a table
        cannot be read, or where an export replaced a profile since its first table was read.
    """
    folder = folder or ledger_folder()
    if folder is None:
        return Tables()
    # Profiles that have no rows yet are looked for too, so that a page notices when they get some.
    names = [profile] if profile else sorted({*profiles_in(folder), *PROFILES})
    return concat([Tables(_Snapshot(folder / name)) for name in names])


def profiles_in(folder: Path) -> list[str]:
    """The profiles of which a ledger has tables."""
    if not folder.is_dir():
        return []
    names = {p.name for p in folder.iterdir() if p.is_dir()}
    replaced = {name[1:].removesuffix(BEFORE) for name in names if name.startswith(".") and name.endswith(BEFORE)}
    return sorted(replaced | {name for name in names if not name.startswith(".")})


def strays(profile: Path) -> list[str]:
    """Names of what stands in a profile's folder and is no table of a ledger."""
    known = {WEIGHTS, *(f"{name}{EXTENSION}" for name in KEPT)}
    return sorted(p.name for p in standing(profile).glob("*") if p.name not in known and not is_litter(p.name))


class _Snapshot:
    """Reads one profile's tables, all of them of one export."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._export: tuple[int, int] | None = None

    def __call__(self, table: str) -> pd.DataFrame:
        export, found = _read_at_once(self._profile, [table])
        if self._export not in (None, export):
            raise StoreError(f"{self._profile}: was exported to while it was read; read the ledger anew")
        self._export = export
        return found[table]


def read_profile(profile: Path) -> dict[str, pd.DataFrame]:
    """All tables of one profile's folder, of one export."""
    return _read_at_once(profile, KEPT)[1]


def _read_at_once(profile: Path, tables: Iterable[str]) -> tuple[tuple[int, int], dict[str, pd.DataFrame]]:
    while True:
        export, found = _export_of(profile), {table: read_table(profile, table) for table in tables}
        if export == _export_of(profile):
            return export, found


def _export_of(profile: Path) -> tuple[int, int]:
    """What tells two exports of a profile apart."""
    try:
        found = (standing(profile) / f"runs{EXTENSION}").stat()
    except OSError:
        return (0, 0)
    return found.st_ino, found.st_mtime_ns


def read_table(profile: Path, table: str) -> pd.DataFrame:
    """One table of one profile's folder, every value checked; empty where the ledger has none.

    Raises:
        StoreError: it cannot be read, or has values that none has, or mixes copies of the data.
    """
    path = profile / f"{table}{EXTENSION}"
    note_read(path)
    try:
        content = read_in(profile, path.name)
        return empty(table) if content is None else _parse(content, table)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: not a table of the ledger ({error})") from error


@lru_cache(maxsize=64)
def _parse(content: bytes, table: str) -> pd.DataFrame:
    found = from_xz(content, table)
    if table == "runs" and (problems := copies_problems(copies_of(found))):
        raise ValueError(problems[0])
    return found


@dataclass(frozen=True)
class Exported:
    """What an export made of a profile."""

    runs: int  # that the ledger holds now
    kept: tuple[str, ...] = ()  # ids of the store's runs that the ledger has from another training, which stayed
    replaced: tuple[str, ...] = ()  # ids of those in whose place the store's came


def export(store: RunStore, folder: Path | None = None, *, replace: bool = False) -> dict[str, Exported]:
    """Adds a store's current runs to the ledger, by the rules at the head of this module.

    Rows are sorted, and the same runs give the same bytes. Unit tables are kept of the settings that figures show unit
    by unit, for their first seeds. Numbers of `runs` are exact, those of other tables have the digits of `DIGITS`.

    Args:
        store: where the runs lie.
        folder: the ledger's; by default `results/` of the checkout.
        replace: whether the store's training of a run goes before the ledger's.

    Returns:
        what became of each profile that the store has runs or results of.
    """
    from .derived import has_results

    target = folder or ledger_folder()
    if target is None:
        raise StoreError('ledger: SELECTIVITY_LEDGER is "none"; name a folder to export to')
    runs: dict[str, list[str]] = {}
    made_from: list[tuple[str, str, str]] = []
    for run, manifest in store.current().items():
        spec = RunSpec.from_dict(manifest["spec"])
        runs.setdefault(profile_of(spec), []).append(run)
        made_from.append((spec.dataset, manifest["digest"], run))
    if has_results(store):  # they may be of networks that the ledger keeps and the store lacks
        runs |= {name: [] for name in profiles_in(target) if name not in runs and _sums(target / name)}
    if not runs:
        return {}
    make_folder(target)
    with lock(target / LOCK):
        cleared(target / STAGE)
        for name in profiles_in(target):
            made_from += copies_of(read_table(target / name, "runs"))
            if name in runs and (found := strays(target / name)):  # the folder is replaced
                raise StoreError(printable(f"{target / name / found[0]}: is no table of a ledger; move it elsewhere"))
        if problems := copies_problems(made_from):
            raise StoreError(f"{target}: nothing was exported: {'; '.join(problems)}; keep a ledger for each copy")
        try:
            return {name: _export(store, ids, target / name, replace) for name, ids in sorted(runs.items())}
        except OSError as error:
            raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from error


def _export(store: RunStore, ids: list[str], folder: Path, replace: bool) -> Exported:
    from .derived import kept_rows

    old = read_profile(folder)
    ours = joined("runs", [store.table(run, "runs") for run in ids])
    kept, replaced = _told_apart(old["runs"], ours, replace)
    taken = set(ids) - kept
    frames: dict[str, list[pd.DataFrame]] = {"runs": [old["runs"], ours[ours["run"].isin(taken)]]}
    for table in TABLES[1:]:
        frames[table] = [old[table], *(store.table(run, table) for run in ids if run in taken)]
    for table in TABLES:
        frames[table][0] = frames[table][0][~frames[table][0]["run"].isin(taken)]
    theirs = {run: digest for run, digest in _sums(folder).items() if run not in ids}
    for table in DERIVED:
        fresh = list(kept_rows(store, table, taken, theirs))
        frames[table] = [_without(old[table], fresh, replaced), *fresh]
    tables = _of_ledger({table: joined(table, found) for table, found in frames.items()}, folder.name)
    if problems := all_problems(tables):  # nothing is written that `verify` would refuse
        raise StoreError(f"{folder}: nothing was exported: {problems[0]}")
    files = {f"{t}{EXTENSION}": _packed(f, folder, f"{t}{EXTENSION}") for t, f in tables.items() if len(f)}
    files |= _weights(store, tables["runs"], taken, replaced, folder)
    _put(folder, files)
    return Exported(len(tables["runs"]), tuple(sorted(kept)), tuple(sorted(replaced)))


def _packed(frame: pd.DataFrame, folder: Path, name: str) -> bytes:
    """A table as a ledger has it: the file that stands there where it says the same, since compressing is slow."""
    text, there = to_csv(frame), read_in(folder, name)
    return there if there is not None and lzma.decompress(there) == text else lzma.compress(text)


def _told_apart(there: pd.DataFrame, ours: pd.DataFrame, replace: bool) -> tuple[set[str], set[str]]:
    """Of the store's runs that the ledger has from another training: ids of those that stay, and of those that go."""
    known = {row["run"]: row for row in there.to_dict("records")}
    kept, replaced = set[str](), set[str]()
    for row in ours.to_dict("records"):
        other = known.get(row["run"])
        if other is None or all(equal_values(row[c], other[c]) for c in COLUMNS["runs"]):
            continue
        stale = other["provenance_result_version"] != str(result_version())
        (replaced if replace or stale else kept).add(row["run"])
    return kept, replaced


def _without(old: pd.DataFrame, fresh: list[pd.DataFrame], replaced: set[str]) -> pd.DataFrame:
    """Results that stay: of the trainings that stay, and of which the store has none of its own."""
    keys = [c for c in ("analysis", "run", "other") if c in old]
    for column in keys[1:]:
        old = old[~old[column].isin(replaced)]
    if not len(old) or not fresh:
        return old
    again = pd.MultiIndex.from_frame(pd.concat([f[keys] for f in fresh]).drop_duplicates())
    return old[~pd.MultiIndex.from_frame(old[keys]).isin(again)]


def _of_ledger(tables: dict[str, pd.DataFrame], profile: str) -> dict[str, pd.DataFrame]:
    """Tables as a ledger has them: sorted, of the settings whose units are shown, in the digits that are kept."""
    fields = [f for f in field_names() if f != "seed"]
    runs = tables["runs"].sort_values([*fields, "seed"], kind="stable")
    rank = runs.groupby(fields, sort=False).cumcount()  # of a run's seed among the runs that differ in nothing else
    order, scale = {run: k for k, run in enumerate(runs["run"])}, find_profile(profile)
    found = {"runs": runs[list(COLUMNS["runs"])].reset_index(drop=True)}
    for table, frame in tables.items():
        if table in PER_UNIT:
            shown = (rank < scale.counts.get("by_unit", UNIT_SEEDS)) & _shown_by_unit(runs, scale)
            if table == "responses":
                shown &= runs["model"].isin(scale.by_class or scale.models[:1])
            frame = frame[frame["run"].isin(runs.loc[shown, "run"])]
        if table != "runs":
            keys = [c for c in ("analysis", "other") if c in frame]  # a run has several derived results
            frame = frame.assign(_place=frame["run"].map(order)).sort_values(["_place", *keys], kind="stable")
            found[table] = in_digits(frame[list(COLUMNS[table])], DIGITS[table])
    return found


def _shown_by_unit(runs: pd.DataFrame, scale: Profile) -> pd.Series:
    """The settings whose units some figure shows: the profile's own training, the plain regulariser, neither label
    noise nor dropout."""
    plain = (runs["layers"] == "all") & (runs["warmup_epochs"] == 0) & (runs["index"] == "si") & (runs["window"] == "")
    plain &= (runs["activation"] == "relu") & (runs["label_corruption"] == 0) & (runs["dropout"] == 0)
    fields = ["model", "schedule", "epochs", "lr", "batch_size"]
    shown = [base for base in scale.base if not scale.by_unit or base.model in scale.by_unit]
    own = {tuple(getattr(base, name) for name in fields) for base in shown}
    return plain & runs[fields].apply(tuple, axis=1).isin(own)


def in_digits(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    """A table whose numbers have so many significant digits."""
    floats = frame.select_dtypes("float").columns
    return frame.assign(**{c: [float(f"{v:.{digits}g}") for v in frame[c]] for c in floats})


def _weights(
    store: RunStore, runs: pd.DataFrame, taken: set[str], replaced: set[str], folder: Path
) -> dict[str, bytes]:
    """The files of weights: those that the ledger has, and of profiles that ask for it those of the store."""
    from safetensors.torch import save

    files = {run: _kept_file(folder, run, digest) for run, digest in _sums(folder).items() if run not in replaced}
    if find_profile(folder.name).keep_weights:
        for run in runs.loc[(runs["status"] == "complete") & runs["run"].isin(taken), "run"]:
            files[run] = save(_in_types(store.weights(run), kept_layout(store.spec(run))))
    sums = "".join(f"{sha256(content)}  {run}.safetensors\n" for run, content in sorted(files.items()))
    found = {f"{WEIGHTS}/{run}.safetensors": content for run, content in files.items()}
    return found | {f"{WEIGHTS}/{SUMS}": sums.encode()} if files else {}


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes these the files of a profile's folder, all of them or none. Where they are already, nothing is touched."""
    there = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if there == files and standing(folder) == folder:
        return
    with staged(folder.parent / STAGE, folder.name) as stage:
        new = make_folder(stage / "new")
        for name, content in files.items():
            write(make_folder((new / name).parent) / Path(name).name, content)
        for made in {(new / name).parent for name in files}:
            flush_folder(made)
        replace_folder(folder, new, stage / "old")


def kept_layout(spec: RunSpec) -> Layout:
    """Shape and type of the weights that a ledger keeps of a run: those of convolutions and linear layers are in bf16.

    Biases and batch norms, a hundredth of the size, stay as they are: rounded variances would cost accuracy.
    """
    import torch

    network = network_layout(spec).items()
    return {name: (shape, torch.bfloat16 if len(shape) > 1 else kind) for name, (shape, kind) in network}


def as_kept(spec: RunSpec, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a run, in the types of its network, rounded as a ledger keeps them."""
    return _in_types(_in_types(weights, kept_layout(spec)), network_layout(spec))


def _in_types(weights: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    return {name: weights[name].to(layout[name][1]).contiguous() for name in sorted(layout)}


def kept_weights(folder: Path, spec: RunSpec) -> dict[str, Tensor] | None:
    """Parameters and buffers of a run at its best epoch, in the types of its network; None where a ledger keeps none.

    Raises:
        StoreError: they are not what their checksum says, or not those of the run's network.
    """
    from safetensors.torch import load

    profile = folder / profile_of(spec)
    digest = _sums(profile).get(spec.id)
    if digest is None:
        return None
    content = _kept_file(profile, spec.id, digest)
    if problems := weight_problems(content, kept_layout(spec)):
        raise StoreError(f"{profile / WEIGHTS / spec.id}.safetensors: {problems[0]}")
    return _in_types(load(content), network_layout(spec))


def kept_networks(folder: Path | None, profiles: Iterable[str]) -> dict[str, str]:
    """Run -> checksum of its weights, of all networks that a ledger keeps of some profiles."""
    return {} if folder is None else {run: d for name in profiles for run, d in _sums(folder / name).items()}


def kept_problems(profile: Path, specs: Mapping[str, RunSpec]) -> list[str]:
    """What is wrong with the weights that a ledger keeps of a profile, whose complete runs have these specs, by id."""
    try:
        found = {run: _kept_file(profile, run, digest) for run, digest in _sums(profile).items()}
    except StoreError as error:
        return [str(error)]
    there = {p.name.removesuffix(".safetensors") for p in (profile / WEIGHTS).glob("*") if not is_litter(p.name)}
    problems = [printable(f"weights: {name!r} is no file of {SUMS}") for name in sorted(there - {*found, SUMS})]
    problems += [f"weights: run {run} is not among the complete runs" for run in sorted(set(found) - set(specs))]
    for run in sorted(set(found) & set(specs)):
        problems += [f"run {run}: {what}" for what in weight_problems(found[run], kept_layout(specs[run]))]
    return problems


def _sums(profile: Path) -> dict[str, str]:
    """Run -> checksum of the weights that a ledger keeps of a profile."""
    found = {}
    for line in (_read_weights(profile, SUMS) or b"").decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        run = name.removesuffix(".safetensors")
        if name == run or not RUN_ID.fullmatch(run):
            raise StoreError(printable(f"{profile / WEIGHTS / SUMS}: {line!r} is no checksum of a run's weights"))
        found[run] = digest
    return found


def _kept_file(profile: Path, run: str, digest: str) -> bytes:
    content = _read_weights(profile, f"{run}.safetensors")
    if content is None or sha256(content) != digest:
        raise StoreError(f"{profile / WEIGHTS / run}.safetensors: missing, or not what {SUMS} says")
    return content


def _read_weights(profile: Path, name: str) -> bytes | None:
    note_read(profile / WEIGHTS / name)
    try:
        return read_in(profile, f"{WEIGHTS}/{name}")
    except (OSError, ValueError) as error:
        raise StoreError(f"{profile / WEIGHTS / name}: cannot be read ({error})") from error
