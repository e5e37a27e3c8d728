"""Zero-shot, few-shot, tuned: the same held-out questions put to every variant of one small model.

    python -m evals.tuned --data DATA --model MODEL --variant zero-shot --variant few-shot \\
        --variant ptune=FOLDER --variant lora=FOLDER --out FOLDER

A p-tuned variant is a folder of `tuning.export`, a LoRA variant a folder of adapters. Answers are decoded greedily and
judged alone, before any verification: what the model itself has learnt. Intervals are paired bootstraps over questions.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals import metrics

REFUSAL = "NOT_IN_DOCUMENTS"
MARKER = re.compile(r"\[(\d{1,2})\]")
NEW_TOKENS = 48
FEW_SHOTS = 2
RESAMPLES = 2000


def load_variant(name: str, folder: str, model: Path, device: str) -> tuple[Any, Any, str]:
    """Return tokenizer, model and the text that goes before every prompt."""
    from tuning.base_model import load_plain

    tasks = Path(folder) / "attest_tasks.json" if folder else None
    if tasks and tasks.is_file():
        from tuning.export import task_prefix

        counts = json.loads(tasks.read_text(encoding="utf-8"))["tasks"]
        tokenizer, loaded = load_plain(Path(folder))
        task = name if name in counts else next(iter(counts))
        return tokenizer, loaded.to(device).eval(), task_prefix(task, counts[task])
    tokenizer, loaded = load_plain(model)
    if folder:
        from peft import PeftModel

        loaded = PeftModel.from_pretrained(loaded, folder).merge_and_unload()
    return tokenizer, loaded.to(device).eval(), ""


def with_examples(row: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row's messages with solved examples before it, each with its own passages."""
    rules, _, _ = row["messages"][0]["content"].partition("\n\nPassages:")
    messages = [{"role": "system", "content": rules}]
    for shown in examples:
        messages += [_asked(shown), {"role": "assistant", "content": shown["target"]}]
    return [*messages, _asked(row)]


def _asked(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row's passages and question as one message of the user."""
    passages = row["messages"][0]["content"].partition("\n\nPassages:")[2]
    return {"role": "user", "content": f"Passages:{passages}\n\n{row['messages'][-1]['content']}"}


def answers(tokenizer: Any, model: Any, prefix: str, prompts: Sequence[str], batch: int) -> Iterator[tuple[int, str]]:
    """Decode every prompt greedily, longest first; yields its place and its text."""
    import torch

    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    for first in range(0, len(order), batch):
        places = order[first : first + batch]
        texts = [prefix + prompts[place] for place in places]
        encoded = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        with torch.no_grad():
            made = model.generate(
                **encoded, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        for place, ids in zip(places, made[:, encoded.input_ids.shape[1] :], strict=True):
            yield place, tokenizer.decode(ids, skip_special_tokens=True).strip()


def judge(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Judge one answer by itself: words, marker, refusal."""
    refused = REFUSAL in text
    markers = [int(marker) for marker in MARKER.findall(text)]
    bare = "" if refused else metrics.MARKERS.sub("", text)
    return {
        "id": row["id"],
        "text": text,
        "answerable": row["answerable"],
        "refused": refused,
        "token_f1": metrics.token_f1(bare, row["answers"]) if row["answerable"] else None,
        "contains": metrics.contains(bare, row["answers"]) if row["answerable"] else None,
        "marker_right": row["marker"] in markers if row["answerable"] and not refused else None,
    }


def figures(judged: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average judged answers."""
    pairs = [(row["refused"], row["answerable"]) for row in judged]
    recall, false = metrics.refusal_recall(pairs), metrics.false_refusal_rate(pairs)
    return {
        "questions": len(judged),
        "token_f1": metrics.mean(row["token_f1"] for row in judged),
        "contains": metrics.mean(row["contains"] for row in judged),
        "marker_right": metrics.mean(row["marker_right"] for row in judged),
        "refusal_recall": recall,
        "false_refusal_rate": false,
        "balanced_refusal": None if recall is None or false is None else (recall + 1 - false) / 2,
    }


def paired_interval(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], name: str
) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean difference of a figure over the same questions."""
    pairs = [(a[name], b[name]) for a, b in zip(one, other, strict=True) if a[name] is not None and b[name] is not None]
    if not pairs:
        return None
    differences = [float(a) - float(b) for a, b in pairs]
    rng = random.Random(0)
    means = [sum(rng.choices(differences, k=len(differences))) / len(differences) for _ in range(RESAMPLES)]
    low, high = metrics.percentile(means, 2.5), metrics.percentile(means, 97.5)
    return None if low is None or high is None else (low, high)


def run(
    data: Path, model: Path, variants: Mapping[str, str], out: Path, batch: int, limit: int | None
) -> dict[str, Any]:
    """Answer the held-out questions with every variant; writes answers and figures, returns the figures."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = _rows(data / "test.jsonl")[:limit]
    examples = _examples(_rows(data / "train.jsonl"))
    out.mkdir(parents=True, exist_ok=True)
    judged: dict[str, list[dict[str, Any]]] = {}
    report: dict[str, Any] = {}
    for name, folder in variants.items():
        tokenizer, loaded, prefix = load_variant(name, folder, model, device)
        shots = examples if name == "few-shot" else []
        messages = [with_examples(row, shots) if shots else row["messages"] for row in rows]
        prompts = [tokenizer.apply_chat_template(m, add_generation_prompt=True, tokenize=False) for m in messages]
        started = time.perf_counter()
        texts = dict(answers(tokenizer, loaded, prefix, prompts, batch))
        seconds = time.perf_counter() - started
        judged[name] = [judge(row, texts[place]) for place, row in enumerate(rows)]
        report[name] = figures(judged[name]) | {"seconds": seconds}
        _write(out / f"answers-{name}.jsonl", judged[name])
        sys.stderr.write(f"{name}: {json.dumps(report[name])}\n")
        del loaded
    base = next(iter(variants))
    for name in list(variants)[1:]:
        report[name][f"token_f1_over_{base}"] = paired_interval(judged[name], judged[base], "token_f1")
    (out / "figures.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _examples(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the shortest answerable and unanswerable rows: examples that leave room for the question."""
    ordered = sorted(rows, key=lambda row: len(row["messages"][0]["content"]))
    kinds = [next(row for row in ordered if row["answerable"] is kind) for kind in (True, False)]
    return kinds[:FEW_SHOTS]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Compare by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--variant", action="append", required=True, help="zero-shot, few-shot or NAME=FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    variants = {name: folder for name, _, folder in (variant.partition("=") for variant in options.variant)}
    report = run(options.data, options.model, variants, out=options.out, batch=options.batch, limit=options.limit)
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
