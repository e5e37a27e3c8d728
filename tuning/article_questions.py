"""Questions over paragraphs of an encyclopaedia, half of which only look as if they had an answer.

Written for this project over the articles of squad2 that have no questions of their own (its `distractors`), in the
manner of SQuAD 2.0 (Rajpurkar et al. 2018): another name, a negation, a swapped part, a condition more. The files of
`articles` hold no paragraph, only where it stands, in lines of three kinds:

    # ARTICLE NUMBER            the paragraph that the next lines ask of: a file of `distractors` and its line, from 0
    + QUESTION | ANSWER         answered by it, in these very words
    - QUESTION | WORDS          not answered by it, however much these words tempt
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tuning.passages_data import Labelled, Passage, locate

SOURCE = "articles"
FILES = tuple(sorted((Path(__file__).parent / "articles").glob("*.txt")))


def read_article_questions(data: Path) -> list[Labelled]:
    """Return all questions over their paragraphs; a group is an article.

    Raises:
        ValueError: a line is of no kind, or its words do not stand in the paragraph.
    """

    def passage(named: str) -> Passage:
        article, number = named.rsplit(" ", 1)
        text = (data / f"squad2/distractors/{article}.txt").read_text(encoding="utf-8")
        return Passage(article.replace("_", " "), text.splitlines()[int(number)], article.casefold())

    return [item for path in FILES for item in read_questions(path, SOURCE, passage)]


def read_questions(path: Path, source: str, passage_of: Callable[[str], Passage]) -> Iterator[Labelled]:
    """Yield the questions of a file; `passage_of` finds what a line `# …` names.

    Raises:
        ValueError: a line is of no kind, or its words do not stand in the passage.
    """
    passage = Passage("", "", "")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        kind, rest = line[:2], line[2:]
        if kind == "# ":
            passage = passage_of(rest)
            continue
        question, _, words = rest.partition(" | ")
        if kind not in ("+ ", "- ") or not question or not words or words not in passage.text:
            raise ValueError(f"{path.name}, line {number}: {line!r} does not fit its passage")
        if kind == "- ":
            yield Labelled(question, passage, answerable=False, source=source, wrong=(words,))
            continue
        support, spans = locate(passage.text, [words], question)
        yield Labelled(question, passage, True, source, spans, support, (words,))
