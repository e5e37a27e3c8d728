"""`attest ui`: Streamlit in the place of this process."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from app.console import note
from core.errors import MissingExtra
from core.settings import load_settings

cli = typer.Typer(add_completion=False)


@cli.command()
def ui(
    host: Annotated[str | None, typer.Option("--host", help="Default: ui.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Default: ui.port.")] = None,
    api: Annotated[str | None, typer.Option("--api", help="The API's address; default: ui.api_url.")] = None,
) -> None:
    """Serve the web pages."""
    if importlib.util.find_spec("streamlit") is None:
        raise MissingExtra("ui", "streamlit")
    settings = load_settings().ui
    folder = Path(str(files("ui")))
    host, port = host or settings.host, settings.port if port is None else port
    note(f"Pages at http://{host}:{port}")
    environment = {**os.environ, "ATTEST_UI__API_URL": api or settings.api_url}
    command = [
        sys.executable, "-m", "streamlit", "run", str(folder / "main.py"),
        "--server.address", host, "--server.port", str(port),
        "--server.headless", "true", "--browser.gatherUsageStats", "false",
    ]  # fmt: skip
    os.chdir(folder)  # Streamlit reads its settings from the folder it runs in
    os.execvpe(command[0], command, environment)  # in this process's place: a signal to us stops the pages
