"""Bodies nobody should send, floods, and whatever schemathesis derives from /openapi.json: never a 5xx but 503."""

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

BODIES = 10_000
MEBIBYTE = 2**20
BODY_SECONDS = 2.0
PATHS = ("/predict", "/predict_batch", "/feedback", "/explain")
KINDS = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "application/json; charset=utf-16",
    "",
    "/;;=\xff",
)
PIECES = (
    b'{"text": ', b'{"texts": [', b'"', b"}", b"]", b"[", b"{", b",", b"\\u0000", b"\\ud83d", b"\\", b"\xff\xfe", b"\0",
    b"null", b"true", b"1e999", b"-0", b"9" * 400, b"text=", b"&", b"%", b"%00", b"--x\r\n", b"--x--\r\n", b"\r\n\r\n",
    b'Content-Disposition: form-data; name="text"', "ㅋ".encode() * 50, "👍🏽".encode(), b"<script>", b"&amp;" * 9,
    b"' OR 1=1 --", b"prediction_id", b"label", b"\xed\xa0\x80", b"\xe2\x80\xae", b"{{7*7}}", b"../../etc", b"NaN",
)  # fmt: skip


def hostile_body(draw: random.Random) -> bytes:
    match draw.randrange(5):
        case 0:
            return draw.randbytes(draw.randrange(200))
        case 1:
            return b"".join(draw.choices(PIECES, k=draw.randrange(1, 12)))
        case 2:
            return b"[" * draw.randrange(1, 2_000)
        case 3:
            text = "".join(chr(draw.randrange(1, 0x110000)) for _ in range(draw.randrange(30)))
            return json.dumps(
                {draw.choice(("text", "texts", "label")): draw.choice((text, [text], {}, 10**400, None))}
            ).encode()
        case _:
            valid = bytearray(json.dumps({"text": "정말 재미있어요"}).encode())
            valid[draw.randrange(len(valid))] = draw.randrange(256)
            return bytes(valid)


def test_ten_thousand_hostile_bodies_leave_no_5xx_and_no_memory(server):
    draw = random.Random(42)
    bodies = [(draw.choice(PATHS), draw.choice(KINDS).encode("latin-1"), hostile_body(draw)) for _ in range(BODIES)]

    async def send(some: list[tuple[str, bytes, bytes]]) -> Counter[int]:
        statuses: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            for path, kind, body in some:
                answer = await client.post(path, content=body, headers=[(b"Content-Type", kind)])
                statuses[answer.status_code] += 1
                assert answer.is_success or answer.json().keys() == {"error"}
                assert b"Traceback" not in answer.content
        return statuses

    async def send_all(some: list[tuple[str, bytes, bytes]]) -> Counter[int]:
        return sum(await asyncio.gather(*(send(some[start::8]) for start in range(8))), Counter())

    warm = asyncio.run(send_all(bodies[: BODIES // 4]))
    before = server.rss()
    statuses = warm + asyncio.run(send_all(bodies[BODIES // 4 :]))

    assert statuses.total() == BODIES
    assert max(statuses) < 500, statuses
    assert statuses[200] > 20
    assert server.rss() - before < 25 * MEBIBYTE


@pytest.fixture(scope="module")
def limited(start_server):
    """A server with little room and little patience."""
    with start_server(SENTIMENT_QUEUE_TEXTS="80", SENTIMENT_BODY_SECONDS=str(BODY_SECONDS)) as server:
        yield server


def test_overload_gets_503_with_retry_after_and_passes(limited):
    text = "정말 재미있게 봤어요 " * 200

    async def flood(url: str) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
            body = {"texts": [text] * 40}
            probe = asyncio.create_task(client.get("/livez"))
            answers = await asyncio.gather(*(client.post("/predict_batch", json=body) for _ in range(64)))
            assert (await probe).status_code == 200
            return answers

    with limited.client() as client:
        answers = asyncio.run(flood(limited.url))

        assert Counter(answer.status_code for answer in answers).keys() == {200, 503}
        for refused in (answer for answer in answers if answer.status_code == 503):
            assert refused.json()["error"]["code"] == "overloaded"
            assert int(refused.headers["retry-after"]) >= 1
        assert client.post("/predict", json={"text": "좋아요"}).status_code == 200


@pytest.mark.parametrize("sent", [b"", b'{"text": '], ids=["nothing", "a part"])
def test_a_body_that_takes_too_long_is_refused_and_the_connection_closed(limited, sent):
    address = urlsplit(limited.url)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        start = time.monotonic()
        connection.sendall(head + sent)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # to the end of the connection

    status, _, rest = answer.partition(b"\r\n")
    assert status.split()[1] == b"408"
    assert BODY_SECONDS <= time.monotonic() - start < BODY_SECONDS + 10
    assert b"connection: close" in rest.lower()
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_too_slow"


def test_every_operation_keeps_to_its_schema(server, tmp_path):
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json"]
    options = ["--checks=all", "--mode=all", "--max-examples=25", "--generation-deterministic", "--no-color"]

    run = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)

    assert run.returncode == 0, run.stdout[-6000:]
