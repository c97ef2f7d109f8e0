"""Commands that train, or say what training takes: train, sweep, plan."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..spec import RunSpec
from .arguments import (
    add_grid,
    add_places,
    add_profile,
    add_yes,
    command,
    count,
    grid_of,
    overrides,
    seconds,
    store_of,
)


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    train = command(commands, "train", _train, "Train one run and store it.")
    add_profile(train)
    train.add_argument("--alpha", type=float, default=0.0, help="regulariser scale (default 0)")
    train.add_argument("--seed", type=int, default=0)
    _add_budget(train)
    add_yes(train)
    add_places(train)

    text = "Train the runs of a grid that the store lacks: one seed of every α at a time."
    sweep = command(commands, "sweep", _sweep, text)
    add_grid(sweep)
    how = sweep.add_mutually_exclusive_group()
    how.add_argument("--jobs", type=count, help="processes (default: one a GPU, else one a core)")
    how.add_argument("--scheduler", metavar="ADDRESS", help="train on the workers of a Dask scheduler, tcp://HOST:PORT")
    _add_budget(sweep)
    add_yes(sweep)
    _add_use_ledger(sweep, "do not train what the ledger, results/, has")
    add_places(sweep)

    text = "Say what a sweep will take, before anything is trained: runs, hours, disk."
    plan = command(commands, "plan", _plan, text)
    add_grid(plan)
    plan.add_argument("--papers", action="store_true", help="the papers' full grids instead of a profile's")
    plan.add_argument("--workers", type=count, help="processes side by side (default: as many as a sweep has here)")
    _add_use_ledger(plan, "count the runs that the ledger, results/, has as finished, as `sweep --use-ledger` does")
    add_places(plan)


def _add_budget(parser: argparse.ArgumentParser) -> None:
    text = "stop after so long, with checkpoints in place; the same command goes on from there (exit code 4)"
    parser.add_argument("--time-budget", type=seconds, metavar="SECONDS", help=text)


def _add_use_ledger(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--use-ledger", action="store_true", help=f"{text} (default: train them too)")


def _train(options: argparse.Namespace) -> int:
    from ..runs.profiles import profile

    changes = overrides(options)
    spec = profile(options.profile, model=options.model, alpha=options.alpha, seed=options.seed, **changes)
    return _run([spec], options, jobs=1)


def _sweep(options: argparse.Namespace) -> int:
    specs = grid_of(options)
    if not options.scheduler:
        return _run(specs, options, jobs=options.jobs, ledger=_ledger(options))
    from ..runs.cluster import scheduled

    with scheduled(options.scheduler) as executor:
        return _run(specs, options, executor=executor, ledger=_ledger(options))


def _ledger(options: argparse.Namespace) -> Any:
    from ..runs.archive import ledger

    return ledger() if options.use_ledger else None


def _run(specs: list[RunSpec], options: argparse.Namespace, **how: Any) -> int:
    """Sweeps and prints the runs; 3 where every one of them diverged, since there is then nothing to look at."""
    from ..runs.sweeping import MAX_HOURS, sweep

    limit = None if options.yes else MAX_HOURS
    runs = sweep(
        specs, store_of(options), data=options.data, time_budget=options.time_budget, max_hours=limit, **how
    ).runs
    columns = ["model", "alpha", "seed", "status", "best_epoch", "test_accuracy", "si_units", "si_layers", "seconds"]
    if len(runs):
        print(runs[["run", *columns]].to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    diverged = runs[runs["status"] == "diverged"]
    for row in diverged.itertuples():
        print(
            f"selectivity: run {row.run} diverged at epoch {row.diverged_epoch:g}, step {row.diverged_step:g} "
            f"(α = {row.alpha:g}, seed {row.seed}): its loss was not finite; a smaller lr or |alpha| may help",
            file=sys.stderr,
        )
    left = len(set(specs)) - len(runs)
    if left:
        print(
            f"selectivity: the time budget of {options.time_budget:g} s is over: {len(runs)} runs are finished, "
            f"{left} are left; what was begun is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return 4
    return 3 if len(diverged) == len(runs) > 0 else 0


def _plan(options: argparse.Namespace) -> None:
    from ..progress import bar
    from ..runs.archive import ledger
    from ..runs.executing import default_jobs, gpu_count
    from ..runs.planning import papers_grid, plan

    specs, store = papers_grid() if options.papers else grid_of(options), store_of(options)
    workers = options.workers or default_jobs(specs, gpu_count())
    with bar("reading measured costs", len(store.ids()), "run", leave=False) as shown:
        found = plan(
            specs, store, ledger=ledger(), use_ledger=options.use_ledger, workers=workers, data=options.data,
            tick=shown.update,
        )  # fmt: skip
    print(found)
