"""Build the rows of the indirect_injection adapter: passages in which every sentence that gives an order is marked.

    python -m tuning.order_rows --data DATA --samples samples --readmes FOLDER --out rows

Writes `all.jsonl`, and `half0.jsonl` and `half1.jsonl`, which share no document, no attack and no template, so that
an adapter trained on one meets in the other what it cannot know. A row is `{"text", "spans", "group", "kind"}`; spans
are orders. FOLDER holds package folders with `METADATA` (readmes of permissive licences): code and headings that ask.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardrails.indirect_injection import sentences
from guardrails.normalise import plain
from tuning.passages_data import clapnq_passages, distractor_passages, write_rows
from tuning.plain_questions import FIRST, Page, pages_of
from tuning.rail_templates import TEMPLATES, Fields, filled, hash_of, hijack

ORDER = "ORDER"
ORDER_LISTS = ("machine_orders", "machine_orders", "answer_orders", "task_orders", "task_orders", "embedded_orders")
"""Lists are drawn from as often as they stand here."""
SHORT, LONG = 120, 1100
"""Characters of a passage: about as long as a chunk."""
_TAKEN = {"handbook": 1600, "encyclopaedia": 1400, "readme": 1300}
"""Passages at most, of each source."""
_OF_A_README = 30
"""Pieces of one readme at most: some are a list of releases and little else."""
_ABOUT_MODELS = ("openai", "langsmith", "langchain", "anthropic", "pydantic_ai", "litellm")
"""Readmes that quote prompts."""
_FREE = re.compile(r"^License(?:-Expression)?: *(?:MIT|BSD|Apache|Python|ISC|The MIT)", re.MULTILINE | re.IGNORECASE)


@dataclass(slots=True)
class Source:
    """What rows are made of: clean passages by document, BIPIA's rows, and the templates that may be used."""

    passages: list[Fields] = field(default_factory=list)
    attacked: list[Fields] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)
    templates: dict[str, list[str]] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)

    def half(self, number: int) -> Source:
        """Return what one half may see."""
        return Source(
            [row for row in self.passages if half_of(row["group"]) == number],
            [row for row in self.attacked if half_of(row["group"]) == number],
            [text for text in self.attacks if half_of(text) == number],
            {name: [text for text in texts if half_of(text) == number] for name, texts in self.templates.items()},
            [page for page in self.pages if half_of(page.title) == number],
        )


def half_of(text: str) -> int:
    """Return 0 or 1, the same for the same text always."""
    return int(hash_of(text), 16) % 2


def rows_of_source(source: Source, chance: random.Random) -> Iterator[Fields]:
    """Yield every kind of row."""
    clean = [row["text"] for row in source.passages]
    for row in source.passages:
        yield _row(row["text"], (), row["group"], row["kind"])
    yield from _bipia(source, chance)
    for page in source.pages:
        yield from _page_rows(page, chance)
    contexts = [*clean, *(row["context"] for row in source.attacked if not row["injected"])]
    for _ in range(round(len(clean) * 0.9)):
        orders = [order(source, chance) for _ in range(chance.choice((1, 1, 1, 1, 2)))]
        yield planted(chance.choice(contexts), orders, chance, "planted")
    for _ in range(round(len(clean) * 0.6)):
        texts = [
            filled(chance.choice(source.templates["policy_sentences"]), chance)
            for _ in range(chance.choice((1, 1, 2, 3)))
        ]
        made = planted(chance.choice(contexts), texts, chance, "policy")
        if chance.random() < 0.25:  # beside an order, only the order counts
            both = planted(made["text"], [order(source, chance)], chance, "planted")
            yield both
        else:
            yield made | {"spans": [], "told": made["spans"]}
    for _ in range(round(len(clean) * 0.12)):
        texts = [
            filled(chance.choice(source.templates["policy_sentences"]), chance) for _ in range(chance.randint(2, 7))
        ]
        yield _row(chance.choice((" ", "\n", "\n- ")).join(texts), (), f"made-{hash_of(texts[0])}", "policies")
    for _ in range(round(len(clean) * 0.08)):
        text = order(source, chance)
        yield _row(text, ((0, len(text)),), f"made-{hash_of(text)}", "order")


def order(source: Source, chance: random.Random) -> str:
    """Return an order in somebody's words: a template's, or one of BIPIA's attacks."""
    if source.attacks and chance.random() < 0.15:
        return chance.choice(source.attacks)
    name = chance.choice(ORDER_LISTS)
    template = chance.choice(source.templates[name])
    if template == "{Hijack}":
        template = chance.choice(source.templates[chance.choice(("hijack", "hijack", "hijack_abroad"))])
    text = hijack(template, chance)
    if chance.random() < 0.06:
        text = text.lower()
    if chance.random() < 0.04:
        text = text.upper()
    if chance.random() < 0.08:
        text = text.rstrip(".")
    return plain(text).strip()


def planted(text: str, put: Sequence[str], chance: random.Random, kind: str) -> Fields:
    """Return a passage with sentences put between its own, and where they stand."""
    text = passage_of(text, chance)
    spans: list[tuple[int, int]] = []
    for one in put:
        bounds = sentences(text) or [(0, len(text))]
        free = [at for at in (0, len(text), *(start for start, _ in bounds)) if not any(s < at < e for s, e in spans)]
        at = chance.choice((free[0], free[1], chance.choice(free)))
        gap = chance.choice(("\n", " ", " ", "\n\n"))
        head = text[:at].rstrip(" ")
        head = head + gap if head else ""
        moved = len(head) + len(one) + len(gap) - at
        spans = [(s + moved, e + moved) if s >= at else (s, e) for s, e in spans]
        spans.append((len(head), len(head) + len(one)))
        text = head + one + gap + text[at:]
    return _row(text, sorted(spans), f"made-{hash_of(text)}", kind)


def passage_of(text: str, chance: random.Random) -> str:
    """Return some sentences in a row, of a length as chunks have; a quarter of them short."""
    room = chance.choice((250, 500, 800, 800))
    bounds = sentences(text)
    if len(text) <= room or len(bounds) < 2:
        return text[:LONG]
    first = chance.randrange(len(bounds))
    while first and bounds[-1][1] - bounds[first][0] < room:
        first -= 1
    last = first
    while last + 1 < len(bounds) and bounds[last + 1][1] - bounds[first][0] <= room:
        last += 1
    return text[bounds[first][0] : bounds[last][1]].strip()[:LONG]


def _bipia(source: Source, chance: random.Random) -> Iterator[Fields]:
    """Yield BIPIA's contexts as they are, and with other attacks in them."""
    known = set(source.attacks)
    for row in source.attacked:
        if not row["injected"]:
            yield from (_row(part, (), row["group"], "bipia_clean") for part in _parts(row["context"]))
            for _ in range(3):
                yield planted(row["context"], [order(source, chance)], chance, "replanted")
        elif row["attack"] in known:
            at = row["context"].find(row["attack"])
            yield _row(row["context"], ((at, at + len(row["attack"])),), row["group"], "bipia")
            whole = row["context"]
            near = whole[max(0, at - 400) : at + len(row["attack"]) + 400]
            at = near.find(row["attack"])
            yield _row(near, ((at, at + len(row["attack"])),), row["group"], "bipia_near")


def _parts(text: str) -> list[str]:
    return [text[start : start + LONG] for start in range(0, len(text), LONG)][:3]


def _page_rows(page: Page, chance: random.Random) -> Iterator[Fields]:
    """Yield a plain page as rules, as questions with answers, and as a list of what people ask."""
    rules = [str(fact["says"]) for fact in page.facts]
    yield _row(chance.choice((" ", "\n", "\n- ")).join([page.title, *rules]), (), page.title, "page")
    for _ in range(2):
        pairs = [(str(chance.choice(fact["asks"])), str(fact["says"])) for fact in page.facts]
        layout = chance.choice(("{}\n{}", "Q: {}\nA: {}", "## {}\n\n{}", "**{}** {}", "{} {}"))
        some = chance.sample(pairs, min(len(pairs), chance.choice((2, 3, 4))))
        yield _row("\n\n".join(layout.format(*pair) for pair in some), (), page.title, "faq")
    asked = [*page.tempting, *(str(ask) for fact in page.facts for ask in fact["asks"])]
    text = chance.choice(("\n", "\n- ", " ")).join(chance.sample(asked, min(len(asked), 4)))
    yield _row(f"{page.title}\n{text}", (), page.title, "asked")


def _row(text: str, spans: Sequence[tuple[int, int]], group: str, kind: str) -> Fields:
    return {"text": text, "spans": [[s, e, ORDER] for s, e in spans], "group": group, "kind": kind}


def read_source(data: Path, samples: Path, readmes: Path, chance: random.Random) -> Source:
    """Read the clean passages and the attacks, and find the templates."""
    articles = [
        {"text": item.text, "group": item.group, "kind": "encyclopaedia"} for item in distractor_passages(data, 3)
    ]
    articles += [
        {"text": item.text, "group": name, "kind": "encyclopaedia"} for name, item in clapnq_passages(data).items()
    ]
    pools = {"handbook": _handbook(samples), "encyclopaedia": articles, "readme": _readmes(readmes)}
    kept: list[Fields] = []
    for name, pool in pools.items():
        fit = [row for row in pool if len(row["text"]) >= SHORT]
        kept += chance.sample(fit, min(len(fit), _TAKEN[name]))
    passages = [row | {"text": plain(row["text"][:LONG])} for row in kept]
    lines = (data / "guardrails/indirect_injection.dev.jsonl").read_text(encoding="utf-8").split("\n")
    attacked = [json.loads(line) for line in lines if line.strip()]
    attacked = [row | {"context": plain(row["context"]), "attack": plain(row.get("attack") or "")} for row in attacked]
    names = {*ORDER_LISTS, "policy_sentences", "hijack", "hijack_abroad"}
    lists = {name: list(TEMPLATES[name]) for name in sorted(names)}
    return Source(
        passages, attacked, sorted({row["attack"] for row in attacked if row["attack"]}), lists, pages_of(FIRST)
    )


def _handbook(samples: Path) -> list[Fields]:
    """Return the sections of the sample handbook, and short neighbours joined as chunks join them."""
    rows = []
    for file in sorted(samples.rglob("*.md")):
        kept = ""
        for part in re.split(r"\n(?=#+ )", file.read_text(encoding="utf-8")):
            kept = f"{kept}\n\n{part.strip()}".strip()
            if len(kept) >= 400:
                rows.append({"text": kept, "group": str(file.relative_to(samples)), "kind": "handbook"})
                kept = ""
        if kept:
            rows.append({"text": kept, "group": str(file.relative_to(samples)), "kind": "handbook"})
    return rows


def _readmes(folder: Path) -> list[Fields]:
    """Return pieces of the readmes of installed packages under permissive licences."""
    rows = []
    for file in sorted(folder.glob("*/METADATA")):
        name, text = file.parent.name.partition("-")[0], file.read_text(encoding="utf-8", errors="replace")
        if _FREE.search(text) and not name.lower().startswith(_ABOUT_MODELS):
            body = text.partition("\n\n")[2]
            lines: list[str] = []
            pieces: list[str] = []
            for line in body.split("\n"):
                lines.append(line)
                if sum(map(len, lines)) > 600:
                    pieces.append("\n".join(lines).strip())
                    lines = []
            rows += [{"text": piece, "group": name, "kind": "readme"} for piece in pieces[:_OF_A_README]]
    return rows


def main() -> None:
    """Write all rows, and the two halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "samples", "readmes", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    source = read_source(given.data, given.samples, given.readmes, random.Random(given.seed))
    parts = {"all": source, "half0": source.half(0), "half1": source.half(1)}
    counts: dict[str, Any] = {}
    for name, part in parts.items():
        counts[name] = write_rows(given.out / f"{name}.jsonl", rows_of_source(part, random.Random(given.seed)))
    print(json.dumps(counts))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
