"""A server on the loopback that speaks enough of OpenAI's protocol to prove that calls really go over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass
class OpenAIStub:
    """What the server answers, and what it was asked.

    Attributes:
        url: to be given as ``api_base``.
        answers: texts, one a completion; the last one is repeated.
        statuses: HTTP statuses to fail with before answering, one a request.
        requests: the bodies that came in, in order.
        hold: a stream waits here before each chunk but the first two; set at first, so that it doesn't wait.
        hung_up: set when a client went away in the middle of a stream.
    """

    url: str = ""
    answers: list[str] = field(default_factory=lambda: ["Noted."])
    statuses: list[int] = field(default_factory=list)
    requests: list[Json] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self) -> str:
        """Return the next text."""
        with self.lock:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def openai_stub(answers: Sequence[str] = ("Noted.",)) -> Iterator[OpenAIStub]:
    """Serve on a free port until the block is left."""
    stub = OpenAIStub(answers=list(answers))
    stub.hold.set()
    server = ThreadingHTTPServer(("localhost", 0), _handler(stub))
    server.daemon_threads = True
    stub.url = f"http://localhost:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(stub: OpenAIStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with stub.lock:
                stub.requests.append(body)
                status = stub.statuses.pop(0) if stub.statuses else 200
            if status != 200:
                self._reply(status, {"error": {"message": "told to fail", "type": "stub", "code": str(status)}})
            elif self.path.endswith("/embeddings"):
                self._reply(200, _embeddings(body))
            elif body.get("stream"):
                self._stream(body, stub.next_answer())
            else:
                self._reply(200, _completion(body, stub.next_answer()))

        def _reply(self, status: int, answer: Json) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")  # LiteLLM keeps its clients for ever, and their sockets with them
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, body: Json, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for number, word in enumerate(text.split(" ")):
                    if number >= 2:
                        stub.hold.wait(60)
                    self._event(_chunk(body, {"content": word if number == 0 else f" {word}"}, None))
                self._event(_chunk(body, {}, "stop"))
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:  # the client closed its end
                stub.hung_up.set()

        def _event(self, chunk: Json) -> None:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    return Handler


def _completion(body: Json, text: str) -> Json:
    message = {"role": "assistant", "content": text}
    return {
        "id": "stub", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }  # fmt: skip


def _chunk(body: Json, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {"id": "stub", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [choice]}


def _embeddings(body: Json) -> Json:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    rows = [{"object": "embedding", "index": n, "embedding": [float(len(t)), 1.0, 0.0]} for n, t in enumerate(texts)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}  # in no particular order
