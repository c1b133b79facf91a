"""The smoke test against servers that answer rightly, wrongly, and not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sentiment.config.deploy import SmokeTestConfig
from sentiment.errors import StackError
from sentiment.lifecycle.deployment import smoke_test
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier

CONFIG = SmokeTestConfig(texts=("정말 재밌어요", "a waste of money"), tolerance=0.01, timeout_seconds=0.5)
Respond = Callable[[str, dict[str, str]], tuple[int, object]]


@pytest.fixture(scope="module")
def classifier(model_dir: Path) -> TextClassifier:
    return load_classifier(model_dir)


@contextmanager
def answering(respond: Respond) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = respond(body["text"], dict(self.headers))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def answer(classifier: TextClassifier, text: str, *, shift: float = 0.0) -> dict[str, object]:
    row = classifier.predict_proba([text])[0].tolist()
    row = [row[0] + shift, *row[1:]]
    label = classifier.labels[row.index(max(row))]
    return {
        "prediction": label,
        "probabilities": dict(zip(classifier.labels, row, strict=True)),
        "model_version": "3",
    }


def test_equal_answers_pass(classifier: TextClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def respond(text: str, headers: dict[str, str]) -> tuple[int, object]:
        seen.append(headers.get("Authorization"))
        return 200, answer(classifier, text, shift=0.001)

    monkeypatch.setenv("SENTIMENT_API_KEY", "a-long-enough-key")
    with answering(respond) as url:
        answers = smoke_test(url, {"3": classifier}, CONFIG)
    assert [each.text for each in answers] == list(CONFIG.texts)
    assert all(each.difference == pytest.approx(0.001, abs=1e-6) for each in answers)
    assert {each.model_version for each in answers} == {"3"}
    assert seen == ["Bearer a-long-enough-key"] * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: (200, {**found, "probabilities": {"negative": 0.5, "positive": 0.5}}), "the Python API"),
        (lambda found: (200, {**found, "prediction": "neutral"}), "neutral"),
        (lambda found: (200, {**found, "model_version": "2"}), "KeyError"),
        (lambda found: (200, {"prediction": found["prediction"]}), "KeyError"),
        (lambda found: (200, [found]), "TypeError"),
        (lambda found: (503, found), "503"),
    ],
    ids=["probabilities", "label", "version", "no probabilities", "not an object", "status"],
)
def test_any_other_answer_fails(
    classifier: TextClassifier, change: Callable[[dict[str, object]], tuple[int, object]], words: str
) -> None:
    with (
        answering(lambda text, _: change(answer(classifier, text))) as url,
        pytest.raises(StackError, match=words) as raised,
    ):
        smoke_test(url, {"3": classifier}, CONFIG)
    assert CONFIG.texts[0] in str(raised.value)


def test_no_answer_in_time_fails(classifier: TextClassifier) -> None:
    def respond(text: str, _: dict[str, str]) -> tuple[int, object]:
        time.sleep(2 * CONFIG.timeout_seconds)
        return 200, answer(classifier, text)

    with answering(respond) as url, pytest.raises(StackError, match="ReadTimeout"):
        smoke_test(url, {"3": classifier}, CONFIG)
