"""The command line, `selectivity COMMAND`. Every error raised on purpose is one line and exit code 2."""

from __future__ import annotations

import sys

from ..errors import SelectivityError
from . import judging, keeping, making, training
from .arguments import Parser


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Returns:
        the exit code: 0; 2 where an error was named or something does not verify; 3 where every run diverged; 4 where a
        time budget left runs for later.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except SelectivityError as error:
        print(f"selectivity: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("selectivity: interrupted; finished runs are kept, a second call takes up the rest", file=sys.stderr)
        return 130


def _parser() -> Parser:
    parser = Parser(prog="selectivity", description="Class selectivity and single directions, re-run.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (training, keeping, making, judging):
        group.add_commands(commands)
    return parser
