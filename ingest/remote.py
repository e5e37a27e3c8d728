"""Sources brought into a folder first: web addresses, object stores through fsspec (S3 and so on), file URLs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import AttestError, Forbidden, InvalidInput, MissingExtra, SourceUnavailable, TooLarge
from core.settings import IngestSettings
from ingest.addresses import without_secrets
from ingest.names import why_no_member
from ingest.patience import patiently
from ingest.walk import OWN_DATA, LeftOut, Source, spelt_out, why_no_file

_STORES = {
    *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss"),
    *("file", "local", "memory"),
}
"""What is read through fsspec: stores that their own settings say where to find, and this machine. Its other drivers
connect to whatever host a URL names, inside our network too, or open one thing through another."""


def is_remote(source: Path | str | Source) -> bool:
    """Tell whether a source names a place by URL."""
    return isinstance(source, str) and "://" in source


def is_web(source: Path | str | Source) -> bool:
    """Tell whether a source names a page or a sitemap by its address."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Missed:
    """A page or object that was named and could not be had."""

    source: Source
    error: AttestError


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder of an object store, all of whose objects were listed."""

    prefix: str
    """How the sources of what lies in it begin."""
    lacks: Callable[[str], bool]
    """Whether an object is surely no longer there, by its source."""


def bring(
    urls: Sequence[str], folder: Path, settings: IngestSettings, home: Path | None = None
) -> Iterator[Source | Missed | LeftOut | Listed]:
    """Yield a file for every page or object that some URLs name; the URL, without its secrets, stays its source.

    Of what lies below a URL the same is left out as of a folder, the `home` too. A folder that was listed comes last.

    Raises:
        Forbidden: the settings do not allow addresses.
    """
    if urls and not settings.allow_urls:
        raise Forbidden("reading from addresses is off; set ingest.allow_urls = true to allow it")
    for url in urls:
        try:
            if is_web(url):
                yield from _pages(url, folder, settings)
            else:
                yield from _objects(url, folder, settings, home)
        except MissingExtra:
            raise
        except AttestError as error:
            yield _missed(url, error)


def _missed(url: str, error: AttestError) -> Missed:
    source = without_secrets(url)
    error.args = tuple(
        without_secrets(str(one)) for one in error.args
    )  # the message may hold the URL, or one it led to
    return Missed(Source(source, Path(), source.rstrip("/").rpartition("/")[2]), error)


def _pages(url: str, folder: Path, settings: IngestSettings) -> Iterator[Source | Missed | LeftOut]:
    from ingest.fetch import Fetcher, Page

    for found in Fetcher(folder, settings.max_file_mb).pages(url):
        if isinstance(found, Page):
            yield Source(without_secrets(found.url), found.path, found.name)
        elif isinstance(found, LeftOut):
            yield LeftOut(without_secrets(found.source), found.reason)
        else:
            yield _missed(*found)


def _objects(
    url: str, folder: Path, settings: IngestSettings, home: Path | None
) -> Iterator[Source | Missed | LeftOut | Listed]:
    system, root, found = _listed(url)
    if not found:
        raise SourceUnavailable(f"{url} holds nothing, or is not there")
    for number, (name, info) in enumerate(sorted(found.items())):
        path, full = folder / f"object-{number:06d}", _source(system, name)
        reason = why_no_member(name.removeprefix(root)) or _why_not_here(system, name, root, home)
        if reason is not None:
            yield LeftOut(full, reason)
            continue
        try:
            if (info.get("size") or 0) > settings.max_file_mb * 2**20:
                raise TooLarge(f"the object is larger than {settings.max_file_mb} MB (ingest.max_file_mb)")
            patiently(partial(_get, system, name, path))
            yield Source(full, path, full.rpartition("/")[2])
        except AttestError as error:
            yield _missed(full, error)
    if root not in found:
        present = frozenset(_source(system, name) for name in found)
        yield Listed(_source(system, root).rstrip("/") + "/", partial(_lacks, system, present))


def _source(system: Any, name: str) -> str:
    """Return what an object is known by."""
    return without_secrets(spelt_out(str(system.unstrip_protocol(name))))


def _lacks(system: Any, present: Collection[str], source: str) -> bool:
    """Tell whether an object is surely gone: a listing may leave out in silence what could not be looked at."""
    if source in present:
        return False
    try:
        system.info(system._strip_protocol(source))
    except FileNotFoundError:
        return True
    except Exception:  # noqa: BLE001  each driver has errors of its own, and none of them says that it is gone
        return False
    return False


def _listed(url: str) -> tuple[Any, str, dict[str, Any]]:
    """Return the file system of a URL, the path it names there, and what lies at or below it by path.

    Raises:
        InvalidInput: it is a chain of addresses, or of a kind that is not read.
        SourceUnavailable: it cannot be listed.
    """
    scheme = url.partition("://")[0].lower()
    if "::" in url:  # fsspec would lead a chain past our checks
        raise InvalidInput(f"{url} is a chain of addresses; name the last one alone")
    if scheme not in _STORES:
        raise InvalidInput(f"{scheme}:// is not read; name a web address, an object store (s3, gs, az, …) or a path")
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(url)
        found = {root: system.info(root)} if system.isfile(root) else system.find(root, detail=True)
    except ImportError as error:
        raise MissingExtra(None, _package(error)) from error
    except Exception as error:  # each driver has errors of its own, of signing in for one
        raise SourceUnavailable(f"{url} cannot be read: {error}") from error
    return system, str(root), found


def _package(error: ImportError) -> str:
    """Return the package that was not found: fsspec says in words which driver it lacks, its cause names it."""
    named = getattr(error.__cause__, "name", None) or error.name or "fsspec"
    return str(named).partition(".")[0]


def _why_not_here(system: Any, name: str, root: str, home: Path | None) -> str | None:
    """Return why a file of this machine is not read, by the rules of a folder that is named without a URL."""
    if "file" not in system.protocol:
        return None
    if home is not None and Path(name).resolve().is_relative_to(home.resolve()):
        return OWN_DATA
    return why_no_file(Path(name), Path(root).resolve())


def _get(system: Any, name: str, path: Path) -> None:
    try:
        system.get_file(name, str(path))
    except Exception as error:  # as in listing
        raise SourceUnavailable(f"the object cannot be read: {error}") from error
