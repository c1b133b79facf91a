"""A candidate with a server of its own: the texts it is to score go there over HTTP.

A candidate that crashes, leaks memory or needs more of the machine then harms no answer of the champion.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, Self

import httpx
import numpy as np

from sentiment.errors import SentimentError
from sentiment.stats import Probabilities
from sentiment.tasks import FIRST

CONNECT_SECONDS: Final = 10.0  # a Service routes to its pods a moment after they are ready
POLL_SECONDS: Final = 0.5
REQUEST_SECONDS: Final = 5.0


class RemoteModel:
    """The model of another server. `card` is what that server says of it at /model."""

    def __init__(self, client: httpx.Client, card: dict[str, Any]) -> None:
        self.task: str = card.get("task", FIRST)
        self.labels: tuple[str, ...] = tuple(card["labels"])
        self.card = card
        self._client = client
        self._most = int(card["limits"]["max_batch"])

    @classmethod
    def connect(cls, url: str, api_key: str | None) -> Self:
        """Ask the server for its model until it answers. Raises SentimentError after CONNECT_SECONDS."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        client = httpx.Client(base_url=url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return cls(client, client.get("/model").raise_for_status().json())
            except (httpx.HTTPError, ValueError, KeyError) as error:
                if time.monotonic() > deadline:
                    raise SentimentError(
                        f"The candidate's server {url} does not answer ({type(error).__name__}: {error})."
                    ) from None
            time.sleep(POLL_SECONDS)

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)). Raises httpx.HTTPError when the server fails."""
        rows: list[list[float]] = []
        for start in range(0, len(texts), self._most):
            asked = {"texts": list(texts[start : start + self._most])}
            answer = self._client.post("/predict_batch", json=asked).raise_for_status().json()
            rows += [[each["probabilities"][label] for label in self.labels] for each in answer["predictions"]]
        return np.asarray(rows, dtype=np.float32)
