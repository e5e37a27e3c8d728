"""What a backup takes of a home beside its store and originals: the settings, what was fitted, uploads that wait.

In the backup they lie by sha256, as originals do, so that a backup that was interrupted leaves the one before whole;
the manifest says under which name each belongs.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.blobs import BlobStore, flush_folder, sha256_of, write_durably
from core.clock import now
from core.errors import InvalidSetting
from core.home import FITTED
from core.settings import Settings, load_settings

SETTINGS = "attest.toml"
UPLOADS = "uploads"
OF_THE_STORE = ("blobs", "indexes", "parsing", "runs", "tuning")


def copy_home_files(settings: Settings, store: BlobStore) -> dict[str, str]:
    """Copy them and return the sha256 of each by its path in the home.

    Taken before the store is copied: an upload that is no longer there is in the store by then.
    """
    named = {}
    for entry in _entries(settings):
        files = list(_files(settings.home / entry))
        try:
            copied = {path.relative_to(settings.home).as_posix(): store.put(path) for path in files}
        except FileNotFoundError:
            copied = {}
        if entry.startswith(f"{UPLOADS}/") and not all(path.exists() for path in files):
            continue  # its run ended meanwhile
        named.update(copied)
    return named


def is_home_file(name: object) -> bool:
    """Say whether a manifest may name this: a path inside a home, and none of those that the store rules."""
    if not isinstance(name, str) or not name:
        return False
    path = PurePosixPath(name)
    if path.is_absolute() or any(part.startswith(".") for part in path.parts):
        return False
    return path.parts[0] not in OF_THE_STORE and not path.parts[0].startswith("attest.db")


@dataclass(slots=True)
class Staged:
    """Files of a backup that wait in a home to be put into force."""

    folder: Path
    entries: list[str]

    def put_in_force(self, settings: Settings, *, force: bool) -> list[str]:
        """Move each into its place and return what the operator must know.

        What the home has of its own stays, unless `force`: then it is kept beside, under another name.
        """
        notes = []
        for entry in self.entries:
            fresh, place = self.folder / entry, settings.home / entry
            if entry == SETTINGS and (reason := _unfit(settings, fresh)):
                place = _beside(settings.home / entry, "of-backup")
                notes.append(f"the backup's settings are kept as {place.name}, not in force: {reason}")
            elif place.exists() and _content(place) == _content(fresh):
                continue
            elif place.exists() and (not force or entry.startswith(f"{UPLOADS}/")):
                notes.append(f"{entry} of the home stays; the backup's is another (restore with --force takes that)")
                continue
            elif place.exists():
                kept = _beside(place, "before")
                place.rename(kept)
                notes.append(f"{entry} of the home is kept as {kept.relative_to(settings.home)}")
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh.rename(place)
            flush_folder(place.parent)
        return notes


def stage(named: dict[str, str], store: BlobStore, folder: Path, ended: Collection[str]) -> Staged:
    """Copy a backup's files into a folder of the home; uploads whose runs have ended are left out."""
    entries: dict[str, None] = {}
    for name, sha256 in named.items():
        entry = _entry_of(name)
        if entry.startswith(f"{UPLOADS}/") and entry.removeprefix(f"{UPLOADS}/") in ended:
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(target, store.read(sha256))
        entries[entry] = None
    return Staged(folder, list(entries))


def _entries(settings: Settings) -> Iterator[str]:
    """Yield what is copied, and later put back, as one."""
    yield from (SETTINGS, *FITTED)
    examples = settings.generation.examples
    if examples is not None:
        place = (settings.home / examples.expanduser()).resolve()
        if place.is_relative_to(settings.home) and is_home_file(place.relative_to(settings.home).as_posix()):
            yield place.relative_to(settings.home).as_posix()
    for upload in sorted((settings.home / UPLOADS).glob("[!.]*")):
        yield f"{UPLOADS}/{upload.name}"


def _entry_of(name: str) -> str:
    parts = PurePosixPath(name).parts
    if parts[0] == UPLOADS:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in FITTED else name


def _files(place: Path) -> Iterator[Path]:
    """Yield the files of an entry but for those that are being written."""
    if place.is_file():
        yield place
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts):
            yield path


def _content(place: Path) -> dict[str, str]:
    found = {}
    for path in _files(place):
        with path.open("rb") as stream:
            found[path.relative_to(place).as_posix()] = sha256_of(stream)
    return found


def _unfit(settings: Settings, file: Path) -> str | None:
    """Say why settings may not be put into force: they name another store, which is not the one restored into."""
    try:
        theirs = load_settings(settings.home, file)
    except InvalidSetting as error:
        return str(error)
    if theirs.database_url != settings.database_url:
        return "they name another store (storage.database_url) than the one restored into; take over what you want"
    if theirs.milvus.uri != settings.milvus.uri or theirs.milvus.prefix != settings.milvus.prefix:
        return "they name another Milvus (milvus.uri, milvus.prefix); take over what you want"
    return None


def _beside(place: Path, word: str) -> Path:
    return place.with_name(f"{place.name}.{word}-{now().strftime('%Y%m%dT%H%M%S')}")


def clear(paths: Collection[Path]) -> None:
    """Remove what a restore worked on."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
