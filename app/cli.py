"""The root of the command line: a table of commands whose modules are imported only when they run."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import NamedTuple


class Command(NamedTuple):
    """Where a command lives, whether its module holds several, and its line in the help."""

    module: str
    shared: bool
    help: str


COMMANDS: dict[str, dict[str, Command]] = {
    "Knowledge": {
        "ingest": Command("ingest.cli", False, "Read files and folders into the knowledge base"),
        "documents": Command("ingest.documents_cli", True, "List, show, delete and purge documents"),
        "runs": Command("ingest.documents_cli", True, "Show runs of ingestion"),
        "quarantine": Command("ingest.documents_cli", True, "Review documents held back at ingestion"),
        "reindex": Command("ingest.reindex_cli", False, "Build a new index generation beside the live one"),
    },
    "Questions": {
        "ask": Command("app.ask_cli", False, "Answer a question, every sentence with its source"),
        "search": Command("app.search_cli", True, "Find passages"),
        "explain": Command("app.search_cli", True, "Say where a document was lost for a question"),
        "summarize": Command("app.summarize_cli", False, "Summarise a document or a collection, with citations"),
    },
    "Services": {
        "serve": Command("app.serve", False, "Serve the REST API"),
        "ui": Command("app.ui_cli", False, "Serve the web pages"),
    },
    "Record": {
        "audit": Command("app.audit_cli", False, "Verify or list the record of answers"),
        "replay": Command("app.replay_cli", False, "Run a recorded answer again and show what differs"),
        "gaps": Command("app.gaps_cli", False, "Group the questions the documents could not answer"),
    },
    "Operation": {
        "doctor": Command("app.operations_cli", True, "Check every store, and mend it with --repair"),
        "backup": Command("app.operations_cli", True, "Copy the knowledge base to a folder"),
        "restore": Command("app.operations_cli", True, "Bring back a backup"),
        "keys": Command("app.operations_cli", True, "Create, list and revoke API keys"),
        "access": Command("app.operations_cli", True, "Say who may read what"),
        "groups": Command("app.operations_cli", True, "Say who belongs to which group"),
    },
    "Quality": {
        "eval": Command("evals.cli", False, "Measure retrieval, answers, conversations, rails and parsing"),
        "tune": Command("evals.tune_cli", False, "Train rails and prompts, search over settings"),
        "plan": Command("tuning.model_cli", True, "Estimate the GPUs that a model and its users need"),
        "rails": Command("guardrails.cli", False, "Show and test the guardrails"),
        "calibrate": Command("evals.calibrate_cli", False, "Fit when to answer on your own questions"),
    },
}


class Usage(Exception):
    """The command line is wrong; the message says how."""


@dataclass
class Invocation:
    """What the options before the command say."""

    command: str | None
    rest: list[str]
    config: str | None = None
    verbose: bool = False
    version: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        call = _read(arguments)
        if call.version:
            return _show_version()
        if call.command is None:
            sys.stdout.write(help_text())
            return 0 if arguments else 2
        return _dispatch(call, find(call.command))
    except Usage as error:
        sys.stderr.write(f"attest: {error}\nTry: attest --help\n")
        if "--json" in arguments:
            from app.console import emit_error

            emit_error("Usage", str(error))
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130


def find(name: str) -> Command:
    """Return the command of a name.

    Raises:
        Usage: there is none.
    """
    for group in COMMANDS.values():
        if name in group:
            return group[name]
    raise Usage(f"no command {name!r}")


def help_text() -> str:
    """Return what `attest --help` prints."""
    lines = [
        "Usage: attest [--config FILE] [--verbose] COMMAND …",
        "",
        "Answers from your own documents, every sentence traceable to the passage that supports it.",
    ]
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:", *(f"  {name:<11}{command.help}" for name, command in group.items())]
    lines += [
        "",
        "Options:",
        "  --config FILE  Read settings from FILE (default: attest.toml in ATTEST_HOME)",
        "  --verbose      Log more, to standard error",
        "  --version      Show the version",
        "  --help         Show this text; `attest COMMAND --help` shows a command's own",
        "",
    ]
    return "\n".join(lines)


def _read(arguments: list[str]) -> Invocation:
    """Read the options before the command; what follows it is the command's own."""
    call = Invocation(None, [])
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in ("-h", "--help"):
            return Invocation(None, [])
        if word in ("-V", "--version"):
            return Invocation(None, [], version=True)
        if word in ("-v", "--verbose"):
            call.verbose = True
        elif word == "--config" and left:
            call.config = left.pop(0)
        elif word.startswith("--config="):
            call.config = word.partition("=")[2]
        elif word.startswith("-"):
            raise Usage("--config needs a file" if word == "--config" else f"no option {word}")
        else:
            call.command, call.rest = word, left
            return call
    return call


def _dispatch(call: Invocation, command: Command) -> int:
    """Import the command's module and run it inside the error edge."""
    from app.console import guarded  # imported late: the help needs none of it
    from core.home import private_files
    from core.settings import default_home

    if call.config is not None:
        if not os.path.isfile(call.config):
            raise Usage(f"no settings file at {call.config}")
        os.environ["ATTEST_CONFIG"] = call.config
    name = str(call.command)
    arguments = [name, *call.rest] if command.shared else call.rest
    program = "attest" if command.shared else f"attest {name}"

    def invoke() -> None:
        # What those of quality write beside the home, a model to be served, is for others too.
        with nullcontext() if name in COMMANDS["Quality"] else private_files(default_home()):
            importlib.import_module(command.module).cli(args=arguments, prog_name=program)

    with nullcontext() if name in COMMANDS["Services"] else _ended_by_sigterm():  # those end in ways of their own
        return guarded(invoke, verbose=call.verbose, as_json="--json" in call.rest)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Unwind on SIGTERM as on Ctrl-C: a command that is told to stop leaves no documents in temporary folders."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # Python lets no other set a handler
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"attest {version('attest')}\n")
    return 0


if __name__ == "__main__":
    main()
