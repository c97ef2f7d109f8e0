"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ParameterError
from ..spec import RunSpec

LONGEST_COUNT = 18  # digits
LONGEST, DEEPEST = 10_000, 10  # characters of YAML that are read, and lists inside lists


class Parser(argparse.ArgumentParser):
    """Errors are one line, without the usage that argparse prints above them."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        if message == "argument --alphas: expected one argument":
            message += "; write it with an equals sign, --alphas=-1,0,1"
        self.exit(2, f"selectivity: {message} (see {self.prog} --help)\n")


def add_profile(parser: argparse.ArgumentParser, default: str | None = "digits") -> None:
    """Which base spec, with which other values."""
    named = "named data set and training recipe (default: digits)" if default else None
    parser.add_argument("--profile", default=default, help=named)
    parser.add_argument("--model", help="one of the profile's networks")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="another value for a field")


def add_grid(parser: argparse.ArgumentParser, default: str | None = "digits") -> None:
    """Which runs of a profile."""
    add_profile(parser, default)
    parser.add_argument("--figure", help="the runs that this figure needs (fig4, figA1, …)")
    parser.add_argument(
        "--alphas", type=_floats, help="comma-separated; write --alphas=-1,0,1 (default: the profile's)"
    )
    parser.add_argument("--seeds", type=_seeds, help="a count, or comma-separated seeds (one alone: 5,)")
    parser.add_argument("--shard", type=_shard, metavar="I/N", help="only the I-th of N parts, the first being 1/N")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where runs and data lie."""
    add_store(parser)
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SELECTIVITY_DATA, else a cache)")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Where runs lie."""
    parser.add_argument("--store", type=Path, help="folder of runs (default: SELECTIVITY_RUNS, else runs/)")


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or len(text) > LONGEST_COUNT or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r:.60} given; a whole number of at least 1 is needed")
    return int(text)


def seconds(text: str) -> float:
    """Seconds from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} given; seconds from 0 on are needed")
    return value


def _floats(text: str) -> list[float]:
    try:
        return [float(item) for item in text.removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.60} given; comma-separated numbers are needed") from None


def _seeds(text: str) -> int | list[int]:
    items = text.removeprefix("[").removesuffix("]")
    try:
        return [int(item) for item in items.removesuffix(",").split(",")] if {",", "["} & set(text) else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.60} given; a count or comma-separated seeds are needed") from None


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and len(text) < LONGEST_COUNT and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r:.60} given; I/N such as 1/4 is needed, with I from 1 to N")
    return int(part), int(parts)


def read_yaml(name: str, text: str) -> Any:
    """YAML as plain scalars, lists and mappings.

    Numbers are decimal, as in YAML 1.2: 010 is 10, 1e-4 is a number, and 1:30, 0x10 and 2001-01-01 are text. Errors
    begin with `name`.

    Raises:
        ParameterError: text that is no YAML, too long or too deep, or that has tags, anchors or aliases.
    """
    import yaml

    def refused(why: str) -> ParameterError:
        return ParameterError(f"{name}: {text!r:.200} given; {why}")

    if len(text) > LONGEST:
        raise refused(f"at most {LONGEST} characters are read")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            odd = [w for w in ("anchor", "tag") if getattr(event, w, None)]
            if odd or depth > DEEPEST:
                raise ValueError("plain values, lists and mappings are needed, without tags, anchors or aliases")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if node is None else _plain(node)
    except yaml.YAMLError as error:
        raise refused(f"it is not YAML ({str(error).splitlines()[0]})") from None
    except ValueError as error:
        raise refused(str(error)) from None


def _plain(node: Any) -> Any:
    if isinstance(node.value, str):
        return _scalar(node.value) if node.style is None else node.value
    if node.id == "sequence":
        return [_plain(item) for item in node.value]
    found = {str(_plain(key)): _plain(value) for key, value in node.value}
    if len(found) < len(node.value):
        raise ValueError("a name stands there twice")
    return found


def _scalar(text: str) -> Any:
    words = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
    if text in words:
        return words[text]
    if re.fullmatch(r"[-+]?[0-9]+", text):
        if len(text) > 300:
            raise ValueError(f"a number of {len(text)} digits is no value of anything")
        return int(text)
    if re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return float(text.replace(".", "")) if re.fullmatch(r"[-+]?\.(inf|nan)", text, re.IGNORECASE) else text


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Values of `--set`."""
    from ..runs.profiles import check_overrides

    found = {}
    for item in options.set:
        name, equals, value = item.partition("=")
        if not equals:
            raise ParameterError(f"--set: {item!r:.200} given; FIELD=VALUE is needed")
        found[name] = read_yaml(f"--set {name:.60}", value)
    return check_overrides(found)


def grid_of(options: argparse.Namespace) -> list[RunSpec]:
    """The specs that `add_grid`'s options ask for."""
    from ..book.papers.figures import grid
    from ..runs.profiles import expand, find_profile, profile, seed_list

    scale, changes = find_profile(options.profile), overrides(options)
    if options.figure:
        models = [options.model] if options.model else None
        specs = grid(
            options.profile, options.figure, alphas=options.alphas, seeds=options.seeds, models=models, **changes
        )
    else:
        base = profile(options.profile, model=options.model, **changes)
        alphas = options.alphas or scale.alphas
        seeds = seed_list(options.seeds if options.seeds is not None else scale.seeds)
        specs = expand(base, alphas=alphas, seeds=seeds)
        if options.seeds is None:
            specs = list(dict.fromkeys([*specs, *scale.more_seeds(base, alphas)]))
    part, parts = options.shard or (1, 1)
    return specs[part - 1 :: parts]
