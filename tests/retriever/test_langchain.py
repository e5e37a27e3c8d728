"""LangChain's own standard tests over a real store, and what they do not ask: permission and citations."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from core.errors import InvalidInput
from core.types import OPERATOR, Filters, Principal
from retriever.langchain import AttestRetriever


@pytest.mark.asyncio  # the inherited asynchronous test needs it; on the others it is nothing but a warning
@pytest.mark.filterwarnings("ignore:.*marked with.*asyncio")
class TestAttestRetriever(RetrieversIntegrationTests):
    params: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _store(self, library, open_retriever):
        for number in range(5):
            library.add(f"doc{number}", [f"Rule {number} on annual leave."], allow=["public"])
        library.add("secret", ["Secret rule on annual leave."], allow=["group:hr"])
        type(self).params = {"retriever": open_retriever(), "principal": OPERATOR}

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return AttestRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.params

    @property
    def retriever_query_example(self) -> str:
        return "annual leave"

    def test_documents_carry_their_citation_and_only_what_may_be_read(self) -> None:
        ben = AttestRetriever(**{**self.params, "principal": Principal("user:ben")}, k=10)
        found = ben.invoke("secret rule on annual leave")
        assert sorted(document.metadata["document_id"] for document in found) == [f"doc{n}" for n in range(5)]
        first = found[0]
        assert first.metadata["end"] - first.metadata["start"] == len(first.page_content)
        assert first.metadata["source"].endswith(".md")

    def test_a_principal_must_be_named(self) -> None:
        with pytest.raises(ValueError, match="principal"):
            AttestRetriever(retriever=self.params["retriever"])

    @pytest.mark.parametrize(
        "options", [{"principal": Principal("user:ben")}, {"filters": Filters(collection="other")}, {"kk": 3}]
    )
    def test_an_argument_that_would_be_passed_over_is_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput, match=next(iter(options))):
            AttestRetriever(**self.params).invoke("annual leave", **options)

    @pytest.mark.parametrize("k", [0, -1])
    def test_fewer_than_one_passage_cannot_be_asked_for(self, k: int) -> None:
        with pytest.raises(InvalidInput, match="at least 1"):
            AttestRetriever(**self.params).invoke("annual leave", k=k)
        with pytest.raises(InvalidInput, match="at least 1"):
            AttestRetriever(**self.params, k=k).invoke("annual leave")
