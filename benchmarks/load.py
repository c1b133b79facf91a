"""`Load`: keep-alive clients that ask an endpoint until told to stop, and what they saw."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self
from urllib.parse import urlsplit

REQUEST_SECONDS = 30
SECONDS_AFTER_A_FAILURE = 0.01
TEXTS = ("다시 보고 싶은 영화", "돈이 아까워요 ㅠㅠ", "This is amazing!", "Broke after two days.")


@dataclass
class Load:
    """A closed loop of clients that repeat nothing: every error, and every answer but 2xx, is a failure.

    Each waits `pause` seconds between an answer and its next request.
    """

    url: str
    clients: int = 8
    pause: float = 0
    caller: str | None = None  # sent as X-Caller-Key
    finished: list[tuple[float, float]] = field(default_factory=list)  # when, and after how many seconds
    failures: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)  # of the predictions that were answered
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def slowest(self) -> float:
        """Seconds of the slowest answered request."""
        return max(seconds for _, seconds in self.finished)

    @property
    def downtime(self) -> float:
        """The longest time in which nothing was answered, in seconds."""
        times = sorted(when for when, _ in self.finished)
        return max(later - earlier for earlier, later in pairwise(times))

    def _client(self, number: int) -> None:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=REQUEST_SECONDS)
        while not self._stop.wait(self.pause):
            number += 1
            start = time.monotonic()
            try:
                self._ask(connection, TEXTS[number % len(TEXTS)], start)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
                time.sleep(SECONDS_AFTER_A_FAILURE)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, text: str, start: float) -> None:
        headers = {"Content-Type": "application/json", **({"X-Caller-Key": self.caller} if self.caller else {})}
        connection.request("POST", "/predict", json.dumps({"text": text}), headers)
        response = connection.getresponse()
        content = response.read()
        if not 200 <= response.status < 300:
            self.failures.append(f"HTTP {response.status}")
            return
        now = time.monotonic()
        answer = json.loads(content)
        self.finished.append((now, now - start))
        self.versions.add(answer["model_version"])
        self.ids.append(answer["prediction_id"])
