"""The commands. Each function's docstring is what `selectivity COMMAND --help` says of it."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import MissingRunsError, ParameterError, SelectivityError, StoreError
from ..progress import bar
from ..spec import RunSpec
from .arguments import add_grid, add_places, add_profile, add_store, count, grid_of, overrides, read_yaml, seconds

PAPERS = {"leavitt-morcos": "Leavitt & Morcos", "morcos": "Morcos et al. 2018"}


def add_commands(commands: Any) -> None:
    """Adds all commands, in the order in which the help lists them."""

    def command(run: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        text = inspect.cleandoc(run.__doc__ or "")
        found: argparse.ArgumentParser = commands.add_parser(run.__name__.strip("_"), help=text, description=text)
        found.set_defaults(run=run)
        return found

    train = command(_train)
    add_profile(train)
    train.add_argument("--alpha", type=float, default=0.0, help="regulariser strength (default 0)")
    train.add_argument("--seed", type=int, default=0)
    _add_budget(train)
    _add_yes(train)
    add_places(train)

    sweep = command(_sweep)
    add_grid(sweep)
    how = sweep.add_mutually_exclusive_group()
    how.add_argument("--jobs", type=count, help="processes (default: one a GPU, else one a core)")
    text = "so many runs at once in this process, as captured graphs on one GPU"
    how.add_argument("--side-by-side", type=count, metavar="N", help=text)
    how.add_argument("--scheduler", metavar="ADDRESS", help="train on the workers of a Dask scheduler, tcp://HOST:PORT")
    _add_budget(sweep)
    _add_yes(sweep)
    help = "do not train what the ledger, results/, has (default: train them too)"
    sweep.add_argument("--use-ledger", action="store_true", help=help)
    add_places(sweep)

    plan = command(_plan)
    add_grid(plan)
    plan.add_argument("--papers", action="store_true", help="the papers' full grids instead of a profile's")
    plan.add_argument("--workers", type=count, help="processes side by side (default: as many as a sweep has here)")
    help = "count the runs that the ledger, results/, has as finished, as `sweep --use-ledger` does"
    plan.add_argument("--use-ledger", action="store_true", help=help)
    add_places(plan)

    status = command(_status)
    add_grid(status, default=None)
    add_places(status)

    verify = command(_verify)
    verify.add_argument("--ledger", type=Path, help="another ledger folder (default: results/)")
    verify.add_argument("--retrain", type=count, metavar="N", help="train so many runs of the ledger anew")
    verify.add_argument("--profile", default="digits", help="of which profile (default: digits)")
    verify.add_argument("--draw", type=int, metavar="SEED", help="the draw of runs to repeat (default: a new one)")
    add_places(verify)

    export = command(_export)
    where = export.add_mutually_exclusive_group()
    where.add_argument("--to", type=Path, help="another ledger folder")
    where.add_argument("--runs", type=Path, metavar="FOLDER|FILE.tar", help="copy whole runs there, for `import`")
    help = "let the store's training of a run go before the one that the ledger has, and all that came of that"
    export.add_argument("--replace", action="store_true", help=help)
    add_store(export)

    import_ = command(_import)
    import_.add_argument("source", type=Path, help="folder or tar file that `export --runs` wrote, or any store")
    add_store(import_)

    data = command(_data)
    data.add_argument("action", choices=["get", "check"])
    data.add_argument("name")
    data.add_argument("--data", type=Path, help="folder of data sets")

    figure = command(_figure)
    figure.add_argument("notebook", help="a notebook's name (05_figure_4) or path")
    figure.add_argument("-y", "--parameters", default="", help="YAML, such as 'alphas: [-1, 0, 1]'")
    help = "executed copy (default: in figures/, named by notebook and parameters)"
    figure.add_argument("--out", type=Path, help=help)
    _add_yes(figure)

    claims = command(_claims)
    claims.add_argument("--profile", default="digits", help="named data set and training recipe (default: digits)")
    claims.add_argument("--paper", choices=PAPERS, help="only this paper's")
    claims.add_argument("--figure", help="only those of this figure (fig4, figA1, morcos2, …)")
    claims.add_argument("--verdict", help="only those with this verdict")
    claims.add_argument("--csv", help="write the whole table to this file")


def _add_budget(parser: argparse.ArgumentParser) -> None:
    text = "stop after so long, with checkpoints in place; the same command goes on from there (exit code 4)"
    parser.add_argument("--time-budget", type=seconds, metavar="SECONDS", help=text)


def _add_yes(parser: argparse.ArgumentParser) -> None:
    from ..runs.sweeping import MAX_HOURS

    text = f"begin also what takes more than {MAX_HOURS:g} hours of work, all processes together"
    parser.add_argument("--yes", action="store_true", help=text)


def _store_of(options: argparse.Namespace) -> Any:
    from ..runs.store import RunStore, default_store

    return RunStore(options.store) if options.store else default_store()


def _say(text: str) -> None:
    print(f"selectivity: {text}", file=sys.stderr)


def _train(options: argparse.Namespace) -> int:
    """Train one run and store it."""
    from ..runs.profiles import profile

    changes = overrides(options)
    spec = profile(options.profile, model=options.model, alpha=options.alpha, seed=options.seed, **changes)
    return _run([spec], options, jobs=1)


def _sweep(options: argparse.Namespace) -> int:
    """Train the runs of a grid that the store lacks: one seed of every α at a time."""
    from ..runs.archive import ledger
    from ..runs.cluster import scheduled

    specs = grid_of(options)
    if not options.scheduler:
        how = {"jobs": options.jobs, "side_by_side": options.side_by_side}
        return _run(specs, options, **how, ledger=ledger() if options.use_ledger else None)
    with scheduled(options.scheduler) as executor:
        return _run(specs, options, executor=executor, ledger=ledger() if options.use_ledger else None)


def _run(specs: list[RunSpec], options: argparse.Namespace, **how: Any) -> int:
    """Sweeps and prints the runs; 3 where every one of them diverged, since there is then nothing to look at."""
    from ..runs.sweeping import MAX_HOURS, sweep

    limit = None if options.yes else MAX_HOURS
    store = _store_of(options)
    runs = sweep(specs, store, data=options.data, time_budget=options.time_budget, max_hours=limit, **how).runs
    columns = ["model", "alpha", "seed", "status", "best_epoch", "test_accuracy", "si_units", "si_layers", "seconds"]
    if len(runs):
        print(runs[["run", *columns]].to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    diverged = runs[runs["status"] == "diverged"]
    for row in diverged.itertuples():
        _say(
            f"run {row.run} diverged at epoch {row.diverged_epoch:g}, step {row.diverged_step:g} "
            f"(α = {row.alpha:g}, seed {row.seed}): its loss was not finite; a smaller lr or |alpha| may help"
        )
    if left := len(set(specs)) - len(runs):
        _say(
            f"the time budget of {options.time_budget:g} s is over: {len(runs)} runs are finished, "
            f"{left} are left; what was begun is kept, and the same command goes on from there"
        )
        return 4
    return 3 if len(diverged) == len(runs) > 0 else 0


def _plan(options: argparse.Namespace) -> None:
    """Say what a sweep will take, before anything is trained: runs, hours, disk."""
    from ..runs.archive import ledger
    from ..runs.executing import default_jobs, gpu_count
    from ..runs.planning import papers_grid, plan

    specs, store = papers_grid() if options.papers else grid_of(options), _store_of(options)
    workers = options.workers or default_jobs(specs, gpu_count())
    with bar("reading measured costs", len(store.ids()), "run", leave=False) as shown:
        found = plan(
            specs, store, ledger=ledger(), use_ledger=options.use_ledger, workers=workers, data=options.data,
            tick=shown.update,
        )  # fmt: skip
    print(found)


def _status(options: argparse.Namespace) -> None:
    """Say how it stands with the runs of the store, or with those of a profile's grid."""
    from ..runs.sweeping import data_digests, run_label
    from ..runs.validation import printable
    from ..runs.verification import KINDS, run_status

    store = _store_of(options)
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
    """Check every run of the store against its manifest, and every table of the ledger; with --retrain, train some of
    the ledger's runs anew and say how they agree."""
    from ..runs.archive import ledger_folder, profiles_in
    from ..runs.verification import ledger_problems, store_problems

    store, ledger = _store_of(options), options.ledger
    if ledger is not None and not ledger.is_dir():
        raise StoreError(f"{ledger}: no such folder")
    ledger, runs = ledger or ledger_folder(), store.folders()
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
        _say(problem)
    return 2 if problems else 0


def _retrained(options: argparse.Namespace, folder: Path | None) -> list[str]:
    """Trains some runs of the ledger anew, says how each agrees, and returns those that do not."""
    from secrets import randbelow

    from ..runs.archive import ledger
    from ..runs.profiles import find_profile
    from ..runs.sweeping import run_label
    from ..runs.verification import LIMIT, retrain, sample

    find_profile(options.profile)
    if folder is None:
        raise MissingRunsError('ledger: SELECTIVITY_LEDGER is "none"; there is no run to train again')
    kept, draw = ledger(options.profile, folder=folder), options.draw
    if draw is None:
        draw = randbelow(10**6)
    specs = sample(kept, options.retrain, draw)
    print(f"training {len(specs)} of {len(kept.runs)} runs of {options.profile} anew (--draw {draw})")
    found = retrain(specs, kept, data=options.data)
    print(found.to_string(index=False, float_format="{:.2f}".format, na_rep="no spread"))
    print(f"{found['bit for bit'].sum()} of {len(found)} agree bit for bit, {found['agrees'].sum()} agree")
    wanted = {True: "every bit is expected to agree", False: f"at most {LIMIT:g} standard deviations are allowed"}
    return [
        f"{run_label(spec)}: {row['differs most']} differs; {wanted[row['same machine']]}"
        for spec, row in zip(specs, found.to_dict("records"), strict=True)
        if not row["agrees"]
    ]


def _export(options: argparse.Namespace) -> None:
    """Add the store's finished runs to the ledger, results/, or copy them whole to another store."""
    from ..runs.archive import export
    from ..runs.derived import has_results
    from ..runs.moving import export_runs

    store = _store_of(options)
    # Results may be of networks that the ledger keeps; another store has none.
    if not store.ids() and (options.runs is not None or not has_results(store)):
        print(f"{store.path}: no finished runs to export")
    elif options.runs is not None:
        with bar("copying runs", len(store.ids()), "run", leave=False) as shown:
            copied = export_runs(store, options.runs, shown.update)
        print(f"{options.runs}: {copied} runs")
    else:
        for name, found in export(store, options.to, replace=options.replace).items():
            print(f"{name}: {found.runs} runs" + (f", {len(found.replaced)} replaced" if found.replaced else ""))
            if found.kept:
                _say(
                    f"{name}: the ledger keeps another training of {len(found.kept)} of these runs "
                    f"({found.kept[0]} the first); --replace takes the store's"
                )


def _import(options: argparse.Namespace) -> int:
    """Add the finished runs of another store to this one; what does not verify is refused."""
    from ..runs.moving import import_runs

    store = _store_of(options)
    with bar("importing runs", None, "run", leave=False) as shown:
        moved = import_runs(store, options.source, shown.update)
    print(f"{store.path}: {len(moved.added)} runs added, {len(moved.kept)} were there, {len(moved.refused)} refused")
    for reason in moved.refused:
        _say(f"{options.source}: {reason}")
    return 2 if moved.refused else 0


def _data(options: argparse.Namespace) -> None:
    """Get or check a data set."""
    from ..data import data_root, download, load

    if options.action == "get":
        download(options.name, data_root(options.data))
    found = load(options.name, options.data)
    print(
        f"{found.name}: {len(found.images)} training and {len(found.test_images)} test images in "
        f"{len(found.classes)} classes, {found.source}, digest {found.digest[:16]}"
    )


def _figure(options: argparse.Namespace) -> None:
    """Run one notebook with parameters; writes an executed copy and a page of HTML."""
    from ..book.build.pages import make_figure

    parameters = read_yaml("parameters", options.parameters) or {}
    if not isinstance(parameters, dict):
        raise ParameterError(
            f"parameters: {options.parameters!r:.200} given; YAML such as 'alphas: [-1, 0, 1]' is needed"
        )
    if options.yes:
        os.environ["SELECTIVITY_MAX_HOURS"] = "inf"  # the notebook's process reads it
    executed, page = make_figure(options.notebook, parameters, options.out)
    print(f"{executed}\n{page}")


def _claims(options: argparse.Namespace) -> None:
    """Judge every claim of the papers by a profile's finished runs; nothing is trained."""
    from ..book.evidence import Evidence
    from ..book.papers.claims import all_claims, claims_of
    from ..book.papers.figures import find_figure
    from ..book.verdicts import STATUSES, by_chance, independent, judge, table

    if options.verdict not in (None, *STATUSES):
        raise ParameterError(f"--verdict: {options.verdict!r} given; one of {', '.join(STATUSES)} is allowed")
    chosen = claims_of([find_figure(options.figure).id]) if options.figure else list(all_claims().values())
    chosen = [c for c in chosen if options.paper is None or c.paper == PAPERS[options.paper]]
    evidence, verdicts = Evidence(options.profile, on_missing="skip"), []
    with bar("judging claims", len(chosen), "claim", leave=False) as shown:
        for claim in chosen:
            verdicts += judge(claim, evidence)
            shown.update()
    frame = table(verdicts)
    if options.csv:
        frame.to_csv(options.csv, index=False)
    shown_rows = frame[frame["status"] == options.verdict] if options.verdict else frame
    for row in shown_rows.itertuples():
        print(f"{row.claim}  {row.figure:<9}{row.network:<10}{row.status:<36}{row.statement}")
        if row.paper_says:
            print(f"      the paper: {row.paper_says}")
        if row.contrast:
            numbers = (
                f"{row.estimate:.3g} ({row.low:.3g} to {row.high:.3g}){' points' if row.unit else ''}, n = {row.n:g}"
            )
            print(f"      {numbers}, p {row.p:.2g}, detectable {row.detectable:.2g} ({row.method}; {row.where})")
        if row.why:
            print(f"      {row.why}")
    for counts in (independent(frame), by_chance(frame)):
        print(counts.to_string(index=False, float_format=lambda v: f"{v:.1f}"))
