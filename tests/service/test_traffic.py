"""Shadow and canary: over HTTP with two real models, and with models that fail or drag."""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sentiment.data.reviews import Reviews
from sentiment.errors import SentimentError
from sentiment.models.linear import LinearClassifier
from sentiment.stats import Probabilities
from serving import batching, remote
from serving.batching import MEASURED_TEXTS, SHORT_CHARS, InferenceError, MicroBatcher, QueueFullError
from serving.metrics import Metrics
from serving.settings import ServingSettings
from serving.traffic import ShadowScored, Side, Traffic, in_share

TEXTS = ["정말 재미있어요", "최악이에요"]


def test_a_canary_answers_its_share_of_callers_and_always_the_same(start_server, candidate_dir):
    key = "key-of-all-the-servers"
    canary = {"SENTIMENT_TRAFFIC": "canary", "SENTIMENT_CANARY_SHARE": "0.3", "SENTIMENT_API_KEY": key}
    with start_server(**canary, SENTIMENT_CANDIDATE_DIR=str(candidate_dir)) as server:
        client = server.client(Authorization=f"Bearer {key}")

        def version(caller: str) -> str:
            headers = {"X-Caller-Key": caller}
            return client.post("/predict", json={"text": "좋아요"}, headers=headers).json()["model_version"]

        callers = [f"caller-{number}" for number in range(300)]
        first = [version(caller) for caller in callers]
        report = client.get("/traffic").json()

        assert [version(caller) for caller in callers[:50]] == first[:50]
        assert 0.2 < first.count("8") / len(first) < 0.4
        assert report["state"] == "live"
        assert report["candidate"]["requests"] == first.count("8")
        assert report["candidate"]["error_rate"] == report["champion"]["error_rate"] == 0
        assert {row["role"] for row in client.get("/recent").json()["predictions"]} == {"champion", "canary"}


def test_without_the_api_key_no_caller_chooses_his_side_of_a_canary(start_server, candidate_dir):
    canary = {"SENTIMENT_TRAFFIC": "canary", "SENTIMENT_CANARY_SHARE": "0.5"}
    with start_server(**canary, SENTIMENT_CANDIDATE_DIR=str(candidate_dir)) as server, server.client() as client:
        asked = [client.post("/predict", json={"text": "좋아요"}, headers={"X-Caller-Key": "me"}) for _ in range(40)]
        assert {answer.json()["model_version"] for answer in asked} == {"7", "8"}


def test_a_candidate_with_a_server_of_its_own_answers_its_share(start_server, candidate_dir):
    key = {"SENTIMENT_API_KEY": "key-of-all-the-servers"}
    alone = {"SENTIMENT_MODEL_DIR": str(candidate_dir), "SENTIMENT_LOG_PREDICTIONS": "false", **key}
    with ExitStack() as own:
        candidate = own.enter_context(start_server(**alone))
        # Errors alone may take it back here, not a busy machine.
        limits = {"SENTIMENT_CANARY_MAX_LATENCY_RATIO": "1000"}
        canary = {"SENTIMENT_TRAFFIC": "canary", "SENTIMENT_CANARY_SHARE": "0.3", **limits}
        with start_server(**canary, **key, SENTIMENT_CANDIDATE_URL=candidate.url) as server:
            client = server.client(Authorization="Bearer key-of-all-the-servers")

            def answers() -> list[dict[str, object]]:
                headers = [{"X-Caller-Key": f"caller-{number}"} for number in range(300)]
                asked = [client.post("/predict", json={"text": "좋아요"}, headers=each) for each in headers]
                return [each.raise_for_status().json() for each in asked]

            before = answers()
            report = client.get("/traffic").json()
            theirs = candidate.client(Authorization="Bearer key-of-all-the-servers")
            said = theirs.post("/predict", json={"text": "좋아요"}).json()
            assert theirs.get("/recent").json()["predictions"] == [], "the champion's server logs"
            own.close()  # the candidate's server ends
            after = answers()
            fallen_back = client.get("/traffic").json()

    share = [each for each in before if each["model_version"] == "8"]
    assert 0.2 < len(share) / len(before) < 0.4
    assert share[0]["probabilities"] == pytest.approx(said["probabilities"], abs=1e-6)
    assert (report["state"], report["candidate"]["requests"]) == ("live", len(share))
    assert {each["model_version"] for each in after} == {"7"}, "what the candidate cannot answer, the champion does"
    assert fallen_back["state"] == "fallen_back"
    assert "requests failed" in fallen_back["reason"]


def test_a_champion_whose_candidate_is_gone_answers_everything(model_dir, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "CONNECT_SECONDS", 0.2)
    settings = ServingSettings(model_dir=model_dir, traffic="canary", candidate_url="http://127.0.0.1:9")
    traffic = Traffic.load(settings, Metrics(), lambda _: None)

    async def ask() -> str:
        async with traffic:
            return (await traffic.score(TEXTS, "caller")).role

    assert asyncio.run(ask()) == "champion"
    report = traffic.report()
    assert (report.state, report.candidate) == ("fallen_back", None)
    assert "http://127.0.0.1:9 does not answer" in str(report.reason)


def test_a_shadow_is_scored_and_logged_but_never_answers(start_server, candidate_dir, reviews: Reviews):
    shadow = {"SENTIMENT_TRAFFIC": "shadow", "SENTIMENT_CANDIDATE_DIR": str(candidate_dir)}
    with start_server(**shadow) as server, server.client() as client:
        answers = client.post("/predict_batch", json={"texts": reviews.texts[:200]}).json()["predictions"]

        assert {answer["model_version"] for answer in answers} == {"7"}
        deadline = time.monotonic() + 10
        while (report := client.get("/traffic").json())["compared"] < 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (report["state"], report["compared"]) == ("shadowing", 200)
        assert 0.8 < report["agreement"] < 1
        roles = [row["role"] for row in client.get("/recent", params={"limit": 100}).json()["predictions"]]
        assert "shadow" in roles
        counted = {
            (sample.labels["role"], sample.labels["model_version"]): sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
            if sample.name == "sentiment_predictions_total"
        }
        assert counted.keys() == {("champion", "7"), ("shadow", "8")}


class Failing(LinearClassifier):
    """Fails once `healthy` batches have gone well."""

    healthy = 0

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        self.healthy -= 1
        if self.healthy < 0:
            raise RuntimeError("the graph is broken")
        return super().predict_proba(texts)


class Dragging(LinearClassifier):
    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        time.sleep(0.02)
        return super().predict_proba(texts)


def traffic_with(model_dir: Path, kind: type[LinearClassifier], **settings: object) -> Traffic:
    chosen = ServingSettings(model_dir=model_dir, canary_share=0.5, canary_min_requests=20, **settings)
    metrics = Metrics()
    champion, candidate = (Side.load(model_dir, chosen, metrics.batch_size.observe) for _ in range(2))
    candidate.classifier = kind.load(model_dir)
    candidate.batcher = MicroBatcher(
        candidate.classifier.predict_proba,
        batch_texts=32,
        batch_chars=20_000,
        queue_texts=chosen.queue_texts,
        threads=1,
    )
    return Traffic(chosen, metrics, champion, candidate, lambda _: None)


@pytest.mark.parametrize(("kind", "reason"), [(Failing, "requests failed"), (Dragging, "p95")])
def test_a_canary_that_breaches_the_limits_is_taken_back(model_dir, kind, reason):
    traffic = traffic_with(model_dir, kind, traffic="canary")

    async def ask() -> list[str]:
        async with traffic:
            return [(await traffic.score(TEXTS, f"caller-{number}")).role for number in range(150)]

    roles = asyncio.run(ask())

    assert traffic.state == "fallen_back"
    assert reason in traffic.report().reason
    assert roles[-1] == "champion"
    assert set(roles[-50:]) == {"champion"}
    assert traffic.metrics.registry.get_sample_value("sentiment_canary_state") == 2


def test_a_failing_shadow_harms_nobody(model_dir):
    traffic = traffic_with(model_dir, Failing, traffic="shadow")

    async def ask() -> set[str]:
        async with traffic:
            return {(await traffic.score(TEXTS, "caller")).role for _ in range(20)}

    assert asyncio.run(ask()) == {"champion"}
    assert traffic.report().candidate.error_rate == 1


def test_a_slow_shadow_drops_what_it_has_no_time_for(model_dir):
    traffic = traffic_with(model_dir, Dragging, traffic="shadow", queue_texts=10)
    scored: list[ShadowScored] = []
    traffic.on_shadow = scored.append

    async def ask() -> float:
        async with traffic:
            start = time.perf_counter()
            for _ in range(50):
                await traffic.score(TEXTS, "caller")
            return time.perf_counter() - start

    seconds = asyncio.run(ask())
    report = traffic.report()

    assert seconds < 50 * 0.02
    assert report.dropped > 0
    assert report.dropped + report.compared == 100
    assert sum(len(each.texts) for each in scored) == report.compared


def test_the_share_is_stable_and_about_right():
    callers = [f"{number}" for number in range(10_000)]

    chosen = [caller for caller in callers if in_share(caller, 0.1)]

    assert 900 < len(chosen) < 1_100
    assert set(chosen) < {caller for caller in callers if in_share(caller, 0.2)}
    assert not any(in_share(caller, 0) for caller in callers)
    assert all(in_share(caller, 1) for caller in callers)


def test_a_candidate_is_needed_and_must_know_the_same_labels(model_dir):
    with pytest.raises(SentimentError, match="no candidate"):
        Traffic.load(ServingSettings(model_dir=model_dir, traffic="canary"), Metrics(), lambda _: None)


def batcher(predict, **limits: int) -> MicroBatcher:
    return MicroBatcher(predict, **{"batch_texts": 8, "batch_chars": 1_000, "queue_texts": 20, "threads": 1, **limits})


def test_what_waited_is_scored_together_and_comes_back_in_order(model_dir):
    classifier = LinearClassifier.load(model_dir)
    sizes: list[int] = []

    def predict(texts: Sequence[str]) -> Probabilities:
        sizes.append(len(texts))
        time.sleep(0.01)
        return classifier.predict_proba(texts)

    texts = [f"{text} {number}" for number in range(10) for text in TEXTS]

    async def ask() -> list[Probabilities]:
        async with batcher(predict) as scoring:
            return await asyncio.gather(*(scoring.score([text]) for text in texts))

    answers = asyncio.run(ask())

    assert sizes == [8, 8, 4]
    for text, answer in zip(texts, answers, strict=True):
        assert answer == pytest.approx(classifier.predict_proba([text]), abs=1e-6)


def test_a_full_queue_refuses_and_a_cancelled_caller_costs_nothing(model_dir):
    classifier = LinearClassifier.load(model_dir)
    asked: list[str] = []

    def predict(texts: Sequence[str]) -> Probabilities:
        asked.extend(texts)
        time.sleep(0.05)
        return classifier.predict_proba(texts)

    async def ask() -> None:
        async with batcher(predict) as scoring:
            first = asyncio.create_task(scoring.score(["first"]))
            await asyncio.sleep(0.01)
            waiting = [asyncio.create_task(scoring.score([f"{number}"])) for number in range(20)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFullError):
                await scoring.score(["too many"])
            waiting[3].cancel()
            await asyncio.gather(first, *waiting, return_exceptions=True)
            assert scoring.depth == 0

    asyncio.run(ask())
    assert "3" not in asked
    assert "too many" not in asked
    assert len(asked) == 20


def test_a_request_of_many_characters_is_scored_in_pieces_between_which_others_have_their_turn(model_dir):
    classifier = LinearClassifier.load(model_dir)
    asked: list[list[str]] = []

    def predict(texts: Sequence[str]) -> Probabilities:
        asked.append(list(texts))
        time.sleep(0.01)
        return classifier.predict_proba(texts)

    texts = [f"{number} {'좋아요 ' * 100}" for number in range(6)]  # two fit into a batch of 1,000 characters

    async def ask() -> tuple[Probabilities, Probabilities]:
        async with batcher(predict) as scoring:
            large = asyncio.create_task(scoring.score(texts))
            await asyncio.sleep(0.005)
            small = await scoring.score(["small"])
            assert not large.done()
            return await large, small

    answer, small = asyncio.run(ask())

    assert asked == [texts[:2], ["small"], texts[2:4], texts[4:]]
    assert answer == pytest.approx(classifier.predict_proba(texts), abs=1e-6)
    assert small == pytest.approx(classifier.predict_proba(["small"]), abs=1e-6)


def test_nothing_more_is_scored_for_a_caller_that_has_gone_or_whose_time_is_over(monkeypatch):
    model = Watched(seconds=0.02)
    texts = ["long" * 250] * 10  # ten pieces

    async def ask() -> tuple[int, int]:
        async with batcher(model) as scoring:
            gone = asyncio.create_task(scoring.score(texts))
            await asyncio.sleep(0.03)
            gone.cancel()
            await asyncio.sleep(0.05)
            assert scoring.depth == 0
            after_the_caller_left = len(model.calls)
            monkeypatch.setattr("serving.batching.PATIENCE_SECONDS", 0.03)
            with pytest.raises(QueueFullError):
                await scoring.score(texts)
        return after_the_caller_left, len(model.calls)

    cancelled, both = asyncio.run(ask())
    assert 0 < cancelled <= 3
    assert both - cancelled <= 3


def test_a_failure_reaches_everyone_in_the_batch_and_no_one_else(model_dir):
    classifier = LinearClassifier.load(model_dir)

    def predict(texts: Sequence[str]) -> Probabilities:
        if "bad" in texts:
            raise ValueError
        return classifier.predict_proba(texts)

    async def ask() -> list[object]:
        async with batcher(predict) as scoring:
            failed = await asyncio.gather(*(scoring.score([text]) for text in ("bad", "good")), return_exceptions=True)
            return [*failed, await scoring.score(["good"])]

    *failed, answered = asyncio.run(ask())
    assert [type(each) for each in failed] == [InferenceError, InferenceError]
    assert answered.shape == (1, 2)


class Watched:
    """A model that takes `seconds` and remembers who called it with how many texts."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.calls: list[tuple[bool, int]] = []  # whether on the event loop's thread

    def __call__(self, texts: Sequence[str]) -> Probabilities:
        time.sleep(self.seconds)
        self.calls.append((threading.current_thread() is threading.main_thread(), len(texts)))
        return np.full((len(texts), 2), 0.5, dtype=np.float32)


def asked(model: Watched, *requests: list[list[str]]) -> list[tuple[bool, int]]:
    """The calls after the model's speed is known; the requests of a group are sent together."""

    async def ask() -> None:
        async with batcher(model, threads=2) as scoring:
            for _ in range(MEASURED_TEXTS):
                await scoring.score(["warm"])
            model.calls.clear()
            for together in requests:
                await asyncio.gather(*(scoring.score(texts) for texts in together))

    asyncio.run(ask())
    return model.calls


def test_a_short_text_on_an_idle_server_is_scored_without_a_thread_when_the_model_is_quick():
    assert asked(Watched(), [["one"]], [["two"]]) == [(True, 1), (True, 1)]


def test_whatever_could_hold_others_up_is_scored_in_a_thread():
    long = "a" * (SHORT_CHARS + 1)

    assert asked(Watched(), [[long]], [["two", "texts"]], [["arrived"], ["together"]]) == [
        (False, 1),
        (False, 2),
        (False, 2),
    ]
    assert asked(Watched(seconds=0.002), [["one"]]) == [(False, 1)]


def test_a_model_that_becomes_slow_leaves_the_event_loop():
    model = Watched()

    async def ask() -> list[tuple[bool, int]]:
        async with batcher(model) as scoring:
            for _ in range(MEASURED_TEXTS):
                await scoring.score(["quick"])
            model.seconds = 0.002
            for _ in range(MEASURED_TEXTS):
                await scoring.score(["slow"])
            model.calls.clear()
            await scoring.score(["slow"])
            return model.calls

    assert asyncio.run(ask()) == [(False, 1)]


def test_who_waits_too_long_is_told_so_and_not_scored(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batching, "PATIENCE_SECONDS", 0.2)
    model = Watched(seconds=0.5)

    async def ask() -> list[object]:
        async with batcher(model, batch_texts=1) as scoring:
            both = [scoring.score([text]) for text in ("scored too late", "never scored")]
            late = await asyncio.gather(*both, return_exceptions=True)
            await asyncio.sleep(model.seconds)
            model.seconds = 0
            return [*late, await scoring.score(["after"])]

    *late, answered = asyncio.run(ask())
    assert [type(each) for each in late] == [QueueFullError, QueueFullError]
    assert answered.shape == (1, 2)
    assert len(model.calls) == 2
