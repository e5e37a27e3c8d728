import re

import pytest

from generation.languages import _messages as messages_of
from generation.languages import language_of, languages, message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How many days of leave do I have?", "en"),
        ("Wie viele Urlaubstage habe ich im Jahr?", "de"),
        ("¿Cuántos días de vacaciones tengo al año?", "es"),
        ("Combien de jours de congé ai-je par an ?", "fr"),
        ("我每年有多少天假期？", "zh"),
        ("PTO?", "en"),
    ],
)
def test_a_question_is_answered_in_the_language_it_was_asked_in(text: str, expected: str) -> None:
    assert language_of(text) == expected


def test_every_language_has_every_message_with_the_same_variables() -> None:
    assert languages() == ("de", "en", "es", "fr", "zh")
    english = messages_of("en")
    for language in languages():
        translated = messages_of(language)
        assert translated.keys() == english.keys()
        for name, text in english.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", translated[name]))


def test_a_language_without_a_file_is_spoken_to_in_english() -> None:
    assert message("searched", "fi", query="loma") == "I searched for “loma”."
    assert message("no_evidence", "de") != message("no_evidence", "en")
    with pytest.raises(KeyError):
        message("no such", "en")
