"""One papermill run in a process of its own, in a folder that holds only that run.

papermill cannot run twice in one process, and its log lines, event loop and kernel messages are best kept out
of the caller's. `job` writes an order into the folder, starts this module there and reads what it left.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

ORDER = "order.json"
SOURCE = "source.ipynb"
EXECUTED = "executed.ipynb"
READS = "reads.jsonl"
LOG = "log.txt"
FAILURE = "failure.txt"
STARTS = 3  # of a kernel that ends before it has run anything: another process took one of its ports meanwhile


def _leave_with_caller(folder: Path) -> None:
    """Wait until the caller is gone or closes the pipe, then remove what is half-written and leave."""
    os.read(0, 1)  # not through sys.stdin, whose lock a waiting thread would hold while the interpreter ends
    for name in (ORDER, SOURCE, EXECUTED, READS, LOG, FAILURE):
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    finally:
        os._exit(1)


def _say(kind: str, message: list[str]) -> None:
    Path(FAILURE).write_text(": ".join([kind, *message]), encoding="utf-8")


def main() -> int:
    """Carry out the order in the current folder; where that fails, FAILURE says in one line how."""
    folder = Path.cwd()
    threading.Thread(target=_leave_with_caller, args=(folder,), daemon=True).start()
    order = json.loads(Path(ORDER).read_text(encoding="utf-8"))
    import papermill  # after the thread: it takes a second, in which the caller may go

    for start in range(1, STARTS + 1):
        try:
            # Names without a folder: papermill would take braces in a path for its own placeholders.
            papermill.execute_notebook(
                SOURCE,
                EXECUTED,
                parameters=order["parameters"],
                kernel_name=order["kernel"],
                language="python",
                cwd=order["cwd"],
                execution_timeout=order["timeout"],
                progress_bar=False,
            )
        except papermill.PapermillExecutionError as error:  # raised by a cell
            _say(error.ename, error.evalue.strip().splitlines()[-1:])
            return 1
        except Exception as error:  # a cell that took too long, a kernel that died or never was
            if start < STARTS and "died before replying" in str(error):
                continue
            _say(type(error).__name__, str(error).strip().splitlines()[:1])
            return 1
        break
    return 0


if __name__ == "__main__":
    sys.exit(main())
