"""A stand-in for a vLLM server, to try `bench.gpu.serving` without a GPU and to see what the client's side costs.

    python -m bench.gpu.double --port 8099 [--pieces 60] [--pause-ms 2]

It streams the first sentence of the first passage with its marker, over and over until so many pieces are sent, each
in a write of its own. How fast it is says nothing about vLLM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from typing import Any

PASSAGE = re.compile(r"\[1\][^\n]*\n(.*?)(?:\n\n|\Z)|<passage id=\"1\"[^>]*>\n(.*?)\n</passage>", re.DOTALL)
MODEL = "double"


def reply_pieces(body: dict[str, Any], count: int) -> list[str]:
    """Return what is streamed for a request, in `count` pieces or a few more."""
    shown = "\n".join(message["content"] for message in body["messages"])
    match = PASSAGE.search(shown)
    text = " ".join((match[1] or match[2]).split()) if match else "Nothing was shown."
    sentence = re.split(r"(?<=[.!?])\s", text)[0].strip() + " [1]\n"
    words = re.findall(r"\S+\s*", sentence)
    return (words * (count // len(words) + 1))[:count]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, options: argparse.Namespace) -> None:
    """Serve the requests of one connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
            path = head.split(b" ", 2)[1]
            if path == b"/v1/models":
                _whole(writer, {"object": "list", "data": [{"id": MODEL}, {"id": "answer"}]})
            elif path == b"/tokenize":
                _whole(writer, {"count": len(body["prompt"]) // 4})
            elif path == b"/metrics":
                _whole(writer, {})
            else:
                await _stream(writer, reply_pieces(body, options.pieces), options.pause_ms / 1000)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _stream(writer: asyncio.StreamWriter, pieces: list[str], pause_s: float) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for piece in [*pieces, None]:
        choice = {"index": 0, "delta": {"content": piece} if piece else {}, "logprobs": None, "finish_reason": None}
        event = {"id": "chatcmpl-8d6", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        _chunk(writer, f"data: {json.dumps({**event, 'choices': [choice]})}\n\n".encode())
        await asyncio.sleep(pause_s)
    _chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def _whole(writer: asyncio.StreamWriter, value: Any) -> None:
    data = json.dumps(value).encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)
    )


async def _serve(options: argparse.Namespace) -> None:
    server = await asyncio.start_server(lambda r, w: answer(r, w, options), "127.0.0.1", options.port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--pause-ms", type=float, default=2.0)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
