"""The terminal's edge: one JSON object or plain text on standard output, errors on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from core.errors import AttestError, InvalidInput, InvalidSetting
from core.logging import configure_logging

log = logging.getLogger(__name__)

QUIET = {
    "HF_HUB_OFFLINE": "1",  # nothing is fetched at run time unless a URL was given
    "TRANSFORMERS_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def emit(value: Mapping[str, Any], *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result: the JSON object, or the text made for a reader."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(text().rstrip("\n") + "\n")
    sys.stdout.flush()


def emit_error(kind: str, message: str) -> None:
    """Print the object of a command that failed."""
    emit({"error": {"kind": kind, "message": message}}, as_json=True, text=str)


def note(text: str) -> None:
    """Print a line of progress or advice to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def guarded(command: Callable[[], None], *, verbose: bool = False, as_json: bool = False) -> int:
    """Run a command and return its exit status; an error becomes one line, not a traceback.

    With `as_json` it becomes an object too: whoever reads one from standard output finds one whatever happened.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    configure_logging(verbose)
    try:
        command()
    except SystemExit as stop:
        if as_json and (complaint := getattr(stop.__context__, "format_message", None)):
            emit_error("Usage", complaint())  # Typer has shown it to the person, and left for it
        return _status(stop)
    except AttestError as error:
        _tell(error.kind, str(error), as_json)
        log.debug("%s", error.kind, exc_info=True)
        return _failed(error)
    except BrokenPipeError:
        # The reader (`| head`) has gone: give the interpreter a sink, so that its last flush is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the process's edge: a person gets a line, `--verbose` the traceback
        _tell("Unexpected", _unexpected(error), as_json)
        log.debug("unexpected", exc_info=True)
        return 1
    return 0


def _tell(kind: str, message: str, as_json: bool) -> None:
    note(f"attest: {message}")
    if as_json:
        emit_error(kind, message)


def _failed(error: AttestError) -> int:
    """Return 2 for arguments that cannot be, 1 for what could not be done with them; a wrong setting is no argument."""
    return 2 if isinstance(error, InvalidInput) and not isinstance(error, InvalidSetting) else 1


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}"
    return f"unexpected {type(error).__name__}: {error}. This is a fault of Attest; `attest --verbose …` shows where."


def _status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    note(str(stop.code))
    return 1
