"""Whatever opens something is in no config, no log and no message: an address holds it by the name of a variable."""

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from pipelines.common.logs import logs_to
from sentiment.config.deploy import DeployConfig
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.monitor import MonitorConfig
from sentiment.config.retrain import RetrainConfig
from sentiment.config.score import ScoreConfig
from sentiment.config.train import TrainConfig
from sentiment.data.read import read, source_digest
from sentiment.data.sources import shown
from sentiment.errors import ConfigError, DataError
from sentiment.stored import Frozen
from sentiment.text.pii import holds_secret

TRAIN = CONFIGS / "train.yaml"
FILES: dict[str, type[Frozen]] = {
    "train": TrainConfig,
    "retrain": RetrainConfig,
    "monitor": MonitorConfig,
    "score": ScoreConfig,
    "deploy": DeployConfig,
}
PLANTED = "hunter2planted7"
OPENS = (
    f"https://me:{PLANTED}@example.com/a.csv",
    f"https://{PLANTED}@example.com/a.csv",
    f"https://example.com/a.csv?X-Amz-Signature={PLANTED}",
    f"https://example.com/a.csv?k={PLANTED}0123",
    f"https://account.blob.core.windows.net/c/a.csv?sv=2024&sig={PLANTED}%3D",
    f"postgresql://me:{PLANTED}@host/reviews",
)


def strings(model: type[BaseModel], key: str = "") -> Iterator[str]:
    """Every setting of a config that can hold a text, as --set takes it; {} stands for the text."""
    for name, field in model.model_fields.items():
        for kind in members(field.annotation):
            if kind is str:
                yield f"{key}{name}={{}}"
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from strings(kind, f"{key}{name}.")
            elif get_origin(kind) in {list, tuple} and str in members(get_args(kind)[0]):
                yield f"{key}{name}=[{{}}]"
            elif get_origin(kind) is dict and str in members(get_args(kind)[0]):
                yield f"{key}{name}={{{{{{}}: x}}}}"
                yield f"{key}{name}={{{{x: {{}}}}}}"


def members(annotation: Any) -> list[Any]:
    """The types that a field may have."""
    if get_origin(annotation) in {Union, UnionType}:
        return [each for part in get_args(annotation) for each in members(part)]
    return members(get_args(annotation)[0]) if get_origin(annotation) is Annotated else [annotation]


SETTINGS = [(name, setting) for name, model in FILES.items() for setting in strings(model)]


def test_the_walk_reaches_what_it_should() -> None:
    known = {("train", "dataset.path={}"), ("train", "model_name={}"), ("train", "dataset.labels=[{}]")}
    assert known <= set(SETTINGS)
    assert ("score", "dataset.test_path={}") in SETTINGS


@pytest.mark.parametrize(("name", "setting"), SETTINGS, ids=lambda value: value)
def test_no_setting_of_any_config_takes_a_secret(name: str, setting: str) -> None:
    for secret in OPENS:
        with pytest.raises(ConfigError) as raised:
            load_config(CONFIGS / f"{name}.yaml", FILES[name], [setting.format(f'"{secret}"')])
        assert PLANTED not in str(raised.value), setting


@pytest.mark.parametrize(
    "text",
    [
        "https://raw.githubusercontent.com/e9t/nsmc/master/ratings_train.txt",
        "https://example.com/a.csv?version=2&raw=true#top",
        "hf://owner/name/config@refs/pr/1",
        "https://me:${PASSWORD}@example.com/a.csv?sig=${SIGNATURE}",
        "data/reviews@home.csv",
        "sqlite:////folder/reviews.db",
    ],
)
def test_a_plain_address_and_a_reference_hold_none(text: str) -> None:
    assert not holds_secret(text)


class _Server(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers.get('Authorization')}")
        self.send_response(404 if "gone" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"text,label\ngood,positive\nbad,negative\n")

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_Server, "asked", [])
    monkeypatch.setenv("PLANTED", PLANTED)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    "written",
    [
        "http://me:${PLANTED}@HOST/a.csv",
        "http://HOST/a.csv?sig=${PLANTED}",
        "http://HOST/${PLANTED}/a.csv",
        "http://HOST/${PLANTED}.csv",
        "${WHOLE}",
    ],
)
def test_an_address_is_read_with_what_its_variables_hold_and_kept_with_their_names(
    written: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHOLE", f"http://me:{PLANTED}@{host}/{PLANTED}.csv?sig={PLANTED}")
    path = written.replace("HOST", host)
    config = load_config(TRAIN, TrainConfig, [f"dataset.path={path}"])
    assert config.dataset.path == path.replace("${", "${env:")
    assert config.dataset.name in {"a", "PLANTED", "WHOLE"}
    with logs_to(tmp_path / "home" / "run.log"):
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("other").info("asked for %s", f"http://me:{PLANTED}@{host}/a.csv?sig={PLANTED}")
        source_digest(config.dataset)
        splits, report = read(config.dataset)
    assert len(splits.train) == 2
    assert PLANTED in _Server.asked[-1] or "Basic" in _Server.asked[-1]
    for told in (config.model_dump_json(), report.model_dump_json(), shown(path), *everything_in(tmp_path)):
        assert PLANTED not in told


def test_an_error_names_the_variable_and_not_what_it_holds(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOLE", f"http://{host}/gone/{PLANTED}")
    config = load_config(TRAIN, TrainConfig, ["dataset.path=${WHOLE}"])
    with pytest.raises(DataError, match=r"WHOLE.*404") as refused:
        read(config.dataset)
    assert PLANTED not in str(refused.value)
    monkeypatch.delenv("WHOLE")
    with pytest.raises(ConfigError, match="needs the environment variable WHOLE"):
        read(config.dataset)


def test_a_default_is_no_secret_and_stays_readable_without_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRROR", raising=False)
    written = "dataset.path=${MIRROR:-https://example.com}/a.csv"
    assert load_config(TRAIN, TrainConfig, [written]).dataset.path == "https://example.com/a.csv"
    monkeypatch.setenv("MIRROR", f"https://me:{PLANTED}@example.org")
    assert load_config(TRAIN, TrainConfig, [written]).dataset.path == "${env:MIRROR}/a.csv"
    monkeypatch.setenv("MIRROR", "/folder")
    assert load_config(TRAIN, TrainConfig, [written]).dataset.path == "/folder/a.csv"


def test_the_log_holds_no_secret_of_a_message_or_a_traceback(tmp_path: Path) -> None:
    with logs_to(tmp_path / "run.log") as log:
        try:
            raise ValueError(OPENS[0])
        except ValueError:
            logging.getLogger("library").exception("cannot read %s", OPENS[2])
    said = log.read_text(encoding="utf-8")
    assert "Traceback" in said
    assert PLANTED not in said


def everything_in(folder: Path) -> Iterator[str]:
    """Names and contents of all files."""
    for file in folder.rglob("*"):
        yield f"{file.relative_to(folder)} {file.read_bytes().decode(errors='replace') if file.is_file() else ''}"
