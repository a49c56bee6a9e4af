"""Adding a server's protocol takes the steps that CONTRIBUTING.md lists, and no others."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.long

PROTOCOL = '''\
"""The backend `parrot`: models at a server that takes one text and gives one back."""

from collections.abc import Mapping
from typing import Any, Literal

from engine.backends.http.exchange import Exchange, bad_body, count, parsed, retry_after, shown
from engine.backends.http.model import server_backend
from engine.backends.http.protocol import WORDS, ChatProtocol, ChatRequest, Mode
from engine.backends.http.settings import ServerSettings
from engine.backends.protocol import Usage


class ParrotSettings(ServerSettings):
    """Settings of a parrot."""

    structured: Literal["auto", "shape", "prompt"] = "auto"
    """How the parrot is told the schema of a reply."""


def _headers(key: str) -> dict[str, str]:
    return {"X-Cracker": key}


def _write(chat: ChatRequest) -> dict[str, Any]:
    text = "\\n".join(turn.content for turn in chat.turns)
    return {"bird": chat.model, "text": text, "words": chat.max_tokens, "mood": chat.temperature}


def _shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"shape": dict(schema)}


def _read(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    if status == 420:
        wait = retry_after(headers)
        return Exchange("rate_limit", status=status, detail=shown(body), retry_after=wait)
    if status != 200:
        return Exchange("server_error", status=status, detail=shown(body))
    try:
        answer = parsed(body)
    except ValueError as problem:
        return bad_body(status, body, problem)
    usage = Usage(count(answer, "heard"), count(answer, "squawked"))
    return Exchange("reply", answer["squawk"], "stop", status, usage=usage, server="polly")


SHAPE = Mode("shape", _shape)
PROTOCOL = ChatProtocol(
    path="/squawk",
    base="at the cage",
    headers=_headers,
    modes=(SHAPE, WORDS),
    tried=(SHAPE, WORDS),
    write=_write,
    read=_read,
)
BACKEND = server_backend("parrot", PROTOCOL, ParrotSettings)
'''
TRIAL = """\
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
import engine
from engine.backends import BACKENDS
from engine.backends.protocol import Message, Request
from engine.plan.flow import host_of, key_of
from engine.plan.resources import role_model
from engine.plan.schema import recipe_schema
from engine.spec.recipe import ModelSpec

assert Path(engine.__file__).is_relative_to(Path.cwd())
SCHEMA = {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False,
}
heard = []


class Parrot(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        heard.append((self.path, self.headers["X-Cracker"], sorted(body)))
        told = "colour" in body["shape"]["properties"]
        squawk = {"colour": "qx7"} if told else {"n": "no"} if len(heard) == 3 else {"n": 3}
        status = 420 if len(heard) == 2 else 200
        answer = json.dumps({"squawk": json.dumps(squawk), "heard": 5, "squawked": 2}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        if status == 420:
            self.send_header("retry-after", "0.1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Parrot)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
os.environ["CRACKER"] = "secret"
settings = {"base_url": url, "api_key": {"env": "CRACKER"}, "price": {"prompt": 1e6, "completion": 1e6}}
model = BACKENDS["parrot"].open("generator", None, "grey", settings)
request = Request((Message("user", "Say a number."),), SCHEMA, 20, 0.0, "parrot:grey")
for group in model.complete_many([request], frozenset()):
    for done in group:
        print(done.error, done.value, done.method, done.cost, [each.kind for each in done.tries])
print(heard[0])
ref = role_model(ModelSpec.model_validate({"backend": "parrot", "model": "grey", **settings}), Path())
print(host_of(ref).replace(str(server.server_port), "PORT"), key_of(ref))
print('"parrot"' in json.dumps(recipe_schema()))
"""


def test_a_protocol_is_a_file_and_a_line(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("engine/backends/parrot.py", PROTOCOL)
    registry = "engine/backends/__init__.py"
    line = '            "openai",\n'
    engine.change(registry, line, f'{line}            "parrot",\n')
    assert engine.run(TRIAL).splitlines() == [
        "probe None shape 7.0 []",
        "schema None shape 7.0 ['rate_limit']",
        "None {'n': 3} shape 7.0 []",
        "('/squawk', 'secret', ['bird', 'mood', 'shape', 'text', 'words'])",
        "127.0.0.1:PORT on this machine CRACKER",
        "True",
    ]
