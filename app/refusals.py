"""What is said when there is no answer, in the asker's language; these are outcomes, never errors."""

from __future__ import annotations

from sqlalchemy import func, select

from app.gate import Gate
from app.runtime import Runtime
from app.trace import Conclusion, Trace
from core.db.access import retrievable_versions
from core.db.models import Document, DocumentVersion
from core.errors import GenerationError
from core.stored_answers import GREETING
from core.types import Evidence, GeneratorName, NearestPassage, Question, ScoredChunk, Verdict
from guardrails.exit_gate import ExitGate
from guardrails.rails import UNAVAILABLE

EXPLAINED = frozenset({"toxicity", "prompt_injection", "harmful_requests", "domain", "words"})
"""Rails that say in words of their own what they stopped and how to go on."""
EXAMPLES = 3
NEAREST = 3
"""Passages named in a refusal: enough to judge a near miss, few enough to read."""

READ = "en"
"""The language that the packaged models read well."""
_GATE = ExitGate()


def refused(runtime: Runtime, trace: Trace, reason: str) -> Conclusion:
    """Return the refusal of a question, with what was searched where it was read as a follow-up and says that it is.

    Without a model server, a question in another language than the packaged models read is told so.
    """
    from generation.languages import language_of, message
    from generation.lent import asked_and_lent
    from generation.rewrite import points_back

    if reason == "no_evidence" and (down := _kept_all(trace)):
        return blocked(runtime, trace, down)
    question = trace.question.text
    language = language_of(question)
    empty = reason == "no_evidence" and not _titles(runtime, trace.question)
    text = message("no_documents" if empty else reason, language)
    if trace.query is not None and trace.query.text != question and points_back(question):
        query, lent = asked_and_lent(trace.query.text, question, trace.question.history)
        text = f"{text} {message('searched', language, query=query)}"
        if lent:
            text = f"{text} {message('lent', language, names=', '.join(lent))}"
    if collection := trace.question.filters.collection:
        text = f"{text} {message('searched_in', language, collection=collection)}"
    name, model = _generator(runtime, trace)
    if language != READ and name != "vllm":
        text = f"{text} {message('packaged_english', language)}"
    return Conclusion("refused", _safe(text), reason, name, model, nearest=_nearest(runtime, trace))


def greeted(runtime: Runtime, trace: Trace, language: str) -> Conclusion:
    """Return what is said to a text that asks nothing: what can be asked, by the settings or by titles of documents."""
    from generation.languages import message

    text = message("greeting", language)
    topics = _topics(runtime)
    named = {} if topics else _titles(runtime, trace.question)
    if topics := topics or " · ".join(named.values()):
        text = f"{text} {message('greeting_topics', language, topics=topics)}"
    return Conclusion("refused", _safe(text), GREETING, *_generator(runtime, trace), named=tuple(named))


def blocked(runtime: Runtime, trace: Trace, verdict: Verdict) -> Conclusion:
    """Return what is said when a rail stops a question or its answer: why, and what the asker can do."""
    from generation.languages import language_of, message

    values = {"rail": verdict.rail.replace("_", " "), "topics": _topics(runtime)}
    text = message(_name(verdict), language_of(trace.question.text), **values)
    return Conclusion("blocked", text, verdict.rail, *_generator(runtime, trace))


def _safe(text: str) -> str:
    """Return a text that loads nothing where it is rendered: the titles, names and collections in it are anybody's."""
    return _GATE.neutral(text, (), (text,))


def _nearest(runtime: Runtime, trace: Trace) -> tuple[NearestPassage, ...]:
    """Return the passages that came closest, one a document, each without what the output rails would take out."""
    best: dict[str, ScoredChunk] = {}
    for hit in trace.hits:
        best.setdefault(hit.chunk.document_id, hit)
    hits = list(best.values())[:NEAREST]
    evidence = tuple(Evidence(marker, hit) for marker, hit in enumerate(hits, start=1))
    gate = Gate(runtime.rails, evidence, trace.question.filters.collection)
    parts, said = gate.quotable([hit.chunk.text for hit in hits])
    trace.judged(said)
    return tuple(
        NearestPassage(h.chunk.document_id, h.title, h.source, h.chunk.page, h.chunk.text[slice(*part)], h.score)
        for h, part in zip(hits, parts, strict=True)
    )


def _kept_all(trace: Trace) -> Verdict | None:
    """Return the rail that could not run and so kept every passage back: nothing was found is not what happened."""
    return next((v for v in trace.verdicts if v.stage == "retrieval" and v.reason.startswith(UNAVAILABLE)), None)


def _name(verdict: Verdict) -> str:
    """Return the name of the message that says best what stopped a text."""
    if verdict.reason.startswith(UNAVAILABLE):
        return "blocked_unavailable"
    if verdict.stage == "output":
        return "blocked_answer"
    return f"blocked_{verdict.rail}" if verdict.rail in EXPLAINED else "blocked"


def _topics(runtime: Runtime) -> str:
    """Return what this Attest is for, as its settings describe it."""
    rails = runtime.settings.rails
    return rails.domain_description.strip() or " · ".join(rails.domain_examples[:EXAMPLES])


def _titles(runtime: Runtime, question: Question) -> dict[str, str]:
    """Return the newest titles among the documents that a search would read for the asker, by the documents' ids."""
    served = retrievable_versions(question.principal, question.filters)
    newest = (
        select(func.max(Document.id).label("id"), Document.title)
        .join(DocumentVersion, DocumentVersion.document_key == Document.key)
        .where(DocumentVersion.key.in_(served))
        .group_by(Document.title)
        .order_by(func.max(DocumentVersion.created_at).desc(), func.max(Document.key).desc())
        .limit(EXAMPLES)
    )
    with runtime.database.read() as session:
        return {row.id: row.title for row in session.execute(newest)}


def _generator(runtime: Runtime, trace: Trace) -> tuple[GeneratorName, str]:
    """Return who would have answered; a model server that is down does not turn a refusal into an error."""
    generator = runtime.generator(trace.question.generator)
    try:
        return generator.name, generator.model
    except GenerationError:
        return generator.name, "unavailable"
