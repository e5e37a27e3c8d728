"""The checkpoint of `attest tune export` under a stock vLLM server: the same greedy text, no added token ever sampled.

    python -m bench.gpu.exported --model FOLDER --data rows.jsonl [--limit 200] [--url URL] --out FILE

Every prompt is continued greedily by transformers and by the server, both in float32. Then the server samples at the
highest temperatures it takes, for the task and without one, and shows special tokens: an added token among them would
be a defect. `--url` asks a server that runs already, in float32 over the same folder; otherwise one is started.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx

from bench.gpu.server import serving
from core.types import PromptName
from tuning.ptune_rows import messages_of, read_rows

NEW_TOKENS = 32
TOGETHER = 32
TEMPERATURES = (1.0, 2.0)  # a vLLM server takes no higher one
ADDED = "<|ptune_"


def main() -> None:
    """Compare and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--url", help="e.g. http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tasks = json.loads((options.model / "attest_tasks.json").read_text(encoding="utf-8"))["tasks"]
    rows = read_rows(options.data, options.limit)
    wanted = {
        task: by_transformers(options.model, task, _messages(rows, card["prompt"])) for task, card in tasks.items()
    }
    report: dict[str, Any] = {"model": str(options.model), "prompts": len(rows)}
    # graphs would only cost time
    server = (
        nullcontext(options.url) if options.url else serving(options.model, ("--dtype", "float32", "--enforce-eager"))
    )
    with server as url:
        for task, card in tasks.items():
            messages = _messages(rows, card["prompt"])
            found = _asked(url, messages, task, {"temperature": 0})
            same = sum(one == other for one, other in zip(wanted[task], found, strict=True))
            report[task] = {"greedy_identical": same / len(rows), "added_tokens_sampled": _leaks(url, messages, task)}
        report["without_task"] = {"added_tokens_sampled": _leaks(url, _messages(rows, "brief"), None)}
    options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report))


def by_transformers(model: Path, task: str, asked: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
    """Return the greedy replies of the folder under transformers, in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    loaded = AutoModelForCausalLM.from_pretrained(model, local_files_only=True, dtype=torch.float32).to(device).eval()
    texts = [
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, task=task)
        for messages in asked
    ]
    replies: list[str] = []
    for start in range(0, len(texts), TOGETHER):
        batch = tokenizer(texts[start : start + TOGETHER], return_tensors="pt", padding=True, add_special_tokens=False)
        width = batch.input_ids.shape[1]
        with torch.no_grad():
            made = loaded.generate(**batch.to(device), max_new_tokens=NEW_TOKENS, do_sample=False)
        replies += [reply.strip() for reply in tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)]
    del loaded
    torch.cuda.empty_cache()
    return replies


def _leaks(url: str, asked: Sequence[Any], task: str | None) -> dict[str, int]:
    """Return, by temperature, how many sampled replies hold an added token."""
    counts = {}
    for temperature in TEMPERATURES:
        # no seed: the CPU build of vLLM 0.32 dies of a seeded request whose prompt it reads in parts
        fields = {"temperature": temperature, "skip_special_tokens": False}
        counts[str(temperature)] = sum(ADDED in reply for reply in _asked(url, asked, task, fields))
    return counts


def _asked(url: str, asked: Sequence[Any], task: str | None, fields: Mapping[str, Any]) -> list[str]:
    """Return the server's replies to all messages."""
    with httpx.Client(timeout=600) as client, ThreadPoolExecutor(TOGETHER) as pool:
        model = client.get(f"{url}/v1/models").json()["data"][0]["id"]
        extra = {"chat_template_kwargs": {"task": task}} if task else {}

        def one(messages: Any) -> str:
            body = {"model": model, "messages": messages, "max_tokens": NEW_TOKENS, **extra, **fields}
            answer = client.post(f"{url}/v1/chat/completions", json=body)
            if answer.is_error:
                raise SystemExit(f"the server refused a prompt: {answer.status_code} {answer.text}")
            return str(answer.json()["choices"][0]["message"]["content"] or "").strip()

        return list(pool.map(one, asked))


def _messages(rows: Sequence[Mapping[str, Any]], prompt: PromptName) -> list[list[dict[str, str]]]:
    return [messages_of(row, prompt) for row in rows]


if __name__ == "__main__":
    main()
