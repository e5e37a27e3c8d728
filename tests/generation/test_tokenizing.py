from pathlib import Path

from core.settings import GenerationSettings, Settings
from generation.evidence import estimate_tokens
from generation.generators import counter_of
from generation.quote import QuoteGenerator
from generation.tokenizing import TokenCounter
from generation.vllm import VllmGenerator
from tests.wire_double import wire_double

TEXT = "one two three four"


def test_a_passage_is_counted_by_the_served_model_once() -> None:
    with wire_double() as double:
        counter = counter_of(VllmGenerator(GenerationSettings(vllm_urls=(double.url,))))
        assert [counter(TEXT), counter(TEXT)] == [4, 4]
        assert double.counted == [TEXT]


def test_a_server_that_counts_nothing_is_asked_once_and_estimated_for() -> None:
    with wire_double(counts=False) as double:
        counter = TokenCounter(GenerationSettings(vllm_urls=(double.url,)))
        assert [counter(TEXT), counter("five")] == [estimate_tokens(TEXT), estimate_tokens("five")]
        assert double.counted == [TEXT]


def test_a_server_that_is_away_is_not_waited_for_passage_by_passage() -> None:
    counter = TokenCounter(GenerationSettings(vllm_urls=("http://127.0.0.1:9/v1",)))
    assert counter(TEXT) == estimate_tokens(TEXT)
    assert counter("five") == estimate_tokens("five")


def test_another_replica_counts_where_one_is_away() -> None:
    with wire_double() as double, wire_double(counts=False) as gateway:
        counter = TokenCounter(GenerationSettings(vllm_urls=("http://127.0.0.1:9/v1", gateway.url, double.url)))
        assert [counter(TEXT), counter("five")] == [4, 1]
        assert gateway.counted == [TEXT]  # it counts nothing, and is not asked again


def test_generators_without_a_server_estimate(tmp_path: Path) -> None:
    assert counter_of(QuoteGenerator(Settings(home=tmp_path))) is estimate_tokens
