"""The command line, `selectivity COMMAND`. Every error raised on purpose is one line and exit code 2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from .errors import ParameterError, SelectivityError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, 2 where an error was named, 3 where every run diverged."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except SelectivityError as error:
        print(f"selectivity: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("selectivity: interrupted; finished runs are kept, a second call takes up the rest", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage that argparse prints above it."""
        self.exit(2, f"selectivity: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="selectivity", description="Class selectivity and single directions, re-run.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        found.set_defaults(run=run)
        return found

    train = command("train", _train, "Train one run and store it.")
    _add_profile(train)
    train.add_argument("--alpha", type=float, default=0.0, help="regulariser scale (default 0)")
    train.add_argument("--seed", type=int, default=0)
    _add_places(train)

    sweep = command("sweep", _sweep, "Train the runs of a grid that the store lacks: one seed of every α at a time.")
    _add_profile(sweep)
    sweep.add_argument("--figure", help="train what this figure needs (fig4, figA1, …)")
    sweep.add_argument("--alphas", type=_floats, help="comma-separated; write --alphas=-1,0,1 (default: the profile's)")
    sweep.add_argument("--seeds", type=_seeds, help="a count, or comma-separated seeds (one alone: 5,)")
    sweep.add_argument("--jobs", type=_count, help="processes (default: one a core)")
    _add_places(sweep)

    status = command("status", _status, "Say which runs the store holds.")
    _add_places(status)

    export = command("export", _export, "Add the store's finished runs to the ledger, results/.")
    export.add_argument("--to", type=Path, help="another folder")
    _add_places(export)

    data = command("data", _data, "Get or check a data set.")
    data.add_argument("action", choices=["get", "check"])
    data.add_argument("name")
    data.add_argument("--data", type=Path, help="folder of data sets")

    figure = command("figure", _figure, "Run one notebook with parameters; writes an executed copy.")
    figure.add_argument("notebook", help="a notebook's name (04_figure_4) or path")
    figure.add_argument("-y", "--parameters", default="", help="YAML, such as 'alphas: [-1, 0, 1]'")
    figure.add_argument("--out", type=Path, help="executed copy (default: figures/NAME.ipynb)")
    return parser


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="digits")
    parser.add_argument("--model", help="one of the profile's networks")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="another value for a field")


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, help="folder of runs (default: SELECTIVITY_RUNS, else runs/)")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SELECTIVITY_DATA, else a cache)")


def _floats(text: str) -> list[float]:
    try:
        return [float(item) for item in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} given; comma-separated numbers are needed") from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} given; a whole number of at least 1 is needed")
    return int(text)


def _seeds(text: str) -> int | list[int]:
    try:
        return [int(item) for item in text.removesuffix(",").split(",")] if "," in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} given; a count or comma-separated seeds are needed") from None


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    import yaml

    from .study import check_overrides

    found = {}
    for item in options.set:
        name, equals, value = item.partition("=")
        if not equals:
            raise ParameterError(f"--set: {item!r} given; FIELD=VALUE is needed")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ParameterError(f"--set: {item!r} given; the value of {name} is not YAML") from None
    return check_overrides(found)


def _store(options: argparse.Namespace) -> Any:
    from .store import RunStore
    from .study import default_store

    return RunStore(options.store) if options.store else default_store()


def _train(options: argparse.Namespace) -> int:
    from .profiles import profile

    spec = profile(options.profile, model=options.model, alpha=options.alpha, seed=options.seed, **_overrides(options))
    return _report(_run_sweep([spec], options, jobs=1))


def _sweep(options: argparse.Namespace) -> int:
    from .paper.figures import grid
    from .profiles import expand, find_profile, profile, seed_list

    scale, overrides = find_profile(options.profile), _overrides(options)
    if options.figure:
        models = [options.model] if options.model else None
        specs = grid(
            options.profile, options.figure, alphas=options.alphas, seeds=options.seeds, models=models, **overrides
        )
    else:
        base = profile(options.profile, model=options.model, **overrides)
        seeds = seed_list(options.seeds if options.seeds is not None else scale.seeds)
        specs = expand(base, alphas=options.alphas or scale.alphas, seeds=seeds)
    return _report(_run_sweep(specs, options, jobs=options.jobs))


def _run_sweep(specs: list[Any], options: argparse.Namespace, jobs: int | None) -> Any:
    from .sweeping import sweep

    return sweep(specs, _store(options), jobs=jobs, data=options.data)


def _report(tables: Any) -> int:
    """Prints the runs; 3 where every one of them diverged, since there is then nothing to look at."""
    runs = tables.runs
    columns = ["model", "alpha", "seed", "status", "best_epoch", "test_accuracy", "si_units", "si_layers", "seconds"]
    print(runs[["run", *columns]].to_string(index=False, float_format=lambda v: f"{v:.4g}"))
    diverged = runs[runs["status"] == "diverged"]
    for row in diverged.itertuples():
        print(
            f"selectivity: run {row.run} diverged at epoch {row.diverged_epoch:g}, step {row.diverged_step:g} "
            f"(α = {row.alpha:g}, seed {row.seed}): its loss was not finite; a smaller lr or |alpha| may help",
            file=sys.stderr,
        )
    return 3 if len(diverged) == len(runs) else 0


def _status(options: argparse.Namespace) -> None:
    store = _store(options)
    ids = store.ids()
    print(f"{store.path}: {len(ids)} finished runs")
    for run in ids:
        spec = store.spec(run)
        current = "current" if store.holds(spec) else "stale"
        print(f"{run}  {spec.model} on {spec.dataset}, α = {spec.alpha:g}, seed {spec.seed}  {current}")


def _export(options: argparse.Namespace) -> None:
    from .ledgers import export

    store = _store(options)
    counts = export(store, options.to)
    for name, count in counts.items():
        print(f"{name}: {count} runs")
    if not counts:
        print(f"{store.path}: no finished runs to export")


def _data(options: argparse.Namespace) -> None:
    from .data import data_root, load
    from .data.download import download

    if options.action == "get":
        download(options.name, data_root(options.data))
    found = load(options.name, options.data)
    print(
        f"{found.name}: {len(found.images)} and {len(found.test_images)} test images in {len(found.classes)} classes, "
        f"{found.source}, digest {found.digest[:16]}"
    )


def _figure(options: argparse.Namespace) -> None:
    import yaml

    from .publish.runner import execute

    path = Path(options.notebook)
    if not path.suffix:
        path = Path(__file__).resolve().parent.parent / "notebooks" / f"{options.notebook}.ipynb"
    try:
        parameters = yaml.safe_load(options.parameters) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"parameters: not YAML ({str(error).splitlines()[0]}): {options.parameters!r}") from error
    if not isinstance(parameters, dict):
        raise ParameterError(f"parameters: {options.parameters!r} given; YAML such as 'alphas: [-1, 0, 1]' is needed")
    out = options.out or Path("figures") / f"{path.stem}.ipynb"
    done = execute(path, out, parameters)
    print(f"{done.out} in {done.seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
