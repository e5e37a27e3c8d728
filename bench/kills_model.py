"""What the kill harness expects of a home: its documents in a plain dictionary, led along with the real one."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.manifest import MANIFEST
from bench.victim import contents
from core.errors import AttestError
from core.settings import Settings, load_settings

STEP_FOR = {"purge": "purge", "backup": "backup", "restore": "restore", "snapshot": "index", "reindex": "reindex"}
World = dict[str, tuple[str, int]]
"""File name → (its text, how many times a document of that name was purged before)."""


@dataclass
class Home:
    """A home under attack and what must be in it."""

    folder: Path
    world: World = field(default_factory=dict)
    copy: World | None = None
    purged: dict[str, int] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)
    """File name → every text its document's history may hold: what a purge of a twin must leave alone."""
    forgotten: set[str] = field(default_factory=set)
    """Words that must be in no file any more."""

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return load_settings(self.folder / "home")

    @property
    def stamp(self) -> str:
        """Tells one backup from the next."""
        path = self.folder / "copies" / MANIFEST
        return path.read_text() if path.exists() else ""

    def after_restore(self) -> World:
        """What a restore brings: the backup without what was purged since."""
        return {n: (t, i) for n, (t, i) in (self.copy or {}).items() if i == self.purged.get(n, 0)}


def make_text(draw: random.Random) -> str:
    """Make a few paragraphs of words that occur nowhere else."""
    return "\n\n".join(
        " ".join(f"w{draw.randrange(16**10):010x}" for _ in range(draw.randint(8, 40))) + "."
        for _ in range(draw.randint(1, 5))
    )


def plan(draw: random.Random, home: Home, point: str | None) -> list[list[Any]]:
    """Choose the steps of a life; the one a failpoint lies in comes early."""
    kinds = [
        draw.choice(
            ["ingest", "ingest", "ingest", "delete", "purge", "index", "backup", "restore", "repair", "reindex"]
        )
    ]
    kinds += [draw.choice(["ingest", "delete", "purge", "index", "backup"]) for _ in range(draw.randint(0, 2))]
    if point is not None:
        kinds.insert(draw.randint(0, 1), STEP_FOR.get(point.split(".")[0], "ingest"))
    free = sorted(home.world)
    draw.shuffle(free)
    steps: list[list[Any]] = []
    backed_up = home.copy is not None
    for kind in kinds:
        if kind == "ingest":
            steps.append([kind, write_files(draw, home, free)])
        elif kind in ("delete", "purge") and free:
            steps.append([kind, free.pop()])
        elif kind == "restore" and not backed_up:
            steps += [["backup"], ["restore"]]
        elif kind in ("index", "backup", "repair", "restore", "reindex"):
            steps.append([kind])
        backed_up = backed_up or kind == "backup"
        if kind == "restore":
            free = []  # what a restore leaves is not known while planning
    return steps


def write_files(draw: random.Random, home: Home, free: list[str]) -> list[str]:
    """Change some documents nobody else touches in this life, add others, one of them a copy."""
    names = [free.pop() for _ in range(min(len(free), draw.randint(0, 2)))]
    names += [f"d{draw.randrange(16**6):06x}.txt" for _ in range(draw.randint(1, 2))]
    folder = home.folder / "documents"
    folder.mkdir(exist_ok=True)
    text = make_text(draw)
    for name in names:
        (folder / name).write_text(text, encoding="utf-8")
        if draw.random() < 0.8:
            text = make_text(draw)
    return names


def advance(home: Home, step: list[Any], copied: bool) -> None:
    """Bring the model to what a finished step leaves."""
    kind = step[0]
    if kind == "ingest":
        for name in step[1]:
            text = (home.folder / "documents" / name).read_text(encoding="utf-8")
            home.world[name] = (text, home.purged.get(name, 0))
            home.held.setdefault(name, set()).add(text)
    elif kind == "delete":
        home.world.pop(step[1], None)
    elif kind == "purge":
        _forget(home, step[1])
    elif kind == "backup" and copied:
        home.copy = dict(home.world)
    elif kind == "restore":
        home.world = home.after_restore()


def _forget(home: Home, name: str) -> None:
    home.world.pop(name, None)
    home.purged[name] = home.purged.get(name, 0) + 1
    gone = home.held.pop(name, set())
    for text in gone - set().union(*home.held.values()):
        home.forgotten |= set(re.findall(r"w[0-9a-f]{10}", text))


def settle(home: Home, steps: list[list[Any]], said: list[Any], stamp: str, problems: list[str]) -> None:
    """Compare what is there with what was acknowledged, and go on from what is there."""
    done = sum("done" in line for line in said)
    committed = {line["committed"] for line in said if "committed" in line}
    for step in steps[:done]:
        advance(home, step, copied=True)
    now = _contents(home, problems)
    running = steps[done] if done < len(steps) else ["nothing"]
    if running[0] == "restore" and now == {n: t for n, (t, _) in home.after_restore().items()}:
        home.world = home.after_restore()
    if running[0] == "backup" and home.stamp != stamp:
        home.copy = dict(home.world)
    for name in set(home.world) | set(now):
        before = home.world[name][0] if name in home.world else None
        allowed = {before}
        if running[0] == "ingest" and name in running[1]:
            new = (home.folder / "documents" / name).read_text(encoding="utf-8")
            allowed = {new} if name in committed else {before, new}
        elif running[0] in ("delete", "purge") and name == running[1]:
            allowed = {before, None}
        if now.get(name) not in allowed:
            what = "lost or stale" if name in home.world else "undead"
            problems.append(f"{what}: {name} during {running}, acknowledged {said[-3:]}")
    if running[0] == "purge" and running[1] in home.world and running[1] not in now:
        _forget(home, running[1])
    home.world = {name: (text, home.purged.get(name, 0)) for name, text in now.items()}
    for name, text in now.items():
        home.held.setdefault(name, set()).add(text)


def _contents(home: Home, problems: list[str]) -> dict[str, str]:
    try:
        return contents(home.settings)
    except AttestError as error:
        problems.append(f"the store does not open: {error}")
        return {}
