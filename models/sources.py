"""Where weights come from: an installed package, a folder, a file or a hub model that is already cached."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from core.errors import NotFound

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "*.gguf")


def find_weights(name: str) -> Path:
    """Return the folder (or single file) that holds the weights of a model; never downloads.

    `name` is a path, the name of a package that ships weights, or a hub name found in the local cache.

    Raises:
        NotFound: no place holds it; the message says how to get it.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path.resolve()
    found = _in_package(name) or _in_hub_cache(name)
    if found is None:
        raise NotFound(
            f"no weights for {name!r}: it is not a path, not an installed package and not in the hub cache. "
            f"Give a folder, install the package, or fetch it once with: hf download {name}"
        )
    return found


def weights_revision(weights: Path) -> str:
    """Return a short name of the exact weights: the first 16 hex digits of the SHA-256 over their files."""
    files = [weights] if weights.is_file() else _weight_files(weights)
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


@cache
def adapter_revision(folder: Path) -> str:
    """Return a short name of an adapter and of the weights it changes, for the record of what judged.

    Read once a process: what is replaced on disk is not what this process reads with.
    """
    base = json.loads((folder / "card.json").read_text(encoding="utf-8"))["base"]
    return f"{weights_revision(folder)}+{weights_revision(find_weights(base))}"


def _weight_files(folder: Path) -> list[Path]:
    for pattern in WEIGHT_FILES:
        if files := sorted(folder.rglob(pattern)):
            return files
    raise NotFound(f"{folder} holds no weights (looked for {', '.join(WEIGHT_FILES)})")


def _in_package(name: str) -> Path | None:
    """Locate the data folder of an installed package without running its code."""
    if "/" in name or not name.replace("-", "_").isidentifier():
        return None
    spec = importlib.util.find_spec(name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    if configs := sorted(root.rglob("config.json"), key=lambda path: len(path.parts)):
        return configs[0].parent
    single = sorted(root.rglob("*.gguf"))
    return single[0] if single else None


def _in_hub_cache(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for repository in (name, f"sentence-transformers/{name}"):
        try:
            return Path(snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    return None
