"""The HTTP API and the page: `create_app(settings)`.

Bodies are read and checked here rather than by FastAPI: /predict takes JSON and forms, the size is limited while
reading, and the one error shape holds for everything. FastAPI routes, and writes the schema from the same models.
"""

import asyncio
import gc
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ValidationError
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from sentiment.home import home
from sentiment.store import PredictionLog, PredictionRecord, Summary
from sentiment.store.database import StoreError
from sentiment.store.records import (
    KEYED_CALLER,
    OPEN_CALLER,
    SMOKE_TEST_KEY,
    TRYOUT_CALLER,
    TRYOUT_KEY,
    caller_digest,
)
from serving import errors
from serving.batching import InferenceError, QueueFullError
from serving.errors import ApiError, ErrorBody
from serving.explain import word_weights
from serving.metrics import Metrics
from serving.monitoring import Monitoring, MonitoringReport
from serving.schemas import (
    Explanation,
    FeedbackAccepted,
    Model,
    Prediction,
    PredictionIds,
    PredictionList,
    RecentPrediction,
    RecentPredictions,
    Requests,
    TraceReport,
    TrafficReport,
    WordWeight,
)
from serving.security import Edge, content_security_policy, content_type, form_fields, read_body, while_connected
from serving.settings import REPORT_FILE, ServingSettings
from serving.tracing import trace_report
from serving.traffic import Scored, ShadowScored, Traffic

PAGES: Final = Path(__file__).parent / "page"
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
MAX_EXPLANATIONS: Final = 4
SHORT_BODY_BYTES: Final = 16 * 2**10
RETRY_AFTER: Final = {"Retry-After": "1"}
Body = TypeVar("Body", bound=BaseModel)
# Goes into the page that names it: one file is sent, and its policy holds for what is inside alone.
_SCRIPT: Final = re.compile(r'<script src="([\w-]+\.js)"></script>')

logger = logging.getLogger(__name__)


def create_app(settings: ServingSettings) -> FastAPI:
    """The application. Models are loaded when it starts, not here: building a Bento imports this without a model."""
    return Server(settings).app


class DirectPost(APIRoute):
    """A route whose handler takes the Request and gives the Response: FastAPI documents it and has nothing to parse.

    Its own way there is a quarter of a request's processor time, the model left out.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a POST; any other method is refused as everywhere."""
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


class Server:
    """The handlers, and what they share."""

    traffic: Traffic
    log: PredictionLog

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        self.requests = Requests(settings)
        self.metrics = Metrics()
        self.monitoring = Monitoring(settings.database_url)
        self.ids = PredictionIds()
        self.readers = ThreadPoolExecutor(settings.threads, thread_name_prefix="reading")
        self.explaining = 0
        self.app = FastAPI(
            title="Sentiment",
            description="Korean and English sentiment. Every 4xx and 5xx is `{error: {code, message}}`.",
            version="1",
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
        )
        self._add_routes()
        paths = frozenset(getattr(route, "path", "") for route in self.app.routes)
        api_key = settings.api_key.get_secret_value() if settings.api_key else None
        self.app.add_middleware(Edge, metrics=self.metrics, endpoints=paths, api_key=api_key)
        errors.install(self.app)

    async def predict(self, request: Request) -> Response:
        """Classify one text, given as JSON or as the form field `text`."""
        start = time.perf_counter()
        asked = await self._parsed(request, self.requests.predict, forms=True)
        scored = await self._score([asked.text], request)
        (prediction,) = self._logged([asked.text], scored, time.perf_counter() - start, self._caller(request))
        return _json(prediction)

    async def predict_batch(self, request: Request) -> Response:
        """Classify several texts in one go."""
        start = time.perf_counter()
        asked = await self._parsed(request, self.requests.predict_batch)
        scored = await while_connected(request, self._score(asked.texts, request))
        predictions = self._logged(asked.texts, scored, time.perf_counter() - start, self._caller(request))
        return _json(PredictionList(predictions=predictions))

    async def explain(self, request: Request) -> Response:
        """Which words pushed the champion's prediction there. Not logged as a prediction."""
        asked = await self._parsed(request, self.requests.predict)
        if self.explaining >= MAX_EXPLANATIONS:
            raise _overloaded()
        side = self.traffic.champion
        self.explaining += 1
        try:
            words = await asyncio.to_thread(word_weights, side.classifier, asked.text)
            (row,) = (await asyncio.to_thread(side.classifier.predict_proba, [asked.text])).tolist()
        finally:
            self.explaining -= 1
        best = side.answer(row)
        return _json(
            Explanation(
                prediction=side.classifier.labels[best],
                confidence=row[best],
                words=[WordWeight(word=word, weight=weight) for word, weight in words],
            )
        )

    async def feedback(self, request: Request) -> Response:
        """Say which label is right for an earlier prediction."""
        asked = await self._parsed(request, self.requests.feedback)
        labels = self.traffic.champion.classifier.labels
        if asked.label not in labels:
            # No error of form: another version may well know the label.
            raise ApiError(409, "unknown_label", f"The label must be one of {', '.join(labels)}.")
        predicted = await asyncio.to_thread(self.log.label_of, asked.prediction_id)
        caller = self._caller(request)
        if not await asyncio.to_thread(self.log.feedback, asked.prediction_id, asked.label, caller=caller):
            raise ApiError(404, "unknown_prediction", "There is no prediction with this id.")
        correct = "unknown" if predicted is None else str(predicted == asked.label).lower()
        self.metrics.feedback.labels(correct).inc()
        return _json(FeedbackAccepted(prediction_id=asked.prediction_id, label=asked.label))

    async def model(self) -> Model:
        """The champion's card: version, metrics, labels, normaliser."""
        side = self.traffic.champion
        return Model(
            **side.served.model_dump(),
            kind=side.classifier.kind,
            digest=side.digest,
            labels=list(side.classifier.labels),
            normaliser=side.classifier.normaliser.model_dump(),
            limits={
                "max_text_chars": self.settings.max_text_chars,
                "max_batch": self.settings.max_batch,
                "max_body_bytes": self.settings.max_body_bytes,
            },
        )

    async def recent(self, limit: Annotated[int, Query(ge=1, le=100)] = 20, tryouts: bool = False) -> RecentPredictions:
        """The latest predictions, newest first; texts are masked. With `tryouts` also those asked on the page."""
        rows = await asyncio.to_thread(lambda: self.log.recent(limit, tryouts=tryouts))
        return RecentPredictions(predictions=[_recent(row) for row in rows])

    async def trace(self, prediction_id: Annotated[str, PathParameter(max_length=64)]) -> TraceReport:
        """Where an answer came from: its model, what that was trained on, its gate, who promoted and deployed it."""
        try:
            served = [side.served for side in self.traffic.sides]
            found = await asyncio.to_thread(
                trace_report, self.settings.database_url, prediction_id.strip().lower(), served
            )
        except StoreError:
            raise ApiError(503, "no_database", "The prediction database is out of reach.", RETRY_AFTER) from None
        if found is None:
            raise ApiError(
                404,
                "unknown_prediction",
                "There is no prediction with this id, or not yet: it is logged a moment after the answer.",
            )
        return found

    async def summary(self, hours: Annotated[int, Query(ge=1, le=24 * 90)] = 24) -> Summary:
        """Counts of the last hours: by label, version, hour and feedback."""
        return await asyncio.to_thread(self.log.summary, hours)

    async def report_monitoring(self, days: Annotated[int, Query(ge=1, le=90)] = 30) -> MonitoringReport:
        """How the model is doing: verdicts, quality, drift, traffic, alerts, decisions to retrain."""
        served = self.traffic.champion.served
        report = await self.monitoring.report(served.model_name, served.version, days)
        return report.model_copy(update={"forced": served.forced})

    async def report(self) -> Response:
        """The report of the run that trained the champion."""
        path = self.settings.model_dir.parent / REPORT_FILE
        if not path.is_file():
            raise ApiError(404, "no_report", "No report was deployed with this model.")
        html = await asyncio.to_thread(path.read_text, encoding="utf-8")
        return HTMLResponse(html, headers={"Content-Security-Policy": content_security_policy(html)})

    async def report_traffic(self) -> TrafficReport:
        """Champion against candidate: versions, labels, latency, errors, agreement."""
        return self.traffic.report()

    async def livez(self) -> str:
        """The process answers."""
        return "\n"

    async def readyz(self) -> str:
        """The model is loaded: the server takes requests only after it is."""
        return "\n"

    async def read_metrics(self) -> Response:
        """Prometheus metrics."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def unknown_path(self, request: Request) -> Response:
        """405 when the path exists under another method, else 404."""
        known = [route for route in self.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
        if known:
            allowed = {
                "Allow": ", ".join(sorted(method for route in known for method in getattr(route, "methods", ())))
            }
            raise ApiError(405, "method_not_allowed", "This path has no such method.", allowed)
        raise ApiError(404, "not_found", "There is nothing at this path; see /docs.")

    async def _parsed(self, request: Request, model: type[Body], *, forms: bool = False) -> Body:
        sent = content_type(request)
        if sent != "application/json" and not (forms and sent in FORMS):
            accepted = ", ".join(("application/json", *FORMS) if forms else ("application/json",))
            raise ApiError(415, "unsupported_media_type", f"The content type must be {accepted}.")
        body = await read_body(request, limit=self.settings.max_body_bytes, seconds=self.settings.body_seconds)
        try:
            if sent == "application/json":
                if len(body) <= SHORT_BODY_BYTES:
                    return model.model_validate_json(body)
                # Thousands of characters of markup take a while to tell from a text; everybody else would wait for it.
                return await asyncio.get_running_loop().run_in_executor(self.readers, model.model_validate_json, body)
            return model.model_validate(await form_fields(request, body))
        except ValidationError as error:
            raise errors.from_validation(error) from None

    def _caller(self, request: Request) -> str:
        """Who asks, as it is logged. A key that comes without the API key may be anyone's, and is not looked at."""
        key = request.headers.get("x-caller-key", "")
        if key in {SMOKE_TEST_KEY, TRYOUT_KEY}:
            return caller_digest(key)
        if not self.settings.api_key:
            return OPEN_CALLER
        return KEYED_CALLER + (caller_digest(key) if key else "")

    async def _score(self, texts: Sequence[str], request: Request) -> Scored:
        caller = self._caller(request)
        # A canary's share is of callers; who is none of ours, or only tries, would choose his side: chance does.
        named = caller.startswith(KEYED_CALLER) and caller != KEYED_CALLER
        try:
            return await self.traffic.score(texts, caller if named else secrets.token_hex(8))
        except QueueFullError:
            raise _overloaded() from None
        except InferenceError as error:
            logger.exception("A batch failed.")
            raise ApiError(500, "inference_failed", "The model failed on this request.") from error

    def _logged(self, texts: Sequence[str], scored: Scored, seconds: float, caller: str | None) -> list[Prediction]:
        predictions = _predictions(scored, self.ids)
        if not self.settings.log_predictions:
            return predictions
        now = datetime.now(UTC)
        for text, prediction in zip(texts, predictions, strict=True):
            self.log.put(
                PredictionRecord(
                    id=prediction.prediction_id,
                    time=now,
                    model_name=self.log.model_name,
                    model_version=prediction.model_version,
                    text=text,
                    label=prediction.prediction,
                    confidence=prediction.confidence,
                    probabilities=prediction.probabilities,
                    latency_ms=1_000 * seconds,
                    role=scored.role,
                    caller=caller,
                )
            )
        return predictions

    def _log_shadow(self, shadow: ShadowScored) -> None:
        self._logged(shadow.texts, shadow.scored, shadow.seconds, None)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.traffic = await asyncio.to_thread(Traffic.load, self.settings, self.metrics, self._log_shadow)
        self.log = PredictionLog(
            self.settings.database_url,
            home() / "spool",
            self.traffic.champion.served.model_name,
            retention_days=self.settings.retention_days,
            label_retention_days=self.settings.label_retention_days,
        )
        self.metrics.watch("sentiment_queue_depth", "Texts that wait for the model.", self.traffic.depth)
        self.metrics.watch("sentiment_log_lag_seconds", "Age of the oldest unwritten row.", self.log.lag_seconds)
        self.metrics.watch("sentiment_log_depth", "Rows that wait to be written.", self.log.depth)
        self.metrics.watch("sentiment_log_dropped_total", "Rows that were lost.", lambda: self.log.dropped)
        self.metrics.watch("sentiment_log_spooled_total", "Rows that waited on disk.", lambda: self.log.spooled)
        self.metrics.watch(
            "sentiment_log_quarantined_total", "Rows that no database takes.", lambda: self.log.quarantined
        )
        self.log.start()
        # What is loaded by now stays; unfrozen, every full collection walks it while all requests wait. On a linear
        # model with 32 clients this made it 0.36 instead of 0.60 ms of processor time a request.
        gc.collect()
        gc.freeze()
        try:
            async with self.traffic:
                yield
        finally:
            await asyncio.to_thread(self.monitoring.close)
            await asyncio.to_thread(self.log.close)
            self.readers.shutdown()

    def _add_routes(self) -> None:
        _add_post(self.app, "/predict", self.predict, Prediction, self.requests.predict, forms=True)
        _add_post(self.app, "/predict_batch", self.predict_batch, PredictionList, self.requests.predict_batch)
        _add_post(self.app, "/explain", self.explain, Explanation, self.requests.predict)
        _add_post(self.app, "/feedback", self.feedback, FeedbackAccepted, self.requests.feedback, also=(404, 409))
        for path, read in (("/model", self.model), ("/traffic", self.report_traffic)):
            self.app.get(path, responses=_errors(401))(read)
        for path, query in (("/recent", self.recent), ("/summary", self.summary)):
            self.app.get(path, responses=_errors(401, 422))(query)
        self.app.get("/trace/{prediction_id}", responses=_errors(401, 404, 422, 503))(self.trace)
        self.app.get("/monitoring", responses=_errors(401, 422))(self.report_monitoring)
        for path, health in (("/livez", self.livez), ("/readyz", self.readyz)):
            self.app.get(path, response_class=PlainTextResponse)(health)
        self.app.get("/metrics", response_class=PlainTextResponse)(self.read_metrics)
        for path, name in (("/", "index.html"), ("/docs", "docs.html"), ("/monitor", "monitor.html")):
            self.app.add_api_route(path, _page(PAGES / name), include_in_schema=False)
        self.app.add_api_route("/report", self.report, include_in_schema=False)
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
        self.app.add_route("/{path:path}", self.unknown_path, methods=methods, include_in_schema=False)


def _add_post(
    app: FastAPI,
    path: str,
    handler: Any,
    response: type[BaseModel],
    body: type[BaseModel],
    *,
    forms: bool = False,
    also: tuple[int, ...] = (),
) -> None:
    schema = {"schema": body.model_json_schema()}
    kinds = ("application/json", *FORMS) if forms else ("application/json",)
    app.router.add_api_route(
        path,
        handler,
        methods=["POST"],
        response_model=response,
        responses=_errors(400, 401, 408, 413, 415, 422, 500, 503, *also),
        openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(kinds, schema)}},
        route_class_override=DirectPost,
    )


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in statuses}


def _page(path: Path) -> Any:
    html = _SCRIPT.sub(
        lambda found: f"<script>\n{(PAGES / found[1]).read_text(encoding='utf-8')}</script>",
        path.read_text(encoding="utf-8"),
    )
    headers = {"Content-Security-Policy": content_security_policy(html)}

    async def page() -> Response:
        return HTMLResponse(html, headers=headers)

    return page


def _predictions(scored: Scored, ids: PredictionIds) -> list[Prediction]:
    labels, version = scored.side.classifier.labels, scored.side.served.version
    return [
        Prediction(
            prediction_id=ids.new(),
            prediction=labels[best],
            confidence=row[best],
            probabilities=dict(zip(labels, row, strict=True)),
            model_version=version,
        )
        for best, row in zip(scored.best, scored.rows, strict=True)
    ]


def _recent(row: PredictionRecord) -> RecentPrediction:
    return RecentPrediction(
        prediction_id=row.id,
        time=row.time.isoformat(),
        text=row.text,
        label=row.label,
        confidence=row.confidence,
        model_version=row.model_version,
        role=row.role,
        tryout=row.caller == TRYOUT_CALLER,
    )


def _json(body: BaseModel) -> Response:
    return Response(f"{body.model_dump_json()}\n", media_type="application/json")


def _overloaded() -> ApiError:
    return ApiError(503, "overloaded", "Too much is waiting; try again.", RETRY_AFTER)
