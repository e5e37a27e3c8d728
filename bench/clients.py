"""What it costs to read a model server's stream: our client beside the OpenAI client and, where installed, LangChain's.

    python -m bench.clients [--requests 64] [--tokens 64]

A server in a process of its own sends a canned answer at once, so that only the client's work is left. Prints JSON:
processor microseconds a token, and tokens a second over 64 threads.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import socket
import socketserver
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from generation.completions import stream_chat

MESSAGES = [{"role": "user", "content": "word " * 800}]
THREADS = 64


def main() -> None:
    """Serve, measure each client in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = multiprocessing.Process(target=_serve, args=(listener, args.tokens), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        figures = {name: _measured(client, args.requests) for name, client in _clients(url).items()}
        server.terminate()
    print(json.dumps({"tokens": args.tokens, "threads": THREADS, "clients": figures}, indent=1))


def _clients(url: str) -> dict[str, Callable[[], int]]:
    import openai

    body = {"model": "m", "messages": MESSAGES}
    stock = openai.OpenAI(base_url=url, api_key="none", max_retries=0)

    def stock_client() -> int:
        stream: Any = stock.chat.completions.create(model="m", messages=MESSAGES, stream=True)  # type: ignore[call-overload]
        return sum(1 for chunk in stream if chunk.choices[0].delta.content)

    clients: dict[str, Callable[[], int]] = {
        "attest": lambda: sum(1 for _ in stream_chat(url, body, "none", 30.0)),
        "openai": stock_client,
    }
    if importlib.util.find_spec("langchain_openai"):
        from langchain_openai import ChatOpenAI

        chat = ChatOpenAI(base_url=url, api_key="none", model="m", max_retries=0)
        clients["langchain"] = lambda: sum(1 for chunk in chat.stream(MESSAGES) if chunk.text)
    return clients


def _measured(client: Callable[[], int], requests: int) -> dict[str, float]:
    client()
    spent = time.process_time()
    tokens = sum(client() for _ in range(requests))
    spent = time.process_time() - spent
    with ThreadPoolExecutor(THREADS) as pool:
        started = time.perf_counter()
        together = sum(pool.map(lambda _: client(), range(requests * 4)))
        seconds = time.perf_counter() - started
    return {"cpu_us_per_token": round(spent / tokens * 1e6, 1), "tokens_per_s": round(together / seconds)}


def _serve(listener: socket.socket, tokens: int) -> None:
    answer = _answer(tokens)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                length = 0
                while line.strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = self.rfile.readline()
                self.rfile.read(length)
                self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket = listener
    server.serve_forever()


def _answer(tokens: int) -> bytes:
    deltas = [{"content": " word"}] * tokens + [{}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [f"data: {json.dumps({**head, 'choices': [{'index': 0, 'delta': delta}]})}\n\n" for delta in deltas]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event.encode()) for event in (*events, "data: [DONE]\n\n"))
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks
        + b"0\r\n\r\n"
    )


if __name__ == "__main__":
    main()
