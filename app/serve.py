"""`attest serve`: the REST API under uvicorn."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Annotated

import typer

from app.console import note
from app.keys import keys_exist
from app.limits import is_loopback
from core.db.session import Database
from core.errors import Busy, Conflict, Forbidden, StoreUnavailable
from core.home import make_home
from core.settings import Settings, load_settings

log = logging.getLogger(__name__)
cli = typer.Typer(add_completion=False)
BACKLOG = 2048
GRACE_S = 15
"""How long open requests may finish after Ctrl-C or SIGTERM."""
LAST_WORDS_S = 5
"""How long before that an answer that is not finished is ended, so that its caller is told rather than cut off."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Default: server.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Default: server.port; 0 picks.")] = None,
) -> None:
    """Serve the REST API until interrupted."""
    import uvicorn

    from app.server import create_app

    settings = _at(load_settings(), host, port)
    make_home(settings.home)
    require_key_beyond_loopback(settings)
    app = create_app(settings)
    _ = app.state.runtime.rails  # a policy that names no rail ends the start, not the first question
    listener = listen(settings.server.host, settings.server.port)
    try:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S, server_header=False
        )
        bound = listener.getsockname()
        note(f"API at http://{settings.server.host}:{bound[1]} (documentation: /docs)")

        class Server(uvicorn.Server):
            """A server that lets answers finish, and ends those that cannot while their callers still listen."""

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                asyncio.get_running_loop().call_later(GRACE_S - LAST_WORDS_S, app.state.streams.end)
                await super().shutdown(sockets)

        Server(config).run(sockets=[listener])
    finally:
        listener.close()


def require_key_beyond_loopback(settings: Settings) -> None:
    """Refuse to serve other machines while nobody could be known.

    A database that is not there yet stops no start: whoever comes without a key is refused all the same.

    Raises:
        Forbidden: the host is not this machine's alone and no key was ever made.
    """
    if is_loopback(settings.server.host):
        return
    try:
        if _any_key(settings):
            return
    except (Busy, StoreUnavailable) as error:
        log.warning("%s; starting all the same", error)
        return
    raise Forbidden(
        f"will not listen on {settings.server.host} without a key: anybody who reaches it would be the operator. "
        "Make one first: attest keys create --operator"
    )


def _any_key(settings: Settings) -> bool:
    database = Database.open(settings)
    try:
        with database.read() as session:
            return keys_exist(session)
    finally:
        database.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        Conflict: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.listen(BACKLOG)
    return listener


def _at(settings: Settings, host: str | None, port: int | None) -> Settings:
    changed = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=changed)})
