"""`attest ui`: Streamlit in the place of this process."""

from __future__ import annotations

import importlib.util
import os
import sys
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import httpx
import typer

from app.console import note
from app.limits import is_loopback
from core.errors import Forbidden, MissingExtra
from core.settings import load_settings
from ui.api_error import ApiError
from ui.client import Client

cli = typer.Typer(add_completion=False)
EVERYWHERE = ("0.0.0.0", "::")


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
    host, port, api = host or settings.host, settings.port if port is None else port, api or settings.api_url
    require_key_of_api(host, api)
    note(f"Pages at http://{host}:{port}")
    environment = {**os.environ, "ATTEST_UI__API_URL": api}
    told = "localhost" if host in EVERYWHERE else host  # else Streamlit asks a host on the internet for its own address
    command = [
        sys.executable, "-m", "streamlit", "run", str(folder / "main.py"),
        "--server.address", host, "--server.port", str(port), "--browser.serverAddress", told,
        "--server.headless", "true", "--browser.gatherUsageStats", "false",
    ]  # fmt: skip
    os.chdir(folder)  # Streamlit reads its settings from the folder it runs in
    os.execvpe(command[0], command, environment)  # in this process's place: a signal to us stops the pages


def require_key_of_api(host: str, api: str) -> None:
    """Refuse to show the pages to other machines where the API takes whoever asks it from here for the operator.

    Raises:
        Forbidden: the host is not this machine's alone, and the API at `api` answers without a key, or cannot be asked
            although it is on this machine.
    """
    here = is_loopback(httpx.URL(api).host)
    if is_loopback(host) or not here:  # an API elsewhere answers nobody without a key
        return
    try:
        with Client(api) as client:
            client.me()
    except ApiError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            return
        why = f"it cannot be asked whether {api} wants a key ({error})"
    else:
        why = f"{api} has no keys: anybody who reaches the pages would be the operator"
    raise Forbidden(f"will not show the pages on {host}: {why}. Start it with a key: attest keys create --operator")
