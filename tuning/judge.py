"""Answer held-out rows with one way of using a model and judge the answers: words, marker, refusal, time.

    python -m tuning.judge --model MODEL --data DATA/test.jsonl --out FILE.json [--virtual RUN/best]
        [--adapter RUN/best] [--shots 3] [--prompt brief]

Replies are decoded greedily in batches. A reply is judged as written, before the verification that serving adds.
"""

from __future__ import annotations

import argparse
import json
import re
import string
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.types import PromptName
from generation.prompts import NOT_FOUND
from generation.stops import stop_ids
from generation.tasks import TASK_FILE
from models.causal import load_causal
from tuning.ptune_rows import messages_of, read_rows

NEW_TOKENS = 40
MARKER = re.compile(r"\[(\d+)\]")
_DROPPED = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of answering: the prompt, the worked examples in it, and what was trained."""

    name: str
    prompt: PromptName = "brief"
    shots: int = 0
    virtual: str | None = None
    adapter: str | None = None
    refusal_bias: float | None = None
    """Added to the logit of refusing at the first token; `None` leaves the model alone and weighs nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply and how it did; what does not apply to a row is `None`."""

    id: str
    kind: str
    reply: str
    refused: bool
    token_f1: float | None
    marker: bool | None
    margin: float | None = None
    """By how much the logit of refusing was above that of the best other first token."""
    otherwise: str | None = None
    """What is answered where it is not refused."""


def judge(row: dict[str, Any], reply: str, margin: float | None = None, otherwise: str | None = None) -> Judged:
    """Judge a reply: words of the answer for rows that have one, the marker where such a row was answered."""
    refused = NOT_FOUND in reply or not reply.strip()
    kind = row.get("kind") or ("answerable" if row["answerable"] else "unanswerable")
    if not row["answerable"]:
        return Judged(row["id"], kind, reply, refused, None, None, margin, otherwise)
    score = 0.0 if refused else max(token_f1(MARKER.sub(" ", reply), answer) for answer in row["answers"])
    right = None if refused else {int(number) for number in MARKER.findall(reply)} == {row["marker"]}
    return Judged(row["id"], kind, reply, refused, score, right, margin, otherwise)


def judge_weighed(row: dict[str, Any], margin: float, otherwise: str, bias: float) -> Judged:
    """Judge the reply that a bias decides on: the refusal or the answer."""
    return judge(row, NOT_FOUND if margin + bias > 0 else otherwise, margin, otherwise)


def token_f1(reply: str, answer: str) -> float:
    """Return the harmonic mean of precision and recall over words, articles and punctuation left out."""
    made, wanted = Counter(_words(reply)), Counter(_words(answer))
    shared = sum((made & wanted).values())
    if not shared:
        return float(made == wanted)
    return 2 * shared / (sum(made.values()) + sum(wanted.values()))


def _words(text: str) -> list[str]:
    kept = "".join(" " if letter in string.punctuation else letter for letter in text.lower())
    return _DROPPED.sub(" ", kept).split()


def summarize(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    """Return the figures of a variant; the balanced refusal accuracy is the mean of right refusals and answers."""
    able = [item for item in judged if item.token_f1 is not None]
    rest = [item for item in judged if item.token_f1 is None]
    kinds = {item.kind for item in rest}
    answered = _mean([float(not item.refused) for item in able])
    refused = _mean([float(item.refused) for item in rest])
    return {
        "rows": len(judged),
        "token_f1": _mean([item.token_f1 for item in able if item.token_f1 is not None]),
        "marker": _mean([float(item.marker) for item in able if item.marker is not None]),
        "answered": answered,
        "refused": refused,
        "balanced_refusal": None if answered is None or refused is None else (answered + refused) / 2,
    } | {
        f"refused_{kind}": _mean([float(item.refused) for item in rest if item.kind == kind]) for kind in sorted(kinds)
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


class Answerer:
    """A model with what a variant adds to it, ready to reply to rows."""

    def __init__(self, model_path: Path, variant: Variant) -> None:
        import torch

        self.variant = variant
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer, model = load_causal(model_path)
        self.trained, self.virtual = 0, None
        if variant.adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, variant.adapter).merge_and_unload()
            self.trained = _trained(Path(variant.adapter), "adapter_model.safetensors")
        self.model = model.to(self.device, torch.bfloat16 if self.device == "cuda" else torch.float32).eval()
        if variant.virtual:
            from safetensors.torch import load_file

            file = Path(variant.virtual) / "virtual_tokens.safetensors"
            self.virtual = load_file(file)["virtual_tokens"].to(self.device, self.model.dtype)
            self.trained = _trained(Path(variant.virtual), file.name)

    def prompt_of(self, row: dict[str, Any]) -> str:
        """Return the text the model continues."""
        shots = row.get("shots", [])[: self.variant.shots]
        messages = messages_of(row, self.variant.prompt, shots)
        return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def reply(self, prompts: Sequence[str], watch: Any = None) -> list[str]:
        """Return the greedy replies to a batch of prompts."""
        import torch

        table = self.model.get_input_embeddings()
        ids = [self.tokenizer(prompt, add_special_tokens=False).input_ids for prompt in prompts]
        rows = [table(torch.tensor(row, device=self.device)) for row in ids]
        if self.virtual is not None:
            rows = [torch.cat([self.virtual, row]) for row in rows]
        embedded, mask = pad_left(rows)
        end = self.tokenizer.eos_token_id
        with torch.no_grad():
            made = self.model.generate(
                inputs_embeds=embedded,
                attention_mask=mask,
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                eos_token_id=stop_ids(self.tokenizer),
                pad_token_id=self.tokenizer.pad_token_id or end,
                logits_processor=[] if watch is None else [watch],
            )
        return [text.strip() for text in self.tokenizer.batch_decode(made, skip_special_tokens=True)]

    def weigh(self, prompts: Sequence[str]) -> list[tuple[float, str]]:
        """Return, for each prompt, how far refusing was ahead at the first token, and the answer without refusing."""
        refusing = self.tokenizer.encode(NOT_FOUND, add_special_tokens=False)[0]
        margins: list[float] = []

        def watch(_ids: Any, scores: Any) -> Any:
            if not margins:
                refused = scores[:, refusing].clone()
                scores[:, refusing] = float("-inf")
                margins.extend((refused - scores.max(dim=1).values).float().tolist())
            return scores

        texts = self.reply(prompts, watch)
        return list(zip(margins, texts, strict=True))


def pad_left(rows: Sequence[Any]) -> tuple[Any, Any]:
    """Return embeddings of different lengths as one batch that ends together, and its mask."""
    import torch

    width = max(len(row) for row in rows)
    embedded = rows[0].new_zeros(len(rows), width, rows[0].shape[1])
    mask = torch.zeros(len(rows), width, dtype=torch.long, device=rows[0].device)
    for place, row in enumerate(rows):
        embedded[place, width - len(row) :] = row
        mask[place, width - len(row) :] = 1
    return embedded, mask


def _trained(run: Path, file: str) -> int:
    """Return how many parameters learnt, which a prompt encoder has more of than it leaves behind."""
    from safetensors import safe_open

    task = run / TASK_FILE
    said = json.loads(task.read_text(encoding="utf-8")).get("trained_parameters") if task.is_file() else None
    if said is not None:
        return int(said)
    with safe_open(run / file, framework="pt") as tensors:
        return sum(tensors.get_tensor(name).numel() for name in tensors.keys())  # noqa: SIM118 - no mapping


def run_variant(
    model: Path, variant: Variant, rows: Sequence[dict[str, Any]], batch: int, timed: int = 0
) -> dict[str, Any]:
    """Answer and judge all rows; return figures, time of a single reply over `timed` of them, and every reply."""
    answerer = Answerer(model, variant)
    prompts = {row["id"]: answerer.prompt_of(row) for row in rows}
    order = sorted(rows, key=lambda row: len(prompts[row["id"]]))
    began, judged = time.monotonic(), []
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        asked = [prompts[row["id"]] for row in part]
        if variant.refusal_bias is None:
            judged += [judge(row, text) for row, text in zip(part, answerer.reply(asked), strict=True)]
            continue
        for row, (margin, text) in zip(part, answerer.weigh(asked), strict=True):
            judged.append(judge_weighed(row, margin, text, variant.refusal_bias))
    took = time.monotonic() - began
    return {
        "variant": asdict(variant),
        "trained_parameters": answerer.trained,
        "summary": summarize(judged),
        "seconds": round(took, 1),
        "single_ms": _single(answerer, [prompts[row["id"]] for row in rows[:timed]]),
        "judged": [asdict(item) for item in judged],
    }


def _single(answerer: Answerer, prompts: Sequence[str]) -> dict[str, float]:
    """Return the median and the worst time of replies one at a time, in milliseconds."""
    times = []
    for prompt in prompts:
        began = time.monotonic()
        answerer.reply([prompt])
        times.append(1000 * (time.monotonic() - began))
    ordered = sorted(times)
    return {"p50": round(ordered[len(ordered) // 2], 1), "max": round(ordered[-1], 1)} if ordered else {}


def main() -> None:
    """Judge one variant by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--name", default="variant")
    parser.add_argument("--prompt", choices=("brief", "full"), default="brief")
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--virtual")
    parser.add_argument("--adapter")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--refusal-bias", type=float, help="weigh refusing at the first token, with this added to it")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--timed", type=int, default=0, help="rows answered one by one for the latency")
    given = parser.parse_args()
    variant = Variant(given.name, given.prompt, given.shots, given.virtual, given.adapter, given.refusal_bias)
    report = run_variant(given.model, variant, read_rows(given.data, given.limit), given.batch, given.timed)
    given.out.write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    print(json.dumps(report["summary"]))  # noqa: T201 - the script's answer


if __name__ == "__main__":
    main()
