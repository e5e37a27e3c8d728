import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import ContextTooLong, GenerationError, GeneratorTimeout, GeneratorUnavailable, InvalidInput
from core.settings import GenerationSettings, load_settings
from generation import connections
from generation.completions import pieces, stream_chat
from generation.generators import make_generator, write_draft
from generation.vllm import VllmGenerator
from tests.generation.passages import CONTACT, LEAVE, evidence_of
from tests.wire_double import MODEL, until, wire_double


def settings_for(*urls: str, **changes: object) -> GenerationSettings:
    return GenerationSettings(vllm_urls=urls, **{"retries": 0, "timeout_s": 60.0, **changes})  # type: ignore[arg-type]


def test_a_draft_streams_with_the_served_model_and_a_salt_per_tenant() -> None:
    evidence = evidence_of(CONTACT, LEAVE)
    with wire_double(mode="cite") as double:
        generator = VllmGenerator(settings_for(double.url))
        pieces = list(generator.draft("Which tool?", evidence))
        assert len(pieces) > 3
        assert "".join(pieces) == "Report a phishing email with Cofense. [1]"
        assert generator.model == MODEL
        request = double.requests[-1]
        assert len(request["cache_salt"]) == 32
        list(generator.draft("Which tool?", ()))
        assert double.requests[-1]["cache_salt"] != request["cache_salt"]
        assert [message["role"] for message in request["messages"]] == ["system", "user"]


def test_a_server_may_hold_every_sentence_to_its_markers() -> None:
    with wire_double(mode="cite") as double:
        generator = VllmGenerator(settings_for(double.url, citations_by="grammar"))
        list(generator.draft("Which tool?", evidence_of(CONTACT, LEAVE)))
        pattern = double.requests[-1]["structured_outputs"]["regex"]
        for draft in ("NOT_IN_DOCUMENTS", "Use Cofense. [1]", "Use Cofense [1]. Leave is 240 hours. [1][2]"):
            assert re.fullmatch(pattern, draft), draft
        for draft in ("Use Cofense.", "Use Cofense. [3]", "Use Cofense. [1] And more.", ""):
            assert not re.fullmatch(pattern, draft), draft
        list(VllmGenerator(settings_for(double.url)).draft("Which tool?", evidence_of(CONTACT)))
        assert "structured_outputs" not in double.requests[-1]


def test_another_replica_takes_over_before_the_first_piece() -> None:
    with wire_double(mode="error") as broken, wire_double(mode="cite") as good:
        generator = VllmGenerator(settings_for(broken.url, good.url, vllm_model=MODEL, retries=1))
        assert "Cofense" in write_draft(generator, "Which tool?", evidence_of(CONTACT)).text
        assert broken.failures == 1


@contextlib.contextmanager
def silent_server(head: bytes = b"") -> Iterator[str]:
    """Serve nobody: accept connections, at most send a head, and say nothing more."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])
                    accepted[-1].sendall(head)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in accepted:
        connection.close()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_another_replica_takes_over_from_one_that_accepts_and_says_nothing(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []
    with silent_server(head) as silent, wire_double(mode="cite") as good:

        def hasty(url: str, body: dict[str, Any], key: str, timeout_s: float, *, first_s: float) -> Iterator[str]:
            """Wait for the silent one a hundredth of the time that it is given."""
            asked.append((url, first_s / timeout_s))
            return stream_chat(url, body, key, timeout_s, first_s=first_s / 100 if url == silent else first_s)

        monkeypatch.setattr("generation.vllm.stream_chat", hasty)
        monkeypatch.setattr("generation.vllm.SILENT_S", 3600.0)
        generator = VllmGenerator(settings_for(silent, good.url, vllm_model=MODEL, retries=1))
        for _ in range(3):
            assert "Cofense" in write_draft(generator, "Which tool?", evidence_of(CONTACT)).text
        # Half of the time for the silent one, once.
        assert asked == [(silent, 0.5), (good.url, 1.0), (good.url, 0.5), (good.url, 0.5)]


def test_a_server_that_takes_no_connection_is_not_waited_for_as_long_as_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generation.connections.CONNECT_S", 0.3)
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # its queue is full: what comes now is not even refused
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        began = time.monotonic()
        with pytest.raises(GeneratorTimeout):
            list(stream_chat(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", {}, "none", 3600.0))
        assert time.monotonic() - began < 60  # the system itself gives up after two minutes


def test_a_replica_that_has_begun_may_take_the_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[float] = []
    sockets: list[socket.socket] = []
    exchange = connections._exchange

    def noted(connection: Any, request: Any, timeout_s: float) -> Any:
        response, its_socket = exchange(connection, request, timeout_s)
        first.append(its_socket.gettimeout())
        sockets.append(its_socket)
        return response, its_socket

    monkeypatch.setattr(connections, "_exchange", noted)
    with wire_double(mode="obedient", pause_s=0.01) as slow, wire_double(mode="cite") as other:
        generator = VllmGenerator(settings_for(slow.url, other.url, vllm_model=MODEL, retries=9, timeout_s=600.0))
        draft = generator.draft("Which tool?", evidence_of(CONTACT))
        begun = next(draft)
        assert [one.gettimeout() for one in sockets] == [pytest.approx(10 * first[0])]
        assert first[0] == pytest.approx(60, rel=0.5)
        assert "Cofense" in begun + "".join(draft)
        assert not other.requests


def test_replicas_take_turns() -> None:
    with wire_double(mode="cite") as one, wire_double(mode="cite") as two:
        generator = VllmGenerator(settings_for(one.url, two.url, vllm_model=MODEL))
        for _ in range(4):
            list(generator.draft("Which tool?", evidence_of(CONTACT)))
        assert (len(one.requests), len(two.requests)) == (2, 2)


def test_failures_have_their_own_errors() -> None:
    evidence = evidence_of(CONTACT)
    with wire_double(mode="error") as double, pytest.raises(GeneratorUnavailable):
        list(VllmGenerator(settings_for(double.url, vllm_model=MODEL)).draft("?", evidence))
    with wire_double(mode="too_long") as double, pytest.raises(ContextTooLong):
        list(VllmGenerator(settings_for(double.url, vllm_model=MODEL)).draft("?", evidence))
    with wire_double(mode="stall") as double, pytest.raises(GeneratorTimeout):
        list(VllmGenerator(settings_for(double.url, vllm_model=MODEL, timeout_s=0.4)).draft("?", evidence))
    with pytest.raises(GeneratorUnavailable):
        list(VllmGenerator(settings_for("http://127.0.0.1:9/v1", vllm_model=MODEL)).draft("?", evidence))


def test_closing_a_draft_hangs_up_on_the_server() -> None:
    with wire_double(mode="say", say="word " * 20_000, pause_s=0.02) as double:
        draft = VllmGenerator(settings_for(double.url, vllm_model=MODEL)).draft("?", evidence_of(LEAVE))
        next(draft)
        draft.close()  # type: ignore[attr-defined]
        until(lambda: bool(double.broken_off))
        assert double.broken_off == 1


def test_asking_for_a_server_that_is_not_set_says_what_to_set(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    with pytest.raises(InvalidInput, match="vllm_urls"):
        make_generator(settings, "vllm")
    assert make_generator(settings, "auto").name == "quote"
    served = settings.model_copy(update={"generation": settings_for("http://127.0.0.1:9/v1")})
    assert make_generator(served, "auto").name == "vllm"


def test_a_stream_that_breaks_off_is_an_error_not_a_short_answer() -> None:
    with wire_double(mode="drop", say="") as double:
        draft = VllmGenerator(settings_for(double.url, vllm_model=MODEL)).draft("?", evidence_of(CONTACT))
        with pytest.raises(GeneratorUnavailable):
            list(draft)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (['data: {"error": {"message": "engine died", "code": 500}}'], GeneratorUnavailable),
        (['data: {"error": {"message": "maximum context length", "code": 400}}'], ContextTooLong),
        (["data: not json"], GeneratorUnavailable),
        (['data: {"choices": [{"delta": {"content": "half"}}]}'], GeneratorUnavailable),
    ],
)
def test_an_event_that_is_no_text_is_an_error(lines: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        list(pieces(iter(lines), "http://model"))


def test_comments_and_empty_pieces_in_a_stream_are_skipped() -> None:
    lines = [": keep-alive", "", 'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}']
    lines += ['data:{"choices": [{"delta": {"content": "yes"}}]}', 'data: {"choices": []}', "data: [DONE]"]
    assert list(pieces(iter(lines), "http://model")) == ["yes"]


def test_a_kept_connection_that_the_server_closed_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEPT_S", 3600.0)
    answer = b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\ndata: [DONE]\n\n'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for hang_up in (False, True, False):
                if not hang_up:
                    connection, _ = listener.accept()
                with contextlib.suppress(OSError):
                    while b"messages" not in connection.recv(65536):
                        pass
                    if hang_up:  # the second request comes on the first connection, and gets no answer
                        connection.close()
                    else:
                        connection.sendall(head + answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for _ in range(2):
            assert list(stream_chat(url, {"messages": []}, "none", 60.0)) == ["yes"]


def _chunked(*events: str) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event.encode()), event.encode()) for event in events)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


def test_drafts_that_follow_one_another_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEPT_S", 3600.0)
    event = 'data: {"choices": [{"delta": {"content": "zwölf"}}]}\n\n'
    reply = _chunked(event[:40], event[40:], "data: [DONE]\n\n")
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    accepted.append(connection)
                    while b"messages" in connection.recv(65536) or connection.recv(65536):
                        connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for _ in range(3):
            assert list(stream_chat(url, {"messages": []}, "none", 60.0)) == ["zwölf"]
    assert len(accepted) == 1


def test_a_key_that_no_header_can_hold_is_named_without_being_told() -> None:
    with wire_double() as double, pytest.raises(GenerationError, match="character") as raised:
        list(stream_chat(double.url, {"messages": []}, "secret\n", 5.0))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("mode", ["error", "stall", "gone"])
@pytest.mark.parametrize("model", [None, MODEL])
def test_whoever_asks_never_learns_where_the_model_server_is(
    mode: str, model: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with wire_double(mode="error" if mode == "gone" else mode) as double:
        at = "127.0.0.1:9" if mode == "gone" else double.url.removeprefix("http://").removesuffix("/v1")
        settings = settings_for(f"http://svc:s3cret@pw@{at}/v1", vllm_model=model, timeout_s=0.4)
        generator = VllmGenerator(settings)
        with pytest.raises(GenerationError, match="the model server") as raised:
            list(generator.draft("?", evidence_of(CONTACT)))
        generator.count_tokens("a text")
    assert at not in str(raised.value)
    assert at in caplog.text
    assert "svc" not in str(raised.value) + caplog.text
    assert "pw" not in str(raised.value) + caplog.text
