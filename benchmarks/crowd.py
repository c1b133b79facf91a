"""A healthy client among connections that only take room: its latency beside its quiet one, and what was refused.

    python -m benchmarks.crowd --crowd 1000 --requests 300                  # a linear model of the bundled sample
    python -m benchmarks.crowd --crowd 1000 --requests 300 --model FOLDER

One quarter each of the crowd says nothing, sends a byte of a header now and then, a byte of a body, and headers without
an end. A connection that the endpoint ends is opened again. The healthy client asks /predict one request after the
other, once on a connection that it keeps and once on a new one for each request. Quiet and crowded alternate.
"""

import argparse
import asyncio
import http.client
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.outage import serving
from benchmarks.switch import sample_model

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"text": "다시 보고 싶은 영화"})
ROUNDS = 3
DRIP_SECONDS = 0.5
SETTLE_SECONDS = 2.0
ENDLESS_BYTES = 1 << 14


async def nuisance(port: int, number: int) -> None:
    begin = (b"", HEAD, HEAD + b"Content-Length: 99\r\n\r\n{", HEAD + b"X: ")[number % 4]
    drip = (b"", b"X", b" ", b"a" * ENDLESS_BYTES)[number % 4]
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin)
            ended = asyncio.ensure_future(reader.read())
            while not ended.done():
                writer.write(drip)
                await asyncio.wait((ended,), timeout=DRIP_SECONDS)
            writer.close()
            ended.result()
        except OSError:
            await asyncio.sleep(DRIP_SECONDS)


class Crowd:
    """So many nuisances in a thread of their own."""

    def __init__(self, port: int, size: int) -> None:
        self.port, self.size = port, size
        self.stop = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> None:
        self.thread.start()
        time.sleep(SETTLE_SECONDS)

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    async def _run(self) -> None:
        tasks = [asyncio.ensure_future(nuisance(self.port, number)) for number in range(self.size)]
        while not self.stop.is_set():
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()


def ask(port: int, requests: int, *, keep: bool) -> tuple[list[float], int]:
    """Milliseconds of the answered requests, and how many were not answered 200."""
    taken, failed = [], 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(requests):
        start = time.perf_counter()
        try:
            connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            failed += response.status != 200
            taken.append(1_000 * (time.perf_counter() - start))
        except (OSError, http.client.HTTPException):
            failed += 1
            connection.close()
        if not keep:
            connection.close()
    connection.close()
    return taken, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crowd", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        model = (arguments.model or sample_model(state / "model")).resolve()
        with serving(model, f"sqlite:///{state}/predictions.db", state) as port:
            ask(port, arguments.requests, keep=True)
            for keep in (True, False):
                quiet: list[float] = []
                crowded: list[float] = []
                failed = 0
                for _ in range(ROUNDS):
                    quiet += ask(port, arguments.requests, keep=keep)[0]
                    with Crowd(port, arguments.crowd):
                        taken, missed = ask(port, arguments.requests, keep=keep)
                    crowded, failed = crowded + taken, failed + missed
                    time.sleep(SETTLE_SECONDS)
                p95 = [float(np.percentile(each, 95)) for each in (quiet, crowded)]
                figures = {
                    "crowd": arguments.crowd,
                    "connection": "kept" if keep else "new",
                    "quiet_p95_ms": round(p95[0], 2),
                    "crowded_p95_ms": round(p95[1], 2),
                    "ratio": round(p95[1] / p95[0], 2),
                    "not_answered": f"{failed} of {ROUNDS * arguments.requests}",
                }
                print(json.dumps(figures))


if __name__ == "__main__":
    main()
