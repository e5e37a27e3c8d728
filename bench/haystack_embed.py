"""Our encoder as a haystack component; haystack reads its annotations while it runs, so they are no strings here."""

from typing import Any

from haystack import Document, component


@component
class Embed:
    """Gives documents their vectors."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Give every document its vector."""
        vectors = self._encoder.encode([document.content or "" for document in documents], "document")
        for document, vector in zip(documents, vectors, strict=True):
            document.embedding = vector.tolist()
        return {"documents": documents}
