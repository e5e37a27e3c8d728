"""A vLLM server on loopback for the length of a block."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from generation.tasks import SHIPPED

SHAPES = {
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": False,
    }
}
START_DEADLINE_S = 240.0


class serving:
    """A vLLM server on a free loopback port for the length of a block."""

    def __init__(self, model: Path, flags: Sequence[str] = ()) -> None:
        self._model = model
        self._flags = flags

    def __enter__(self) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(self._model)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "8192", "--dtype", "bfloat16"]
        command += ["--gpu-memory-utilization", "0.5", "--max-num-seqs", "256", *self._flags]
        self._log = Path(os.environ.get("OUT", ".")) / "vllm.log"
        self._process = subprocess.Popen(command, stdout=self._log.open("w"), stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    return url
            except httpx.HTTPError:
                time.sleep(1)
        self._process.kill()
        raise SystemExit(f"the server did not start; the end of its log:\n{self._log.read_text()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def served(model: Path, shape: str | None, task: str, folder: Path) -> tuple[Path, Sequence[str]]:
    """Return what a server is started with: the model, or random weights of a shape under its tokenizer."""
    adapter = SHIPPED / task
    lora = ("--enable-lora", "--lora-modules", f"{task}={adapter}")
    flags = lora if (adapter / "adapter_config.json").is_file() else ()
    if not shape:
        return model, flags
    for file in model.glob("*token*"):
        shutil.copy(file, folder)
    for name in ("generation_config.json", "chat_template.jinja"):
        if (model / name).exists():
            shutil.copy(model / name, folder)
    config = json.loads((model / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | SHAPES[shape]))
    return folder, ("--load-format", "dummy")
