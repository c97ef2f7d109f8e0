"""The command line, `selectivity COMMAND`. Every error raised on purpose is one line and exit code 2."""

from __future__ import annotations

import io
import os
import sys

from ..errors import INTERRUPTED, SelectivityError
from .arguments import Parser
from .commands import add_commands


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Returns:
        the exit code: 0; 2 where an error was named or something does not verify; 3 where every run diverged; 4 where a
        time budget left runs for later; 130 after Ctrl-C; 141 where nobody reads the output any more.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks α shows \u03b1
    try:
        options = _parser().parse_args(arguments)
        code = options.run(options) or 0
        sys.stdout.flush()
        return code
    except SelectivityError as error:
        message = str(error)
    except BrokenPipeError:  # such as `status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still unwritten goes nowhere
        return 141
    except OSError as error:
        message = f"{error.filename!s:.200}: {error.strerror}" if error.filename else str(error)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    print(f"selectivity: {message}", file=sys.stderr)
    return 2


def _parser() -> Parser:
    parser = Parser(prog="selectivity", description="Class selectivity and single directions, re-run.")
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser
