import re
import shutil
import sqlite3
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sentiment.config.deploy import SmokeTestConfig
from sentiment.data.reviews import Reviews
from sentiment.lifecycle.deployment import smoke_test
from sentiment.models.folder import load_classifier
from sentiment.predictor import Predictor
from sentiment.store.feedback import read_feedback
from sentiment.store.journal import Entry, Journal
from sentiment.store.records import SMOKE_TEST_CALLER, TRYOUT_KEY, caller_digest
from serving.schemas import PredictionIds

TEXT = "정말 재미있게 봤어요. 다시 보고 싶은 영화!"


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def test_a_text_gets_a_prediction(client):
    answer = client.post("/predict", json={"text": TEXT})

    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"prediction_id", "prediction", "confidence", "probabilities", "model_version"}
    assert body["prediction"] == "positive"
    assert body["confidence"] == body["probabilities"]["positive"] == max(body["probabilities"].values())
    assert sum(body["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert body["model_version"] == "7"
    assert uuid.UUID(body["prediction_id"]).version == 7


def test_an_answer_ends_its_line(client):
    assert client.post("/predict", json={"text": TEXT}).text.endswith("}\n")
    assert client.post("/predict", json={"text": ""}).text.endswith("}\n")


@pytest.mark.parametrize("path", ["/", "/monitor", "/livez", "/model", "/recent"])
def test_where_there_is_get_there_is_head(client, path):
    asked, told = client.get(path), client.head(path)

    assert (asked.status_code, told.status_code) == (200, 200)
    assert told.content == b""
    assert told.headers["content-type"] == asked.headers["content-type"]


def test_ids_are_unique_uuids_that_begin_with_the_time():
    before = time.time_ns() // 1_000_000
    ids = PredictionIds()
    made = [uuid.UUID(ids.new()) for _ in range(1_000)]

    assert len(set(made)) == len({each.int % 2**62 for each in made}) == 1_000
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    times = [each.int >> 80 for each in made]
    assert before <= times[0] <= times[-1] <= time.time_ns() // 1_000_000
    assert times == sorted(times)


@pytest.mark.parametrize("form", [{"files": {"text": (None, TEXT)}}, {"data": {"text": TEXT}}], ids=["-F", "-d"])
def test_a_form_field_gets_the_same_prediction(client, form):
    by_json, by_form = client.post("/predict", json={"text": TEXT}), client.post("/predict", **form)

    assert by_form.status_code == 200
    assert by_form.json()["probabilities"] == by_json.json()["probabilities"]


def test_http_and_python_agree_on_a_thousand_texts(client, model_dir, reviews: Reviews):
    texts = reviews.texts[:1000]
    assert len(texts) == 1000
    expected = Predictor.load(model_dir).predict(texts, return_probs=True)

    answered = [
        prediction
        for start in range(0, len(texts), 250)
        for prediction in client.post("/predict_batch", json={"texts": texts[start : start + 250]}).json()[
            "predictions"
        ]
    ]

    assert [each["prediction"] for each in answered] == [each["label"] for each in expected]
    for ours, theirs in zip(answered, expected, strict=True):
        assert ours["probabilities"] == pytest.approx(theirs["probs"], abs=1e-6)


def test_a_batch_keeps_the_order_and_names_every_prediction(client):
    texts = [TEXT, "돈이 아까워요. 최악입니다.", TEXT]

    predictions = client.post("/predict_batch", json={"texts": texts}).json()["predictions"]

    assert [each["prediction"] for each in predictions] == ["positive", "negative", "positive"]
    assert len({each["prediction_id"] for each in predictions}) == 3


def test_the_explanation_adds_up_to_what_the_model_says(client, model_dir):
    classifier = load_classifier(model_dir)

    body = client.post("/explain", json={"text": TEXT}).json()

    assert [each["word"] for each in body["words"]] == TEXT.split()
    assert [each["weight"] for each in body["words"]] == pytest.approx([each[1] for each in classifier.explain(TEXT)])
    assert body["prediction"] == "positive"


def test_feedback_is_taken_for_a_prediction_just_made(client):
    prediction = client.post("/predict", json={"text": TEXT}).json()["prediction_id"]

    answer = client.post("/feedback", json={"prediction_id": prediction, "label": "negative"})

    assert answer.status_code == 200
    assert answer.json() == {"prediction_id": prediction, "label": "negative"}


def test_the_log_tells_callers_with_the_api_key_apart_without_knowing_them(start_server):
    headers = {"X-Caller-Key": "kim@example.com"}
    with start_server(SENTIMENT_API_KEY="a-key-of-our-own-1") as server:
        client = server.client(Authorization="Bearer a-key-of-our-own-1")
        known = client.post("/predict", json={"text": TEXT}, headers=headers).json()["prediction_id"]
        unknown = client.post("/predict", json={"text": TEXT}).json()["prediction_id"]
        for prediction, sent in ((known, {}), (unknown, headers)):
            client.post("/feedback", json={"prediction_id": prediction, "label": "positive"}, headers=sent)

        digest = caller_digest("kim@example.com")
        assert len(digest) == 16
        caller = f"key:{digest}"
        assert logged(server, "SELECT caller FROM predictions WHERE id = ?", known) == [(caller,)]
        assert logged(server, "SELECT caller FROM predictions WHERE id = ?", unknown) == [("key:",)]
        assert logged(server, "SELECT caller FROM feedback WHERE prediction_id = ?", unknown) == [(caller,)]
        assert logged(server, "SELECT caller FROM feedback WHERE prediction_id = ?", known) == [("key:",)]


def test_without_the_api_key_a_caller_is_nobody_whatever_he_calls_himself(client, server):
    headers = {"X-Caller-Key": "kim@example.com"}
    made = client.post("/predict", json={"text": TEXT}, headers=headers).json()["prediction_id"]
    client.post("/feedback", json={"prediction_id": made, "label": "positive"}, headers={"X-Caller-Key": "key:other"})
    assert logged(server, "SELECT caller FROM predictions WHERE id = ?", made) == [("open",)]
    assert logged(server, "SELECT caller FROM feedback WHERE prediction_id = ?", made) == [("open",)]


def test_texts_of_the_smoke_test_can_be_left_out(server, model_dir):
    texts = ("이 문장은 시험입니다", "this is a test")

    smoke_test(server.url, {"7": load_classifier(model_dir)}, SmokeTestConfig(texts=texts, tolerance=0.01))

    rows = logged(server, "SELECT text FROM predictions WHERE caller = ?", SMOKE_TEST_CALLER, count=2)
    assert sorted(rows) == sorted((text,) for text in texts)
    with server.client() as client:
        recent = client.get("/recent", params={"limit": 100, "tryouts": True}).json()["predictions"]
    assert not {row["text"] for row in recent} & set(texts)


def logged(server, query: str, value: str, count: int = 1) -> list[tuple[object, ...]]:
    """The rows of the server's own database, which has them, and at first its tables, a moment after the answer."""
    deadline = time.monotonic() + 10
    with closing(sqlite3.connect(server.log.parent / "home" / "predictions.db")) as database:
        while True:
            try:
                rows = database.execute(query, (value,)).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error) or time.monotonic() > deadline:
                    raise
                rows = []
            if len(rows) >= count or time.monotonic() > deadline:
                return rows
            time.sleep(0.1)


def test_the_model_tells_its_card(client, model_dir):
    card = client.get("/model").json()

    assert (card["version"], card["kind"], card["labels"]) == ("7", "linear", list(load_classifier(model_dir).labels))
    assert card["normaliser"] == {"version": "1", "max_repeat": 3}
    assert card["metrics"]["macro_f1"] == 0.81
    assert card["git_commit"] == "1" * 40


def test_recent_traffic_is_masked(client):
    made = client.post("/predict", json={"text": "좋아요 hong@example.com 010-1234-5678"}).json()

    rows = client.get("/recent", params={"limit": 5}).json()["predictions"]

    (row,) = [each for each in rows if each["prediction_id"] == made["prediction_id"]]
    assert row["text"] == "좋아요 [EMAIL] [PHONE]"
    assert (row["label"], row["role"]) == (made["prediction"], "champion")
    deadline = time.monotonic() + 10  # the database has the row a moment later
    while not (total := client.get("/summary", params={"hours": 1}).json()["total"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert total >= 1


def test_try_outs_are_recent_only_for_who_asks_for_them_and_no_label_of_theirs_is_learnt_from(client, server):
    made = client.post("/predict", json={"text": TEXT}, headers={"X-Caller-Key": TRYOUT_KEY}).json()["prediction_id"]
    logged(server, "SELECT id FROM predictions WHERE id = ?", made)

    def recent(query: str) -> dict[str, bool]:
        rows = client.get(f"/recent?{query}").json()["predictions"]
        return {row["prediction_id"]: row["tryout"] for row in rows}

    assert made not in recent("limit=100")
    assert recent("limit=100&tryouts=true")[made] is True

    label = {"prediction_id": made, "label": "negative"}
    assert client.post("/feedback", json=label, headers={"X-Caller-Key": TRYOUT_KEY}).status_code == 200
    logged(server, "SELECT id FROM feedback WHERE prediction_id = ?", made)
    labels = read_feedback(f"sqlite:///{server.log.parent / 'home' / 'predictions.db'}", "sentiment")
    assert made not in labels["prediction_id"].to_list()


def test_a_trace_says_where_an_answer_came_from(client, server):
    made = client.post("/predict", json={"text": TEXT}).json()["prediction_id"]
    logged(server, "SELECT id FROM predictions WHERE id = ?", made)
    with closing(Journal(f"sqlite:///{server.log.parent / 'home' / 'predictions.db'}", "sentiment")) as journal:
        forced = {"actor": "kim", "reason": "a drill", "forced": True}
        before = datetime.now(UTC) - timedelta(days=1)
        journal.record(Entry("promotion", "Promoted BY FORCE", "7", forced, time=before))
        journal.record(Entry("promotion", "Of another version", "6", {}, time=before))
        journal.record(Entry("deployment", "After the answer", "7", {}))

    found = client.get(f"/trace/{made.upper()}").json()

    assert (found["text"], found["origin"], found["model_version"]) == (TEXT, "endpoint", "7")
    assert (found["dataset"], found["gate"], found["forced"]) == ("the bundled sample", "approved", True)
    (promotion,) = found["history"]
    assert promotion["said"]["ko"] == "강제 승격(게이트 무시), kim: a drill"
    missing = client.get(f"/trace/{uuid.uuid4()}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_prediction")


def test_metrics_count_what_was_asked(client):
    def total(name: str, **labels: str) -> float:
        families = text_string_to_metric_families(client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    before = total("sentiment_requests_total", endpoint="/predict", status="200")
    scored = total("sentiment_predictions_total", label="positive", model_version="7", role="champion")

    client.post("/predict", json={"text": TEXT})

    assert total("sentiment_requests_total", endpoint="/predict", status="200") == before + 1
    assert total("sentiment_predictions_total", label="positive", model_version="7", role="champion") == scored + 1
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", client.get("/metrics").text, re.MULTILINE))
    assert (
        types.items()
        >= {
            "sentiment_requests_total": "counter",
            "sentiment_request_seconds": "histogram",
            "sentiment_batch_size": "histogram",
            "sentiment_queue_depth": "gauge",
            "sentiment_predictions_total": "counter",
            "sentiment_confidence": "histogram",
            "sentiment_log_lag_seconds": "gauge",
            "sentiment_log_depth": "gauge",
            "sentiment_log_dropped_total": "counter",
            "sentiment_log_spooled_total": "counter",
            "sentiment_log_quarantined_total": "counter",
            "sentiment_canary_state": "gauge",
        }.items()
    )


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer(client, path):
    assert client.get(path).status_code == 200


BAD_BODIES = [
    (400, "invalid_json", b""),
    (400, "invalid_json", b"{"),
    (400, "invalid_json", b'{"text": "\xff"}'),
    (400, "invalid_json", b'{"text": "\\ud800"}'),
    (400, "invalid_json", b'{"text": ' + b"[" * 100_000),
    (422, "not_an_object", b"[]"),
    (422, "missing_field", b"{}"),
    (422, "not_text", b'{"text": 1e999}'),
    (422, "not_text", b'{"text": null}'),
    (422, "not_text", b'{"text": ["a"]}'),
    (422, "empty_text", b'{"text": ""}'),
    (422, "empty_text", b'{"text": " \\n\\t\\u3000"}'),
    (422, "text_too_long", b'{"text": "' + b"a" * 5_001 + b'"}'),
    (422, "unknown_field", b'{"text": "a", "x": 1}'),
]


@pytest.mark.parametrize(("status", "code", "body"), BAD_BODIES)
def test_a_bad_body_is_refused_in_one_shape(client, status, code, body):
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, code_of(answer)) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/predict", {"text": " "}, "text: it is empty."),
        ("/predict", {"text": 7}, "text: it is not a text."),
        ("/predict", {"text": "a" * 5_001}, "text: it has more than 5000 characters."),
        ("/predict", {}, "text: it is missing."),
        ("/predict", {"text": "a", "secret": 1}, "The body: it has an unknown field."),
        ("/predict", [], "The body: it is not a JSON object."),
        ("/predict_batch", {"texts": "a"}, "texts: it is not a list."),
        ("/predict_batch", {"texts": []}, "texts: it has no texts."),
        ("/predict_batch", {"texts": ["a"] * 257}, "texts: it has more than 256 texts."),
        ("/predict_batch", {"texts": ["a", ""]}, "texts.1: it is empty."),
    ],
)
def test_a_refusal_says_what_is_wrong_in_words_for_people(client, path, body, message):
    assert client.post(path, json=body).json()["error"]["message"] == message


def test_other_refusals_have_the_same_shape(client):
    texts = {"texts": ["좋아요"] * 257}
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    refusals = [
        (415, "unsupported_media_type", client.post("/predict", content=b"hi", headers={"Content-Type": "text/plain"})),
        (422, "too_many_texts", client.post("/predict_batch", json=texts)),
        (422, "no_texts", client.post("/predict_batch", json={"texts": []})),
        (409, "unknown_label", client.post("/feedback", json={"prediction_id": "x", "label": "great"})),
        (404, "unknown_prediction", client.post("/feedback", json={"prediction_id": "x", "label": "positive"})),
        (404, "not_found", client.get("/nothing/here")),
        (405, "method_not_allowed", client.get("/predict")),
        (405, "method_not_allowed", client.request("QUERY", "/predict", json={"text": TEXT})),
        (405, "method_not_allowed", client.post("/livez")),
        (405, "method_not_allowed", client.delete("/readyz")),
        (404, "not_found", client.get("/healthz")),
        (400, "invalid_form", client.post("/predict", content=b"--y\r\n", headers=boundary)),
        (422, "repeated_field", client.post("/predict", content=b"text=a&text=b", headers=FORM)),
        (400, "invalid_form", client.post("/predict", files={"text": ("a.txt", b"x")})),
        (422, "invalid_request", client.get("/recent", params={"limit": 0})),
    ]
    for status, code, answer in refusals:
        assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    assert client.get("/predict").headers["allow"] == "POST"
    assert client.post("/livez").headers["allow"] == "GET"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_body_over_the_limit_is_not_read_to_its_end(client, declared):
    sent = 0

    def chunks():
        nonlocal sent
        for _ in range(200):
            sent += 1
            yield b" " * 2**20

    headers = {"Content-Type": "application/json"} | ({"Content-Length": str(200 * 2**20)} if declared else {})
    try:
        answer = client.post("/predict", content=chunks(), headers=headers)
    except httpx.WriteError:  # the server answered and closed while we still sent
        pass
    else:
        assert (answer.status_code, code_of(answer)) == (413, "body_too_large")
    assert sent < 100
    assert client.post("/predict", json={"text": TEXT}).status_code == 200


def test_an_api_key_is_asked_for_where_it_is_set(start_server):
    key = "a-long-enough-secret"
    with start_server(SENTIMENT_API_KEY=key) as server, server.client() as client:
        body = {"json": {"text": TEXT}}
        assert code_of(client.post("/predict", **body)) == "unauthorized"
        assert client.post("/predict", **body, headers={"X-API-Key": "wrong"}).status_code == 401
        assert client.get("/recent", headers={"Authorization": "Bearer " + key + "x"}).status_code == 401
        assert client.get("/report").status_code == 401
        assert client.get("/recent", headers={b"X-API-Key": b"\xff\xfe"}).status_code == 401
        assert client.post("/predict", **body, headers={"X-API-Key": key}).status_code == 200
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert client.get("/recent", headers={"Authorization": f"{scheme} {key}"}).status_code == 200
        for path in ("/", "/docs", "/livez", "/readyz", "/metrics", "/openapi.json"):
            assert client.get(path).status_code == 200
        assert key not in server.log.read_text()


def test_pages_come_with_a_policy_that_knows_no_other_origin(client):
    for path in ("/", "/docs", "/report"):
        answer = client.get(path)
        assert "http" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_a_model_without_a_report_says_so(start_server, model_dir, tmp_path):
    shutil.copytree(model_dir, tmp_path / "model")
    with start_server(SENTIMENT_MODEL_DIR=str(tmp_path / "model")) as server, server.client() as client:
        assert client.get("/report").status_code == 404
        assert code_of(client.get("/report")) == "no_report"


def code_of(answer: httpx.Response) -> str:
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    assert "Traceback" not in answer.text
    return body["error"]["code"]
