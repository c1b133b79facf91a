"""Errors of scoring, of the databases, of retraining, schedules and commands."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import yaml
from sqlalchemy.exc import OperationalError

from cli import watch
from pipelines import retrain as retraining
from pipelines import score as scoring
from pipelines.common import launching, scheduling, watching
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.retrain import RetrainConfig
from sentiment.config.score import ScoreConfig
from sentiment.config.train import TrainConfig
from sentiment.errors import ConfigError, SentimentError
from sentiment.home import home
from sentiment.messages import language
from sentiment.registry.registry import Registry
from sentiment.retraining.training import (
    require_data_of_champion,
    require_own_texts,
    require_place_for,
    training_config,
)
from sentiment.scoring.answers import check_out
from sentiment.scoring.collect import collect
from sentiment.scoring.score import table_rows
from sentiment.store import scores
from sentiment.store.database import StoreError, _checked, default_database_url
from sentiment.store.log import PredictionLog
from sentiment.store.scores import Target
from stacks.reach import Finding
from tests.code.evaluation_factories import make_reviews
from tests.code.fixes.cases_models import instead, lifecycle, registered
from tests.code.fixes.registered import case
from tests.code.fixes.world import GOOD, World

ANSWERS = "sentiment/scoring/answers: "


def writing(world: World, name: str) -> None:
    """`score FILE --out`."""
    world.reading("a.csv", GOOD)
    out = [world.folder / name]
    world.attempt = lambda: check_out(out[0], world.train_config().dataset)
    world.by_hand = {"--out": lambda value="": out.__setitem__(0, Path(value))}
    said = world.carry_out

    def carry_out(way: str) -> None:
        found = re.search(r"--out (\S+)$", way)
        if found:
            out[0] = Path(found[1])
        else:
            said(way)

    world.by_hand.clear()
    world.carry_out = carry_out  # type: ignore[method-assign]


@case(f"{ANSWERS}The name … does not say which format to write.")
def no_suffix(world: World) -> None:
    writing(world, "scored.xlsx")


@case(f"{ANSWERS}… is the file that is scored.")
def same_file(world: World) -> None:
    writing(world, "a.csv")


@case(f"{ANSWERS}There is no folder … to write … into.")
def no_folder(world: World) -> None:
    writing(world, "no such/scored.csv")
    world.path = world.folder / "a.csv"


@case("sentiment/scoring/collect: … of the … of the batch … are not in the table after scoring.")
def missing_rows(world: World) -> None:
    from contextlib import closing

    from sentiment.scoring.snapshot import take_snapshot

    world.reading("a.csv", GOOD)
    shards, report = take_snapshot(world.train_config().dataset, 1)
    target = Target("sentiment", "1", "monday")
    model = SimpleNamespace(task="classes", labels=("negative", "positive"))
    (world.folder / "home").mkdir(exist_ok=True)

    def insert(rows: pl.DataFrame) -> None:
        with closing(scores.ScoreStore(default_database_url())) as store:
            halves = np.full((len(rows), 2), 0.5)
            store.insert(table_rows(rows, halves, model, target, datetime.now(UTC)))  # type: ignore[arg-type]

    every = pl.concat(list(shards.chunks(1000)))
    insert(every.head(58))
    result = world.folder / "result.parquet"
    world.attempt = lambda: collect(shards, target, model.labels, default_database_url(), result)
    world.by_hand = {"Run the same command again: what is missing is scored": lambda: insert(every)}
    assert report.planned == 60


@case("sentiment/scoring/score: The model gave a probability that is no number.")
def no_number(world: World) -> None:
    of = lifecycle(world)
    for _ in range(2):
        registered(world, of, promote=True)
    names = ("id", "text", "category", "language", "source")
    rows = pl.DataFrame({name: ["a"] for name in names}).with_columns(created_at=datetime(2024, 1, 1))
    model: Any = SimpleNamespace(task="classes", labels=("negative", "positive"))

    def score() -> object:
        champion = of.registry.champion()
        assert champion
        value = np.array([[np.nan, 1.0]]) if champion.version == 2 else np.array([[0.5, 0.5]])
        return table_rows(rows, value, model, Target("sentiment", "1", "b"), datetime.now(UTC))

    world.attempt = score


DATABASE = "sentiment/store/database: "


def database_url(world: World, url: str) -> None:
    world.monkeypatch.setenv("SENTIMENT_DATABASE_URL", url)
    world.attempt = lambda: _checked(default_database_url())
    world.blanks = {"/folder/predictions.db": f"{world.folder}/predictions.db"}


@case(f"{DATABASE}The prediction log's database URL cannot be read.")
def no_url(world: World) -> None:
    database_url(world, "predictions.db")


@case(f"{DATABASE}The prediction log does not work with ….")
def other_database(world: World) -> None:
    database_url(world, "mysql://me@host/predictions")


@case(f"{DATABASE}The prediction log needs a SQLite file.")
def in_memory(world: World) -> None:
    database_url(world, "sqlite://")


LOG = "sentiment/store/log/__init__: "


def logging(world: World, **days: int) -> None:
    """The server's settings, and the log that they make."""
    from serving.settings import ServingSettings

    for name, value in days.items():
        world.monkeypatch.setenv(f"SENTIMENT_{name.upper()}", str(value))

    def days_of(name: str) -> int:
        return int(os.environ.get(f"SENTIMENT_{name.upper()}", ServingSettings.model_fields[name].default))

    def made() -> None:
        found = {name: days_of(name) for name in ("retention_days", "label_retention_days")}
        PredictionLog(default_database_url(), world.folder / "spool", "sentiment", **found).close()

    world.attempt = made


@case(f"{LOG}A retention of … days keeps nothing.")
def no_retention(world: World) -> None:
    logging(world, retention_days=0)


@case(f"{LOG}Labels cannot be kept for less long than their predictions.")
def short_labels(world: World) -> None:
    logging(world, label_retention_days=30)


@case("sentiment/store/scores: The prediction database does not answer as it should: ….")
def full_disk(world: World) -> None:
    def write(full: bool) -> None:
        with scores._resumable():
            if full:
                raise StoreError(OperationalError("INSERT", {}, Exception("database or disk is full")))

    instead(world, True, False, write, "Start it again, or free its disk, and run the same command again")


# Retraining


class OneChampion:
    """A registry whose champion was trained with a config of its own."""

    model_name = "sentiment"

    def __init__(self, stored: TrainConfig | None, *, champion: bool = True) -> None:
        self.stored = stored
        self._champion = SimpleNamespace(version=3) if champion else None

    def champion(self) -> Any:
        return self._champion

    def report(self, version: int, name: str) -> str:
        if self.stored is None:
            raise ConfigError("There is no such report.", "Train again.")
        return yaml.safe_dump(self.stored.model_dump(mode="json"), allow_unicode=True)


SHOP = ("dataset.name=shop", "dataset.path=shop.csv", "dataset.synthetic=false")
RETRAINING = "sentiment/retraining/training: "


def shop(*more: str) -> TrainConfig:
    return load_config(CONFIGS / "train.yaml", TrainConfig, [*SHOP, *more])


def retrained(world: World, registry: Any, *overrides: str) -> None:
    """`retrain` up to its training, and the commands of its fixes."""
    given = list(overrides)

    def prepared() -> None:
        if given == ["train of its own"]:
            return
        config = load_config(CONFIGS / "retrain.yaml", RetrainConfig, given)
        require_data_of_champion(training_config(config, registry), registry)

    def train(params: Any) -> None:
        config = load_config(params["config"], TrainConfig, params["overrides"])
        if config.model_name == "sentiment":
            registry.stored, registry._champion = shop(), SimpleNamespace(version=4)
        else:
            given[:] = ["train of its own"]

    world.attempt = prepared
    world.blanks = {"NAME": "other"}
    world.commands = {"train": train, "retrain": lambda params: given.__setitem__(slice(None), params["overrides"])}


@case(f"{RETRAINING}… has no champion to retrain.")
def nothing_to_retrain(world: World) -> None:
    retrained(world, OneChampion(None, champion=False))


@case(f"{RETRAINING}The config that … version … was trained with is not stored, or not readable today.")
def no_config(world: World) -> None:
    retrained(world, OneChampion(None))


@case(f"{RETRAINING}The champion … version … was trained on …; the retrain config names ….")
def other_data(world: World) -> None:
    retrained(world, OneChampion(shop()), "train=configs/train.yaml")


@case(f"{RETRAINING}The champion … version … was trained on …; this run is for ….")
def place_taken(world: World) -> None:
    registries: dict[str, Any] = {"sentiment": OneChampion(shop())}
    world.overrides = ["dataset.name=other", "dataset.path=other.csv", "dataset.synthetic=false"]

    def trained() -> None:
        config = world.train_config()
        require_place_for(config, registries.get(config.model_name, OneChampion(None, champion=False)))

    world.attempt = trained


@case("pipelines/retrain: {decision.summary}")
def paused(world: World) -> None:
    from sentiment.retraining.history import pause
    from sentiment.store.journal import Journal

    (world.folder / "home").mkdir()
    journal = Journal(default_database_url(), "sentiment")
    pause(journal, "too much noise", "kim")
    journal.close()
    config = load_config(CONFIGS / "retrain.yaml", RetrainConfig)
    world.blanks = {"WHY": "because"}

    class Launched(Exception):
        pass

    def load(_: str) -> None:
        raise Launched

    world.monkeypatch.setattr(retraining, "load_stack", load)

    def launch() -> None:
        decision = retraining.decide_by_hand(config)
        try:
            retraining.launch_retrain(config, "laptop", decision=decision, use_cache=True, on_step=lambda _: None)
        except Launched:
            return

    world.attempt = launch


# Schedules and runs

SCHEDULES = "pipelines/common/scheduling: "


def scheduled(world: World, stack: str, cron: str, flavor: str = "") -> None:
    held = {"stack": stack, "cron": cron}
    known = scheduling.load_stack(stack)
    if flavor:
        orchestrator = known.components["orchestrator"].model_copy(update={"flavor": flavor})
        known = known.model_copy(update={"components": {**known.components, "orchestrator": orchestrator}})
    stacks = {stack: known}
    world.monkeypatch.setattr(scheduling, "load_stack", lambda name: stacks[name])
    world.attempt = lambda: held["stack"] and scheduling.require_schedulable(held["stack"], held["cron"])
    elsewhere = lambda _=None: held.__setitem__("stack", "")  # noqa: E731 - nothing is asked of the stack any more
    world.commands = {"watch": elsewhere}

    def correct() -> None:
        stacks[stack] = scheduling_stack("kubernetes")

    world.by_hand = {
        "--schedule '0 * * * *'": lambda: held.__setitem__("cron", "0 * * * *"),
        "Use cron: docs/operations/schedules.md": elsewhere,
        "Name its flavor in the stack file: Did you mean 'kubernetes'?": correct,
    }


def scheduling_stack(name: str) -> Any:
    from stacks.catalogue import load_stack

    return load_stack(name)


@case(f"{SCHEDULES}… is no cron expression (…).")
def no_cron(world: World) -> None:
    stand_in_variables(world)
    scheduled(world, "kubernetes", "every hour")


@case(f"{SCHEDULES}The orchestrator … of the stack … has no schedules.")
def no_schedules(world: World) -> None:
    scheduled(world, "laptop", "0 * * * *")


@case(f"{SCHEDULES}The stack … has no orchestrator that ZenML knows.")
def unknown_orchestrator(world: World) -> None:
    stand_in_variables(world)
    scheduled(world, "kubernetes", "0 * * * *", flavor="kubernets")


def stand_in_variables(world: World) -> None:
    """What the stack file asks of the environment."""
    text = (CONFIGS / "stacks" / "kubernetes.yaml").read_text()
    for name in set(re.findall(r"\$\{(\w+)\}", text)):
        world.monkeypatch.setenv(name, "x")


def run_that_fails(world: World, raised: Exception | None, steps: list[Any], *by_hand: str) -> None:
    """A run that ends in a failure, and the same one once more."""
    held = [True]
    world.monkeypatch.setattr(watching, "_steps", lambda _: steps)
    world.monkeypatch.setattr(watching, "_gone_artifact", lambda *_: None)

    def run() -> None:
        if held[0]:
            raise watching.failure_of("run", raised)

    world.attempt = run
    world.by_hand = dict.fromkeys(by_hand, lambda: held.__setitem__(0, False))


def step(traceback: str | None) -> Any:
    exception = SimpleNamespace(traceback=traceback) if traceback else None
    return SimpleNamespace(name="train", status=watching.ExecutionStatus.FAILED, exception_info=exception)


@case("pipelines/common/watching: The run did not complete: ….")
def incomplete_run(world: World) -> None:
    run_that_fails(world, RuntimeError("no disk\nmore"), [], "Run the same command again")


@case("pipelines/common/watching: The step … failed: ….")
def failed_step(world: World) -> None:
    run_that_fails(world, None, [step("Traceback\nValueError: no")], "Run the same command again", "report it")


@case(
    "pipelines/common/watching: {f'The step {step} could not be run to its end: {told}.' if told else "
    "f'The step {step} ended without a word: its process was killed, or its machine was lost.'}"
)
def lost_step(world: World) -> None:
    run_that_fails(world, None, [step(None)], "Run the same command again", "If memory ran out, give the step more")


@case("pipelines/common/watching: The step … needs …, which an earlier run made and which is gone.")
def gone_artifact(world: World) -> None:
    store = SimpleNamespace(active_stack=SimpleNamespace(artifact_store=SimpleNamespace(path="/zenml/store")))
    world.monkeypatch.setattr(watching, "Client", lambda: store)
    gone = watching._gone_artifact("train", "No such file or directory: '/zenml/store/a/r.parquet'")
    assert gone
    held = [gone]

    def run() -> None:
        for error in held:
            raise error

    world.attempt = run
    world.by_hand = {"Make it again: --no-cache": held.clear}


@case("pipelines/common/launching: The rows that version … learnt from are not in this ZenML.")
def rows_elsewhere(world: World) -> None:
    known: dict[str, Any] = {}
    world.monkeypatch.setattr(launching, "Client", lambda: SimpleNamespace(get_artifact_version=known.__getitem__))
    version = SimpleNamespace(version=3, tags={"rows": "an-id"})
    world.attempt = lambda: launching._stored(version, "rows")  # type: ignore[arg-type]
    there = SimpleNamespace(load=lambda: make_reviews([0, 1]))
    world.by_hand = {"Ask where it was trained, with the --stack of that run": lambda: known.update({"an-id": there})}


@case("sentiment/messages: … is neither en nor ko.")
def unknown_language(world: World) -> None:
    world.monkeypatch.setenv("SENTIMENT_LANG", "fr")
    world.attempt = language


@case("cli/report: … has no versions yet.")
def nothing_to_report(world: World) -> None:
    of = lifecycle(world)
    world.monkeypatch.setattr(Registry, "page", lambda *_: "<p>report</p>")
    calling(world, "report")
    assert not of.registry.versions()


@case(f"{RETRAINING}The config names … (…), which is synthetic; the champion … version … learnt from ….")
def synthetic_texts(world: World) -> None:
    file = world.write("good.csv", GOOD)
    given = ["dataset=sample"]
    world.blanks = {"FILE": str(file)}

    def check() -> None:
        config = load_config(CONFIGS / "score.yaml", ScoreConfig, given)
        require_own_texts(config.dataset, OneChampion(shop()))  # type: ignore[arg-type]

    world.attempt = check
    world.commands = {"score": lambda params: given.append(f"dataset.path={params['file']}")}


@case("pipelines/common/launching: … …: …")
def lost_server(world: World) -> None:
    """The fix is the doctor's, of the server that was lost."""
    lost = [Finding("MLflow", False, "It does not answer.", "Start it.")]
    launch = launching.Launch(SimpleNamespace(), "train", "run", lambda _: None)  # type: ignore[arg-type]
    world.monkeypatch.setattr(launching, "lost_since", lambda _: lost[0] if lost else None)

    def run(*_: Any, **__: Any) -> None:
        if lost:
            raise SentimentError("The step train failed.", "Run it again.")

    world.monkeypatch.setattr(launching, "run_pipeline", run)
    world.attempt = lambda: launch.run(lambda: None)
    world.by_hand = {"Start it.": lost.clear}


@case(
    "pipelines/score: A schedule of score needs the name of a batch: "
    "one made from today's reviews would be tomorrow's, too."
)
def no_batch(world: World) -> None:
    class Launched(Exception):
        pass

    def begin(*_: Any, **__: Any) -> None:
        raise Launched

    world.monkeypatch.setattr(scoring, "require_schedulable", lambda *_: None)
    world.monkeypatch.setattr(scoring, "launching", begin)

    def made() -> None:
        config = load_config(CONFIGS / "score.yaml", ScoreConfig, world.overrides)
        try:
            scoring.schedule_score(config, "laptop", "0 * * * *")
        except Launched:
            return

    world.attempt = made


MONITORING = "steps/monitoring: "


def monitored(world: World, *, champion: bool) -> None:
    from steps import monitoring

    of = lifecycle(world)
    if champion:
        registered(world, of, promote=True)
    reference = Path(__file__).parents[2] / "golden"
    text = next(path.read_text() for path in sorted(reference.rglob("reference*.json")))

    def train(_: Any) -> None:
        registered(world, of, promote=True)
        world.monkeypatch.setattr(Registry, "report", lambda *_: text)

    world.commands["train"] = train
    world.monkeypatch.setattr(monitoring, "registry", lambda _: of.registry)
    world.monkeypatch.setattr(monitoring, "log_metadata", lambda _: None)
    world.attempt = lambda: monitoring.fetch_reference.entrypoint("sentiment")


@case(f"{MONITORING}… has no champion to monitor.")
def nothing_to_monitor(world: World) -> None:
    monitored(world, champion=False)


@case(f"{MONITORING}Version … of … was registered without a reference to compare with.")
def no_reference(world: World) -> None:
    monitored(world, champion=True)


# Commands


def calling(world: World, *arguments: str) -> None:
    """A command, in this process."""
    from click.testing import CliRunner

    from cli.main import commands

    held = [list(arguments)]

    def call() -> None:
        result = CliRunner().invoke(commands, held[0])
        if isinstance(result.exception, SentimentError):
            raise result.exception
        assert result.exit_code == 0, result.output

    world.attempt = call
    world.monkeypatch.setattr("cli.fixes.run_py", lambda stack: "python run.py")
    world.monkeypatch.setattr("cli.predict.run_py", lambda stack: "python run.py")


@case("cli/predict: Text … says nothing.")
def says_nothing(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    calling(world, "predict", "<br />")
    world.blanks["TEXT"] = "good"
    state = world.attempt
    called = world.call
    done: list[bool] = []

    def call(arguments: str) -> None:
        called(arguments)
        done.append(True)

    world.call = call  # type: ignore[method-assign]
    world.attempt = lambda: None if done else state()


@case("cli/trace: There is no prediction ….")
def no_prediction(world: World) -> None:
    (world.folder / "home").mkdir()
    log = PredictionLog(default_database_url(), world.folder / "spool", "sentiment")
    log.close()
    calling(world, "trace", "no-such-id")
    found: list[bool] = []
    tried = world.attempt
    world.attempt = lambda: None if found else tried()
    world.by_hand = {"Write the id of an answer that the endpoint still has": lambda: found.append(True)}


@case("cli/watch: Another watch of … runs.")
def two_watches(world: World) -> None:
    first = watch._alone("sentiment")
    first.__enter__()

    def second() -> None:
        with watch._alone("sentiment"):
            pass

    world.attempt = second
    world.by_hand = {"end it first: Ctrl-C in its terminal": lambda: first.__exit__(None, None, None)}


@case("sentiment/home: The folder … cannot hold the project's files: … has a meaning in addresses.")
def a_home_with_a_question_mark(world: World) -> None:
    world.monkeypatch.setenv("SENTIMENT_HOME", str(world.folder / "what?"))
    world.attempt = home
