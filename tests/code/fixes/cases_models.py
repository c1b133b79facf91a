"""Errors of models: their folders, their registry, training, evaluation and export."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml

from sentiment import Predictor
from sentiment.data.reviews import Splits
from sentiment.errors import ConfigError
from sentiment.evaluation import evaluate as evaluating
from sentiment.evaluation.selection import select
from sentiment.export import onnx as exporting
from sentiment.home import home
from sentiment.kinds.linear import LinearConfig
from sentiment.kinds.transformer import TransformerConfig
from sentiment.lifecycle import Lifecycle, claim
from sentiment.models import ngrams
from sentiment.models.folder import folder_digest, load_classifier, write_manifest
from sentiment.models.majority import MajorityClassifier
from sentiment.models.onnx import _session
from sentiment.monitoring.reference import Reference
from sentiment.registry import Registry, default_tracking_uri
from sentiment.registry.registry import METRICS
from sentiment.registry.tracking import connect, require_answer, stack_errors
from sentiment.retraining.reproduction import find_version, reproduce
from sentiment.store.database import default_database_url
from sentiment.text.normalise import TextNormaliser
from sentiment.training import data_parallel
from sentiment.training import transformer as training
from sentiment.training.linear import train_linear
from tests.code.evaluation_factories import QUICK, Scripted, make_evaluation, make_reviews, predicting
from tests.code.fixes.registered import case
from tests.code.fixes.world import World
from tests.code.registries import register

EMPTY: dict[str, bytes] = {}
NORMALISER = TextNormaliser()
EVALUATE, FOLDER = "sentiment/evaluation/evaluate: ", "sentiment/models/folder: "


def saved(folder: Path, positive: float = 0.75) -> Path:
    MajorityClassifier([1 - positive, positive], ["부정", "긍정"], NORMALISER).save(folder)
    return folder


def instead(world: World, wrong: Any, right: Any, attempt: Callable[[Any], object], *by_hand: str) -> None:
    """Something that fails, and what takes its place by what the fix says."""
    held = [wrong]
    world.attempt = lambda: attempt(held[0])
    world.by_hand = dict.fromkeys(by_hand, lambda: held.__setitem__(0, right))


def evaluated(reviews: Any) -> object:
    classifier = Scripted(("negative", "positive"), reviews.texts, np.full((len(reviews), 2), 0.5))
    return evaluating.evaluate(classifier, reviews, QUICK, name="linear", seed=1)


@case(f"{EVALUATE}There are no rows to evaluate on.")
def no_rows(world: World) -> None:
    instead(world, make_reviews([]), make_reviews([0, 1] * 20), evaluated, "Give a split that holds labelled reviews")


@case(f"{EVALUATE}… of … to evaluate on have no label.")
def unlabelled(world: World) -> None:
    instead(world, make_reviews([0, None]), make_reviews([0, 1] * 20), evaluated, "Evaluate on labelled rows only")


@case(f"{EVALUATE}The data has the labels …, but … knows ….")
def other_labels(world: World) -> None:
    wrong = make_reviews([0, 1], ("bad", "good"))
    instead(
        world, wrong, make_reviews([0, 1] * 20), evaluated, "Evaluate on data with the labels the model was trained on"
    )


def check(probabilities: Any) -> None:
    evaluating.check_probabilities(np.array(probabilities), make_reviews([0, 1]), "linear")


HALVES = [[0.5, 0.5], [0.5, 0.5]]


@case(f"{EVALUATE}The probabilities of … have the shape …, not ….")
def other_shape(world: World) -> None:
    instead(world, [0.5, 0.5], HALVES, check, "Let its predict_proba give one row a text and one column a label")


@case(f"{EVALUATE}For … of … the outputs of … are no probabilities (first: …).")
def no_probabilities(world: World) -> None:
    instead(world, [[2.0, 0.5], [0.5, 0.5]], HALVES, check, "Train the model again")


SELECTION = "sentiment/evaluation/selection: "


def evaluation(name: str, rows: int = 20) -> Any:
    reviews = make_reviews([0, 1] * rows)
    return make_evaluation(reviews, predicting([0, 1] * rows), name=name)


@case(f"{SELECTION}There is no candidate to choose from.")
def no_candidate(world: World) -> None:
    """The config has none only where it was made in code."""
    world.attempt = lambda: select(
        [evaluation(each.name) for each in world.train_config().candidates if world.overrides]
    )


@case(f"{SELECTION}Two candidates have the name ….")
def two_of_a_name(world: World) -> None:
    def chosen() -> object:
        second = "linear-2" if "candidates.linear.name=linear-2" in world.overrides else "linear"
        return select([evaluation("linear"), evaluation(second)])

    world.attempt = chosen


@case(f"{SELECTION}The candidates were evaluated on different rows.")
def other_rows(world: World) -> None:
    wrong, right = ([evaluation("a"), evaluation("b", rows)] for rows in (10, 20))
    instead(world, wrong, right, select, "Evaluate all on one validation split")


@case("sentiment/export/onnx: The model's weights are over 2 GB, more than one ONNX file can hold.")
def too_many_weights(world: World) -> None:
    smaller(world, SimpleNamespace(nbytes=3 << 30), fast=True)


@case("sentiment/export/onnx: … is written in Python and has no tokenizer.json.")
def slow_tokenizer(world: World) -> None:
    smaller(world, SimpleNamespace(nbytes=4), fast=False)


@case("sentiment/export/onnx: … cannot be written as an ONNX graph.")
def no_graph(world: World) -> None:
    smaller(world, SimpleNamespace(nbytes=4), fast=True)


def smaller(world: World, weights: Any, *, fast: bool) -> None:
    """`candidates=[distilbert]` names a checkpoint whose config is shipped; its graph is written elsewhere."""

    class Network(torch.nn.Module):
        config = SimpleNamespace()

        def parameters(self, recurse: bool = True) -> Any:
            return iter([weights])

        def set_attn_implementation(self, _: str) -> None:
            pass

    backend = SimpleNamespace(to_str=lambda: json.dumps(TOKENIZER))
    tokenizer = SimpleNamespace(
        is_fast=fast, pad_token_id=0, model_max_length=16, truncation_side="right", backend_tokenizer=backend
    )

    def export(*_: Any, **__: Any) -> Any:
        raise exporting.OnnxExporterError("unsupported")

    world.monkeypatch.setattr(torch.onnx, "export", export)

    def tried() -> object:
        if not world.overrides:
            return exporting.to_onnx(SimpleNamespace(model=Network(), tokenizer=tokenizer, labels=("a", "b")))  # type: ignore[arg-type]
        (candidate,) = world.train_config().candidates
        assert getattr(candidate, "checkpoint", None)
        return candidate

    world.attempt = tried


TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}


# Lifecycle and registry


def lifecycle(world: World, name: str = "sentiment") -> Lifecycle:
    """The one of this world's home."""
    home = Path(os.environ["SENTIMENT_HOME"])
    home.mkdir(exist_ok=True)
    if not (home / "mlflow.db").exists():
        if not EMPTY:
            connect(default_tracking_uri())
            EMPTY["database"] = (home / "mlflow.db").read_bytes()
        (home / "mlflow.db").write_bytes(EMPTY["database"])
    made = Lifecycle(Registry(default_tracking_uri(), name), default_database_url())
    world.monkeypatch.setattr(
        "cli.models._lifecycle",
        lambda model: Lifecycle(Registry(default_tracking_uri(), model), default_database_url()),
    )
    world.blanks |= {"WHY": "because", "VERSION": "2"}
    world.commands |= {"train": lambda params: registered(world, made, promote=True)}
    return made


def registered(world: World, of: Lifecycle, *, promote: bool = False, gate: Any = "approved") -> int:
    """One more version."""
    number = len(of.registry.versions()) + 1
    folder = saved(world.folder / f"model{number}", 0.5 + number / 100)
    version = of.register(
        folder, digest=folder_digest(folder), dataset_digest="d", metrics={}, card="", actor="ci", gate=gate
    ).version
    if promote:
        of.promote(version, "better", actor="ci")
    return version


LIFECYCLE = "sentiment/lifecycle/lifecycle: "


@case(f"{LIFECYCLE}Version … of … ….")
def refused_by_the_gate(world: World) -> None:
    of = lifecycle(world)
    version = registered(world, of, gate="refused")
    promoted = [version]

    def attempt() -> None:
        if of.registry.champion() is None:  # what either way out ends in
            of.promote(promoted[0], "better", actor="ci")

    world.attempt = attempt


@case(f"{LIFECYCLE}Version … is the champion.")
def archive_the_champion(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    registered(world, of)
    world.attempt = lambda: of.archive(1, "old", actor="ci")


@case(f"{LIFECYCLE}… has no earlier champion to go back to.")
def nothing_before(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    registered(world, of)
    world.attempt = lambda: of.roll_back("worse", actor="ci")


@case(f"{LIFECYCLE}Version … became the champion of … while this waited; nothing was changed.")
def overtaken(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    registered(world, of)
    before = [None]
    turn = of._require_champion
    world.monkeypatch.setattr(of, "_require_champion", lambda now: turn(None if before else now))
    world.attempt = lambda: of.promote(2, "better", actor="ci")
    listed = world.carry_out

    def ask_again(way: str) -> None:
        listed(way)
        before.clear()

    world.carry_out = ask_again  # type: ignore[method-assign]


@case(f"{LIFECYCLE}A reason is needed: the history keeps it.")
def no_reason(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    reason = [" "]
    world.attempt = lambda: of.promote(1, reason[0], actor="ci")
    world.by_hand = {"Say it: --reason WHY": lambda: reason.__setitem__(0, "because")}


REGISTRY = "sentiment/registry/registry: "


@case(f"{REGISTRY}… has no version ….")
def no_version(world: World) -> None:
    of = lifecycle(world)
    wanted = [1]
    world.attempt = lambda: of.registry.get(wanted[0])


@case(f"{REGISTRY}… has no version …. | others")
def other_version(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    instead(world, 9, 1, of.registry.get, "Name one that there is: 1")


@case(f"{REGISTRY}Version … of … has no report ….")
def no_report(world: World) -> None:
    of = lifecycle(world)
    folder = saved(world.folder / "model")
    reports = {"reference.json": "{}"}
    of.register(
        folder, digest=folder_digest(folder), dataset_digest="d", metrics={}, card="", actor="ci", reports=reports
    )
    instead(
        world,
        "referense.json",
        "reference.json",
        lambda name: of.registry.report(1, name),
        "Did you mean 'reference.json'?",
    )


def damaged(world: World) -> Lifecycle:
    """The champion's stored folder is another's; the version before it is whole."""
    of = lifecycle(world)
    registered(world, of, promote=True)
    second = registered(world, of, promote=True)
    stored = Path(of.registry.get(second).source.removeprefix("file://"))
    shutil.rmtree(stored)
    saved(stored, 0.1)
    return of


@case(f"{REGISTRY}The stored model of version … is not the one that was registered.")
def damaged_in_the_store(world: World) -> None:
    of = damaged(world)
    world.attempt = lambda: of.registry.fetch(of.registry.champion().version, world.folder / "fetched")  # type: ignore[union-attr]


@case(f"{REGISTRY}The files of … version … are gone from ….")
def files_gone(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    second = registered(world, of, promote=True)
    shutil.rmtree(Path(of.registry.get(second).source.removeprefix("file://")))
    world.attempt = lambda: of.registry.fetch(of.registry.champion().version, world.folder / "fetched")  # type: ignore[union-attr]


@case("sentiment/registry/tracking: … was moved or copied from …: its records still name the files there.")
def moved_home(world: World) -> None:
    from stacks import homes
    from stacks.catalogue import load_stack

    of = lifecycle(world)
    registered(world, of, promote=True)
    shutil.move(world.folder / "home", world.folder / "elsewhere")
    world.monkeypatch.setenv("SENTIMENT_HOME", str(world.folder / "elsewhere"))
    world.attempt = lambda: connect(default_tracking_uri())
    world.commands["stack up"] = lambda _: homes.renew_paths(load_stack("laptop"))


REPRODUCTION = "sentiment/retraining/reproduction: "


@case(f"{REPRODUCTION}… has no version ….")
def no_such_digest(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    wanted = ["0123456789"]
    world.attempt = lambda: find_version(of.registry, wanted[0])
    # The list shows the numbers.
    listed = world.carry_out
    world.carry_out = lambda way: (listed(way), wanted.__setitem__(0, "1"))  # type: ignore[assignment, func-returns-value]


@case(f"{REPRODUCTION}Version … of … does not say how it was trained.")
def unknown_training(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    rows = make_reviews([0, 1] * 20, text=[f"{'good' if n % 2 else 'bad'} {n}" for n in range(40)])
    config = world.train_config().model_copy(update={"candidates": (LinearConfig(kind="linear", name="linear"),)})
    folder = world.folder / "trained"

    def train(_: object) -> None:
        linear = config.candidates[0]
        assert isinstance(linear, LinearConfig)
        train_linear(linear, rows, rows, normaliser=NORMALISER, seed=config.seed).save(folder)
        of.register(
            folder,
            digest=folder_digest(folder),
            dataset_digest="d",
            metrics={},
            card="",
            actor="ci",
            tags={"candidate": "linear"},
            reports={"config.yaml": yaml.safe_dump(config.model_dump(mode="json"))},
        )

    world.commands["train"] = train
    world.attempt = lambda: reproduce(of.registry, of.registry.versions()[-1], rows, rows)


@case("sentiment/registry/tracking: MLflow's database cannot be used: ….")
def damaged_database(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    database = home() / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"no database" * 100)
    world.attempt = lambda: Registry(default_tracking_uri()).card(1)
    world.commands = {"stack doctor": lambda _: database.write_bytes(whole)}  # it names the file, and its copy


PREDICTOR = "sentiment/predictor: "


@case(f"{PREDICTOR}The model in … is not the one that was registered.")
def damaged_champion(world: World) -> None:
    damaged(world)
    world.attempt = Predictor.champion


@case(f"{PREDICTOR}… has no champion in … yet.")
def no_champion(world: World) -> None:
    lifecycle(world)
    world.attempt = Predictor.champion


@case(f"{PREDICTOR}Texts of type … cannot be classified.")
def no_texts(world: World) -> None:
    instead(
        world, 3, ["a"], Predictor.load(saved(world.folder / "model")).predict, "Pass a string, or a list of strings"
    )


@case(f"{PREDICTOR}Text … is of type ….")
def no_text(world: World) -> None:
    instead(world, ["a", 3], ["a"], Predictor.load(saved(world.folder / "model")).predict, "Pass strings only")


@case("sentiment/lifecycle/writing: The model folder … is not the one with the digest ….")
def other_digest(world: World) -> None:
    of = lifecycle(world)
    folder = saved(world.folder / "model")

    def register(digest: str) -> object:
        return of.register(folder, digest=digest, dataset_digest="d", metrics={}, card="", actor="ci")

    instead(world, "0" * 64, folder_digest(folder), register, "Run the same command again, which saves it anew")


CLAIM = "sentiment/lifecycle/claim: "


@case(f"{CLAIM}The champion of … is being changed by …, for minutes now.")
def busy(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    world.monkeypatch.setattr(claim, "SECONDS_TO_WAIT", 0.1)
    database = Path(os.environ["SENTIMENT_HOME"]) / "mlflow.db"
    lock = claim.FileLock(f"{database}.champion.lock")
    lock.acquire()
    world.attempt = lambda: of.promote(1, "better", actor="ci")
    world.by_hand = {"Wait until that has ended": lock.release}


@case(f"{CLAIM}The tracking server answers too slowly to change the champion of … safely.")
def slow_server(world: World) -> None:
    of = lifecycle(world)
    registered(world, of)
    world.monkeypatch.setattr(claim, "database_path", lambda _: None)  # as on a server
    for name, seconds in (("SETTLING_SECONDS", 0.3), ("POLL_SECONDS", 0.01), ("STALE_SECONDS", 0.0)):
        world.monkeypatch.setattr(claim, name, seconds)
    world.attempt = lambda: of.promote(1, "better", actor="ci")
    world.by_hand = {"Run the same command again": lambda: world.monkeypatch.setattr(claim, "STALE_SECONDS", 60.0)}


# Folders of models


def folder_of(world: World, **identity: Any) -> Path:
    folder = saved(world.folder / "model")
    path = folder / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **identity}))
    write_manifest(folder)
    return folder


def mended_by(world: World, *by_hand: str) -> None:
    """The update knows the folder, the rollback names another, and so does a person."""
    good = saved(world.folder / "good")
    held = [world.folder / "model"]
    world.attempt = lambda: load_classifier(held[0])
    world.by_hand = dict.fromkeys(by_hand, lambda: held.__setitem__(0, good))


@case(f"{FOLDER}… holds a classifier of the unknown task ….")
def task_of_a_newer_version(world: World) -> None:
    folder_of(world, task="stars")
    mended_by(world, "git pull", "Roll back to")


@case(f"{FOLDER}… holds a classifier of the unknown kind …: …")
def kind_of_a_newer_version(world: World) -> None:
    folder = folder_of(world, kind="majorty")
    world.attempt = lambda: load_classifier(folder)
    world.by_hand = {"Did you mean 'majority'?": lambda: folder_of(world, kind="majority")}


MANIFEST = "sentiment/models/manifest: "


@case(f"{MANIFEST}… is not a model folder: it has no ….")
def no_model_folder(world: World) -> None:
    (world.folder / "model").mkdir()
    mended_by(world, "Name the folder that `save` of a classifier wrote")


@case(f"{MANIFEST}The model folder … does not match its manifest: ….")
def altered_folder(world: World) -> None:
    of = lifecycle(world)
    registered(world, of, promote=True)
    registered(world, of, promote=True)
    into = world.folder / "fetched"
    folder = of.registry.fetch(2, into)
    (folder / "weights.json").write_text("{}")

    def load() -> object:
        champion = of.registry.champion()
        assert champion
        there = into / champion.digest
        return load_classifier(there if there.exists() else of.registry.fetch(champion.version, into))

    world.attempt = load


@case("sentiment/models/ngrams: … texts are too many for one batch.")
def too_many_texts(world: World) -> None:
    world.monkeypatch.setattr(ngrams, "ROW_BITS", 2)
    instead(world, ["a"] * 5, ["a"] * 4, lambda texts: ngrams.count_ngrams(texts, 1), "Pass at most 4 at a time")


@case("sentiment/models/onnx: ONNX Runtime cannot read the model: ….")
def no_onnx(world: World) -> None:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    held = [b"no model"]
    world.attempt = lambda: _session(held[0], 1)
    world.commands = {"deploy": lambda _: held.__setitem__(0, model)}


@case("sentiment/monitoring/reference: There are no labelled validation or test rows to profile.")
def nothing_held_out(world: World) -> None:
    classifier = MajorityClassifier([0.5, 0.5], ["negative", "positive"], NORMALISER)
    some, none = make_reviews([0, 1] * 10), make_reviews([])

    def build() -> object:
        shares = world.train_config().split
        held = some if shares.validation >= 0.2 and world.overrides else none
        return Reference.build(classifier, Splits(some, held, held), 1, accuracy=0.5, macro_f1=0.5)

    world.attempt = build


TRACKING = "sentiment/registry/tracking: "


@case(f"{TRACKING}The server … does not answer (…).")
def no_server(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    world.monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    listening = socket.socket()

    def start() -> None:
        import threading

        listening.bind(("127.0.0.1", port))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.close()
            listening.close()

        threading.Thread(target=answer, daemon=True).start()

    world.attempt = lambda: require_answer(default_tracking_uri(), 2)
    world.by_hand = {"Start it": start}
    world.blanks = {"ADDRESS": f"sqlite:///{world.folder}/mlflow.db"}


@case(f"{TRACKING}MLflow refused: …")
def mlflow_refuses(world: World) -> None:
    from mlflow.exceptions import MlflowException

    @stack_errors
    def ask(full: bool) -> None:
        if full:
            raise MlflowException("database or disk is full")

    instead(world, True, False, ask, "See the log of the tracking server, mend what it names")


# Training


@case("sentiment/training/linear: No n-gram occurs in … of the ….")
def rare_ngrams(world: World) -> None:
    world.overrides = ["candidates=[linear]", "candidates.linear.min_df=500"]

    def train() -> object:
        (config,) = world.train_config().candidates
        assert isinstance(config, LinearConfig)
        rows = make_reviews([0, 1] * 10)
        return train_linear(config, rows, rows, normaliser=NORMALISER, seed=1)

    world.attempt = train


@case("sentiment/training/linear: The … rows have no example of the label ….")
def no_example(world: World) -> None:
    rows, one = make_reviews([0, 1] * 10), make_reviews([0, 0])

    done: list[bool] = []
    config = LinearConfig(kind="linear", name="linear", min_df=1)

    def train() -> object:
        larger = bool(world.overrides) and world.train_config().split.validation == 0.2
        return train_linear(config, rows, rows if done or larger else one, normaliser=NORMALISER, seed=1)

    world.attempt = train
    world.by_hand = {"Add rows with that label": lambda: done.append(True)}


def transformer_of(world: World) -> TransformerConfig:
    (config,) = world.train_config().candidates
    assert isinstance(config, TransformerConfig)
    return config


@case("sentiment/training/data_parallel: A batch of … rows cannot be shared equally by … processes.")
def uneven_batch(world: World) -> None:
    world.overrides = ["candidates=[compact]", "candidates.compact.batch_size=33", "candidates.compact.processes=2"]
    world.attempt = lambda: data_parallel.process_count(transformer_of(world))


def process_that_ends(world: World, said: str, *by_hand: str) -> None:
    """The end of the processes' output, and of those that ran again."""
    output = world.write("output.log", said)

    def ended() -> None:
        if output.exists():
            raise data_parallel._failure(output)

    world.attempt = ended
    world.by_hand = dict.fromkeys(by_hand, output.unlink)


@case("sentiment/training/data_parallel: A training process failed: ….")
def failed_process(world: World) -> None:
    process_that_ends(world, "Traceback\nRuntimeError: out of memory\n", "Run the same command again")


@case("sentiment/training/data_parallel: {found[1]}")
def refused_in_a_process(world: World) -> None:
    """The error of a process is made anew from its text, with the fix of its own line."""
    process_that_ends(
        world, f"x\nsentiment.errors.ConfigError: {ConfigError('max_length is 9.', 'Lower it.')}\n", "Lower it."
    )


@case("sentiment/training/transformer: unfrozen_layers is …, but the encoder has … layers.")
def too_many_layers(world: World) -> None:
    layers = torch.nn.ModuleList([torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)])
    model = torch.nn.Module()
    model.base_model, model.config = torch.nn.Sequential(layers), SimpleNamespace(num_hidden_layers=2)  # type: ignore[assignment]
    world.overrides = ["candidates=[distilbert]", "candidates.distilbert.unfrozen_layers=3"]
    world.blanks = {"NAME": "distilbert"}

    def freeze() -> None:
        unfrozen = transformer_of(world).unfrozen_layers
        if unfrozen is not None:
            training.freeze(model, unfrozen)

    world.attempt = freeze


def checkpoint(world: World, **settings: Any) -> None:
    """A local folder with a checkpoint of one layer."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = world.folder / "checkpoint"
    vocabulary = world.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    BertTokenizerFast(str(vocabulary)).save_pretrained(folder)
    sizes = {
        "vocab_size": 6,
        "hidden_size": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 4,
    }
    BertForSequenceClassification(BertConfig(**sizes, max_position_embeddings=16)).save_pretrained(folder)
    world.overrides = [
        "candidates=[distilbert]",
        *(f"candidates.distilbert.{key}={value}" for key, value in settings.items()),
    ]
    world.blanks = {"NAME": "distilbert", "FOLDER": str(folder)}
    world.attempt = lambda: training._load_checkpoint(transformer_of(world), ["a", "b"])


@case("sentiment/training/transformer: max_length is …, but … reads … tokens at most.")
def too_long(world: World) -> None:
    checkpoint(world, checkpoint=world.folder / "checkpoint", max_length=128)


@case("sentiment/training/transformer: The checkpoint … cannot be loaded: ….")
def incomplete_checkpoint(world: World) -> None:
    half = world.folder / "half"
    half.mkdir()
    checkpoint(world, checkpoint=half, max_length=16)
    whole = world.folder / "checkpoint"
    complete = lambda: shutil.copytree(whole, half, dirs_exist_ok=True)  # noqa: E731
    world.by_hand = dict.fromkeys(("A folder needs config.json", "hf download"), complete)


TRANSFORMER = "sentiment/training/transformer: "


@case(f"{TRANSFORMER}The checkpoint … is no local folder, is not in the hub's cache and cannot be fetched (…).")
def no_checkpoint(world: World) -> None:
    checkpoint(world, checkpoint="nobody/nothing", max_length=16)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("offline")

    world.monkeypatch.setattr(training, "model_info", refuse)
    # What the download leaves in the cache, under another name here.
    world.by_hand = {
        "hf download nobody/nothing": lambda: world.overrides.append(
            f"candidates.distilbert.checkpoint={world.folder}/checkpoint"
        )
    }


@case("sentiment/registry/registry: What the registry keeps of … of … is damaged.")
def damaged_record(world: World) -> None:
    registry = Registry(default_tracking_uri())
    version = register(Lifecycle(registry, default_database_url()), world.folder, "one")
    name = registry.model_name
    whole = registry.client.get_model_version(name, str(version)).tags[METRICS]
    registry.client.set_model_version_tag(name, str(version), METRICS, whole[:-3])
    world.attempt = registry.versions
    world.by_hand = {
        "from a backup": lambda: registry.client.set_model_version_tag(name, str(version), METRICS, whole),
    }
