"""Commands on what is kept: status, verify, export, import."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ..errors import SelectivityError, StoreError
from .arguments import add_grid, add_places, add_store, command, count, grid_of, store_of


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    text = "Say how it stands with the runs of the store, or with those of a profile's grid."
    status = command(commands, "status", _status, text)
    add_grid(status, default=None)
    add_places(status)

    text = (
        "Check every run of the store against its manifest, and every table of the ledger; with --retrain, train some "
        "of the ledger's runs anew and say how they agree."
    )
    verify = command(commands, "verify", _verify, text)
    _add_ledger(verify)
    verify.add_argument("--retrain", type=count, metavar="N", help="train so many runs of the ledger anew")
    verify.add_argument("--profile", default="digits", help="of which profile (default: digits)")
    verify.add_argument("--draw", type=int, metavar="SEED", help="the draw of runs to repeat (default: a new one)")
    add_places(verify)

    text = "Add the store's finished runs to the ledger, results/, or copy them whole to another store."
    export = command(commands, "export", _export, text)
    where = export.add_mutually_exclusive_group()
    where.add_argument("--to", type=Path, help="another ledger folder")
    where.add_argument("--runs", type=Path, metavar="FOLDER|FILE.tar", help="copy whole runs there, for `import`")
    help = "let the store's training of a run go before the one that the ledger has, and all that came of that"
    export.add_argument("--replace", action="store_true", help=help)
    add_store(export)

    text = "Add the finished runs of another store to this one; what does not verify is refused."
    imported = command(commands, "import", _import, text)
    imported.add_argument("source", type=Path, help="folder or tar file that `export --runs` wrote, or any store")
    add_store(imported)


def _add_ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ledger", type=Path, help="another ledger folder (default: results/)")


def _ledger_of(options: argparse.Namespace) -> Path | None:
    from ..runs.archive import ledger_folder

    if options.ledger is not None and not options.ledger.is_dir():
        raise StoreError(f"{options.ledger}: no such folder")
    return options.ledger or ledger_folder()


def _status(options: argparse.Namespace) -> None:
    from ..progress import bar
    from ..runs.status import KINDS, run_status
    from ..runs.sweeping import data_digests, run_label
    from ..runs.validation import printable

    store = store_of(options)
    if options.profile is None and (options.figure or options.model or options.set or options.shard):
        raise SelectivityError("status: --figure, --model, --set and --shard need --profile")
    runs: list[Any] = grid_of(options) if options.profile else sorted({*store.folders(), *store.unfinished()})
    named = {run: run if options.profile else _spec(store, run) for run in runs}
    digests = data_digests([spec for spec in named.values() if spec is not None], options.data)
    found = {}
    with bar("checking runs", len(runs), "run", leave=False) as shown:
        for run, spec in named.items():
            found[run] = run_status(store, run, digests.get(spec.dataset) if spec is not None else None)
            shown.update()
    counts = Counter(status.kind for status in found.values())
    print(f"{store.path}: {len(runs)} runs" + "".join(f", {counts[k]} {k}" for k in KINDS if counts[k]))
    for run, status in found.items():
        details = [f"at step {status.step} of epoch {status.epoch}"] if status.epoch else []
        details += ["in training now"] * status.in_training + [status.problem] * bool(status.problem)
        name = run_label(named[run]) if named[run] is not None else run
        print(printable(f"{name}: {status.kind}" + (f" ({', '.join(details)})" if details else "")))


def _spec(store: Any, run: str) -> Any:
    """The spec of a finished run; None where it has none that can be read."""
    try:
        return store.spec(run)
    except SelectivityError:
        return None


def _verify(options: argparse.Namespace) -> int:
    from ..progress import bar
    from ..runs.archive import profiles_in
    from ..runs.verification import ledger_problems, store_problems

    store, ledger = store_of(options), _ledger_of(options)
    runs = store.folders()
    with bar("checking runs", len(runs), "run", leave=False) as shown:
        problems = store_problems(store, shown.update)
    print(f"{store.path}: {len(runs)} runs, {len(problems)} problems")
    if ledger is not None:
        found = ledger_problems(ledger)
        print(f"{ledger}: {len(profiles_in(ledger))} profiles, {len(found)} problems")
        problems += found
    if options.retrain is not None:
        problems += _retrained(options, ledger)
    for problem in problems:
        print(f"selectivity: {problem}", file=sys.stderr)
    return 2 if problems else 0


def _retrained(options: argparse.Namespace, folder: Path | None) -> list[str]:
    """Trains some runs of the ledger anew, says how each agrees, and returns those that do not."""
    from secrets import randbelow

    from ..errors import MissingRunsError
    from ..runs.archive import ledger
    from ..runs.profiles import find_profile
    from ..runs.sweeping import run_label
    from ..runs.verification import LIMIT, agreement_table, retrain, sample

    find_profile(options.profile)
    if folder is None:
        raise MissingRunsError('ledger: SELECTIVITY_LEDGER is "none"; there is no run to train again')
    kept, draw = ledger(options.profile, folder=folder), options.draw
    if draw is None:
        draw = randbelow(10**6)
    specs = sample(kept, options.retrain, draw)
    print(f"training {len(specs)} of {len(kept.runs)} runs of {options.profile} anew (--draw {draw})")
    found = retrain(specs, kept, data=options.data)
    print(agreement_table(found).to_string(index=False, float_format="{:.2f}".format, na_rep="no spread"))
    print(f"{sum(a.same for a in found)} of {len(found)} agree bit for bit, {sum(a.agrees for a in found)} agree")
    wanted = {True: "every bit is expected to agree", False: f"at most {LIMIT:g} standard deviations are allowed"}
    return [f"{run_label(a.spec)}: {a.measure} differs; {wanted[a.expected]}" for a in found if not a.agrees]


def _export(options: argparse.Namespace) -> None:
    from ..progress import bar
    from ..runs.archive import export
    from ..runs.moving import export_runs

    store = store_of(options)
    if not store.ids():
        print(f"{store.path}: no finished runs to export")
    elif options.runs is not None:
        with bar("copying runs", len(store.ids()), "run", leave=False) as shown:
            copied = export_runs(store, options.runs, shown.update)
        print(f"{options.runs}: {copied} runs")
    else:
        for name, found in export(store, options.to, replace=options.replace).items():
            print(f"{name}: {found.runs} runs" + (f", {len(found.replaced)} replaced" if found.replaced else ""))
            if found.kept:
                print(
                    f"selectivity: {name}: the ledger keeps another training of {len(found.kept)} of these runs "
                    f"({found.kept[0]} the first); --replace takes the store's",
                    file=sys.stderr,
                )


def _import(options: argparse.Namespace) -> int:
    from ..progress import bar
    from ..runs.moving import import_runs

    store = store_of(options)
    with bar("importing runs", None, "run", leave=False) as shown:
        moved = import_runs(store, options.source, shown.update)
    print(f"{store.path}: {len(moved.added)} runs added, {len(moved.kept)} were there, {len(moved.refused)} refused")
    for reason in moved.refused:
        print(f"selectivity: {options.source}: {reason}", file=sys.stderr)
    return 2 if moved.refused else 0
