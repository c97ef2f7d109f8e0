"""A store and a ledger under kills, while two commands at a time work on them: nothing is lost, displaced or mixed."""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from sweep_workers import TABLES, Children, same, steady
from test_ledgers import SUMS
from test_moving import forge
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, Tables, ledger, sweep
from selectivity_core.runs.archive import export
from selectivity_core.runs.derived import Task, derive
from selectivity_core.runs.moving import export_runs, import_runs
from selectivity_core.runs.validation import from_csv, to_csv
from selectivity_core.runs.verification import ledger_problems, store_problems

pytestmark = pytest.mark.slow
TAKES = 1.5  # seconds, about what a command takes; any value is right, others kill fewer
KILLS = int(os.environ.get("SELECTIVITY_KILLS", "20"))  # 500 take 20 minutes
SPECS = [*(TINY.replace(seed=s, alpha=a) for s in (0, 1) for a in (-1.0, 0.0, 1.0)), DIVERGING]


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """What no one disturbs: a store of all runs, another training of most, a folder and a tar file, and forged runs."""
    folder = tmp_path_factory.mktemp("calm")
    sweep(SPECS, folder / "all", jobs=1, progress=False)
    sweep(SPECS[1:], folder / "again", jobs=1, progress=False)
    derive([Task(SUMS, (spec,)) for spec in SPECS[1:4]], RunStore(folder / "again"), progress=False)
    for name, specs in (("first", SPECS[:1]), ("folder", SPECS[2:5]), ("packed", SPECS[4:])):
        for spec in specs:
            shutil.copytree(folder / "all" / spec.id, folder / name / spec.id)
    export_runs(RunStore(folder / "packed"), folder / "packed.tar")
    forged = RunStore(folder / "forged")
    import_runs(forged, folder / "all")
    for spec in SPECS:  # from another copy of the data
        row = from_csv(forged.content(spec.id, "runs.csv"), "runs").assign(provenance_digest="f" * 64)
        forge(forged, spec, files={"runs.csv": to_csv(row)}, digest="f" * 64)
    return folder


class Attacked:
    """A store and a ledger, and what was once seen whole in them."""

    def __init__(self, folder: Path, calm: Path) -> None:
        self.store, self.ledger, self.calm = RunStore(folder / "store"), folder / "ledger", calm
        self.manifests, self.rows = {}, {}
        shutil.copytree(calm / "first", self.store.path)
        self.commands = [
            ("sweep",), ("sweep",),
            ("export", "--store", self.store.path, "--to", self.ledger),
            ("export", "--store", calm / "again", "--to", self.ledger),
            ("export", "--store", self.store.path, "--runs", folder / "copy"),
            ("import", calm / "folder", "--store", self.store.path),
            ("import", calm / "packed.tar", "--store", self.store.path),
            ("import", calm / "forged", "--store", self.store.path),
            ("verify", "--store", self.store.path, "--ledger", self.ledger),
        ]  # fmt: skip

    def start(self, children: Children, words: tuple) -> int:
        if words == ("sweep",):
            return children.start(self.store.path, SPECS, every=0)
        if words[0] == "verify":
            self.ledger.mkdir(exist_ok=True)
        return children.command(*words)

    def check(self) -> None:
        """What was there is there as it was, and all that is there is whole."""
        assert store_problems(self.store) == []
        assert not (self.store.path / ".replaced").exists()
        found = {run: (self.store.folder(run) / "manifest.json").read_bytes() for run in self.store.folders()}
        assert found | self.manifests == found
        self.manifests = found
        assert [p for p in ledger_problems(self.ledger) if "an export was killed" not in p] == []
        kept = ledger("digits", folder=self.ledger)
        figures = dict.fromkeys(kept.runs.select_dtypes("number"), float)  # whole ones too, until a run diverged
        rows = {row.run: str(row) for row in kept.runs.astype(figures).itertuples(index=False)}
        assert rows | self.rows == rows
        self.rows = rows
        again = RunStore(self.calm / "again").tables(SPECS[1:]).runs.set_index("run")["started"]
        seconds = RunStore(self.calm / "again").tables(SPECS[1:]).runs.set_index("run")["seconds"]
        theirs = kept.runs[kept.runs["run"].isin(kept.bounds["run"])].set_index("run")
        assert (theirs["started"] == again.reindex(theirs.index)).all()  # worked out of the training whose rows stand
        assert (theirs["seconds"] == seconds.reindex(theirs.index)).all()

    @property
    def full(self) -> bool:
        return len(self.manifests) == len(self.rows) == len(SPECS)

    def finish(self, children: Children) -> None:
        """The next commands make all of it whole, equal to the bit to what nobody disturbed, and clear up."""
        assert children.wait(children.start(self.store.path, SPECS, every=0)) == 0
        export(self.store, self.ledger)
        self.check()
        assert self.full
        calm = sweep(SPECS, self.calm / "all", on_missing="raise")
        same(sweep(SPECS, self.store, on_missing="raise"), calm)
        export(RunStore(self.calm / "all"), self.ledger.with_name("calm"))
        of = [ledger("digits", folder=self.ledger.with_name(name)) for name in ("ledger", "calm")]
        same(*(Tables(**{name: steady(tables, name) for name in TABLES}) for tables in of))
        assert ledger_problems(self.ledger) == []
        assert list((self.store.path / ".stage").iterdir()) == list((self.ledger / ".stage").iterdir()) == []
        assert self.store.unfinished() == []


@pytest.mark.fault("kills at random while two of sweep, export, import and verify run", "kept")
def test_nothing_is_lost_displaced_or_mixed(calm, tmp_path, tiny_digits, record_property):
    children, draw, kills, rounds = Children(), random.Random(KILLS), 0, 0
    try:
        attacked = Attacked(tmp_path / "0", calm)
        while kills < KILLS:
            pair = [attacked.start(children, words) for words in draw.choices(attacked.commands, k=2)]
            time.sleep(draw.uniform(0, TAKES))
            killed = draw.sample(pair, draw.choice((1, 2, 2)))
            for process in killed:
                with contextlib.suppress(ProcessLookupError):  # it was faster
                    os.kill(process, signal.SIGKILL)
            codes = [children.wait(process) for process in pair]
            assert set(codes) <= {0, 2, -signal.SIGKILL}
            kills += codes.count(-signal.SIGKILL)
            attacked.check()
            rounds += 1
            if attacked.full or kills >= KILLS:
                attacked.finish(children)
                attacked = Attacked(tmp_path / str(rounds), calm)
    finally:
        children.close()
    print(f"{kills} kills in {rounds} rounds")
    record_property("tried", kills)
