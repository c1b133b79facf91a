"""The endpoint side by side with three usual ways to serve the same weights: latency and processor time a request.

python benchmarks/serving.py --data DIR                          # all shapes
python benchmarks/serving.py --shapes compact --seconds 4        # one, on the bundled sample

DIR holds NSMC's ratings_test.txt. `ours` is `bentoml serve` with the prediction log on; `fastapi` calls the very same
model in an endpoint of three lines, without log, metrics, limits or batching; `mlflow` is `mlflow models serve`
around the same model; `pipeline` is FastAPI and transformers.pipeline padded to 128 tokens. Shapes: base (BERT, 12
layers of 768), compact (2 of 256), both with random weights and int8, and linear. Every call of a model computes with
one thread. The load is closed: each client sends its next request when the last is answered. Processor time is that of
the server's whole process tree.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # in place of this folder, in which `serving` would be this file
CLIENTS = (1, 8, 32)
PADDED_TOKENS = 128
SECONDS_TO_START = 90
WARM_UP_SECONDS = 3  # until imports, migrations and the first full batches are behind every server
SHAPES = {"base": (12, 768, 30_000), "compact": (2, 256, 16_000)}  # layers, width, vocabulary

MLFLOW_MODEL = """
import mlflow
from sentiment.predictor import Predictor

class Sentiment(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from pathlib import Path
        self.predictor = Predictor.load(Path(context.artifacts["model"]))
        if hasattr(self.predictor.classifier, "threads"):
            self.predictor.classifier.threads = 1

    def predict(self, context, model_input, params=None):
        return self.predictor.predict(model_input["text"].tolist(), return_probs=True)

mlflow.models.set_model(Sentiment())
"""


@dataclass(frozen=True)
class Server:
    """A way to serve: how it is started and asked."""

    name: str
    port: int
    command: Sequence[str | Path]
    path: str
    body: Callable[[str], Any]
    environment: dict[str, str]


@dataclass(frozen=True)
class Cell:
    """What one server did for one number of clients."""

    milliseconds: list[float]
    refused: int
    seconds: float
    cpu_seconds: float

    def at(self, share: float) -> float:
        """The latency in milliseconds below which this share of the requests stays."""
        return sorted(self.milliseconds)[int(share * (len(self.milliseconds) - 1))]

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds a request."""
        return 1_000 * self.cpu_seconds / len(self.milliseconds)


def peer_app(kind: str, folder: Path, port: int) -> None:
    """What a person would write."""
    import fastapi
    import pydantic
    import uvicorn

    class Text(pydantic.BaseModel):
        text: str

    app = fastapi.FastAPI()
    if kind == "pipeline":
        import torch
        import transformers

        torch.set_num_threads(1)
        pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu", top_k=None)

        @app.post("/predict")
        def by_pipeline(asked: Text) -> Any:
            return pipeline(asked.text, padding="max_length", max_length=PADDED_TOKENS, truncation=True)
    else:
        from sentiment.predictor import Predictor

        predictor = Predictor.load(folder)
        if hasattr(predictor.classifier, "threads"):
            predictor.classifier.threads = 1

        @app.post("/predict")
        def by_model(asked: Text) -> Any:
            return predictor.predict(asked.text, return_probs=True)[0]

    uvicorn.run(app, port=port, access_log=False, log_level="warning")


def make_models(shape: str, texts: Sequence[str], into: Path) -> tuple[Path, Path | None]:
    """The folder that is served, and the transformer it was made from."""
    if shape == "linear":
        import polars as pl

        from sentiment.data.reviews import COLUMNS, Reviews
        from sentiment.kinds.linear import LinearConfig
        from sentiment.text.normalise import TextNormaliser
        from sentiment.training.linear import train_linear

        labels = [index % 2 for index in range(len(texts))]
        frame = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts, "label": labels})
        missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in frame.columns]
        reviews = Reviews.from_frame(frame.with_columns(missing), ("negative", "positive"))
        model = train_linear(LinearConfig(name="linear"), reviews, reviews, normaliser=TextNormaliser(), seed=0)
        model.save(into / "model")
        return into / "model", None

    import torch
    import transformers

    from sentiment.export.onnx import to_int8, to_onnx
    from sentiment.models.transformer import TransformerClassifier
    from sentiment.text.normalise import TextNormaliser
    from sentiment.training.compact import train_tokenizer

    layers, width, vocabulary = SHAPES[shape]
    tokenizer = train_tokenizer(texts, vocabulary, PADDED_TOKENS)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        num_labels=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    bert = transformers.BertForSequenceClassification(config)
    classifier = TransformerClassifier(bert, tokenizer, ("negative", "positive"), TextNormaliser())
    classifier.save(into / "transformer")
    to_int8(to_onnx(classifier)).save(into / "model")
    return into / "model", into / "transformer"


def servers(model: Path, transformer: Path | None, work: Path) -> list[Server]:
    import mlflow

    code = work / "mlflow_model.py"
    code.write_text(MLFLOW_MODEL)
    mlflow.pyfunc.save_model(
        work / "mlflow", python_model=str(code), artifacts={"model": str(model)}, pip_requirements=[]
    )
    binaries = Path(sys.executable).parent
    me: list[str | Path] = [sys.executable, __file__, "--peer"]
    home = {"BENTOML_HOME": str(work / "bentoml"), "BENTOML_DO_NOT_TRACK": "1", "SENTIMENT_HOME": str(work / "home")}
    serve: list[str | Path] = [
        binaries / "bentoml",
        "serve",
        "serving.service:Sentiment",
        "--host",
        "127.0.0.1",
        "--port",
    ]
    mlflow_serve: list[str | Path] = [
        binaries / "mlflow",
        "models",
        "serve",
        "--model-uri",
        work / "mlflow",
        "--env-manager",
        "local",
    ]
    mlflow_options = ["--host", "127.0.0.1", "--workers", "1", "--port"]

    def server(name: str, command: Sequence[str | Path], **environment: str) -> Server:
        port = free_port()
        return Server(name, port, [*command, str(port)], "/predict", lambda text: {"text": text}, environment)

    found = [
        server("ours", serve, **home, SENTIMENT_MODEL_DIR=str(model)),
        server("fastapi", [*me, "model", model]),
        replace(
            server("mlflow", [*mlflow_serve, *mlflow_options]),
            path="/invocations",
            body=lambda text: {"dataframe_split": {"columns": ["text"], "data": [[text]]}},
        ),
    ]
    if transformer:
        found.append(server("pipeline, padded", [*me, "pipeline", transformer]))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(server: Server, log: Path) -> Iterator[psutil.Process]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # mlflow looks for uvicorn there
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **server.environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*server.command], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{server.name} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        for end in (signal.SIGTERM, signal.SIGKILL):  # the second for children that outlive the first: mlflow's do
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, end)
                process.wait(15)
        time.sleep(0.5)


def measure(
    server: Server, process: psutil.Process, texts: list[str], clients: int, *, seconds: float, requests: int
) -> Cell:
    cpu, start = cpu_seconds(process), time.perf_counter()
    milliseconds, refused = asyncio.run(load(server, texts, clients, seconds, requests))
    return Cell(milliseconds, refused, time.perf_counter() - start, cpu_seconds(process) - cpu)


async def load(
    server: Server, texts: list[str], clients: int, seconds: float, requests: int
) -> tuple[list[float], int]:
    milliseconds: list[float] = []
    refused = 0
    numbers = count()
    deadline = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while (number := next(numbers)) < requests and time.perf_counter() < deadline:
            body = json.dumps(server.body(texts[number % len(texts)]), ensure_ascii=False).encode()
            head = f"POST {server.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            start = time.perf_counter()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
            if answer[9:10] == b"2":
                milliseconds.append(1_000 * (time.perf_counter() - start))
            else:
                refused += 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return milliseconds, refused


def cpu_seconds(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


def read_texts(data: Path | None) -> list[str]:
    import polars as pl

    if data is None:
        return pl.read_csv(ROOT / "data/sample/reviews.csv").filter(pl.col("language") == "ko")["text"].to_list()
    frame = pl.read_csv(data / "ratings_test.txt", separator="\t", quote_char=None)
    return frame["document"].drop_nulls().sample(4_000, seed=0).to_list()


def benchmark(shape: str, texts: list[str], limits: argparse.Namespace) -> None:
    print(f"\n{shape:<18}{'clients':>8}{'requests':>10}{'not 2xx':>9}{'a second':>10}", end="")
    print(f"{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'CPU, of ours':>14}")
    ours: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model, transformer = make_models(shape, texts, work)
        for server in servers(model, transformer, work):
            with running(server, work / "log.txt") as process:
                measure(server, process, texts, 4, seconds=WARM_UP_SECONDS, requests=limits.requests)
                for clients in CLIENTS:
                    cell = measure(server, process, texts, clients, seconds=limits.seconds, requests=limits.requests)
                    ratio = cell.cpu_ms / ours.setdefault(clients, cell.cpu_ms)
                    print(
                        f"{server.name:<18}{clients:>8}{len(cell.milliseconds):>10}{cell.refused:>9}"
                        f"{len(cell.milliseconds) / cell.seconds:>10.0f}{cell.at(0.5):>9.2f}{cell.at(0.95):>9.2f}"
                        f"{cell.cpu_ms:>9.2f}{ratio:>13.2f}x",
                        flush=True,
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="The folder with ratings_test.txt; the bundled sample if not given.")
    parser.add_argument("--shapes", nargs="+", choices=[*SHAPES, "linear"], default=[*SHAPES, "linear"])
    parser.add_argument("--seconds", type=float, default=5, help="The longest a cell may take.")
    parser.add_argument("--requests", type=int, default=10_000, help="The most requests of a cell.")
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        peer_app(options.peer[0], Path(options.peer[1]), int(options.peer[2]))
        return
    texts = read_texts(options.data)
    for shape in options.shapes:
        benchmark(shape, texts, options)


if __name__ == "__main__":
    main()
