import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from transformers import BertConfig, BertForSequenceClassification

from sentiment.data.reviews import COLUMNS, Reviews
from sentiment.errors import ConfigError, SentimentError
from sentiment.kinds.transformer import CompactEncoder, TransformerConfig
from sentiment.models.base import batches_by_length
from sentiment.models.folder import load_classifier, write_manifest
from sentiment.models.tokenised import TokenisedTexts
from sentiment.models.transformer import TransformerClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training.checkpoints import last_checkpoint
from sentiment.training.compact import (
    SPECIAL_TOKENS,
    ResegmentedTexts,
    cooccurrence_vectors,
    mask_tokens,
    train_tokenizer,
)
from sentiment.training.data_parallel import process_count, train_in_processes
from sentiment.training.distil import training_targets
from sentiment.training.transformer import freeze, train_transformer

LABELS = ("negative", "positive")
GOOD = ["재밌어요", "최고예요", "감동이에요", "추천합니다", "great", "ㅋㅋㅋ"]
BAD = ["지루해요", "최악이에요", "실망이에요", "환불하세요", "awful", "ㅠㅠ"]
FILLER = ["영화", "배우", "연기", "스토리", "음악", "정말", "그냥", "movie", "어제", "친구랑"]

TINY = CompactEncoder(
    vocabulary_size=400, layers=1, hidden_size=32, attention_heads=2, intermediate_size=64, dropout=0.0
)
CONFIG = TransformerConfig(
    name="tiny", encoder=TINY, max_length=32, epochs=3, batch_size=16, learning_rate=5e-3, warmup=0.1
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small lose more by handing work between threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def reviews(rows: int, seed: int = 0, positive_share: float = 0.5) -> Reviews:
    draw = random.Random(seed)
    labels = [int(draw.random() < positive_share) for _ in range(rows)]
    texts = [
        " ".join([*draw.choices(FILLER, k=draw.randint(1, 6)), draw.choice(GOOD if label else BAD)]) for label in labels
    ]
    return as_reviews(texts, labels)


def as_reviews(texts: list[str], labels: list[int]) -> Reviews:
    frame = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts, "label": labels})
    missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in frame.columns]
    return Reviews.from_frame(frame.with_columns(missing), LABELS)


def run(config: TransformerConfig, work_dir: Path, *, seed: int = 0, rows: int = 320):
    curves: list[tuple[int, dict[str, float]]] = []
    classifier = train_transformer(
        config,
        reviews(rows),
        reviews(100, seed=1),
        normaliser=TextNormaliser(),
        seed=seed,
        work_dir=work_dir,
        log=lambda step, metrics: curves.append((step, metrics)),
    )
    return classifier, curves


def named(curves, metric: str) -> list[float]:
    return [metrics[metric] for _, metrics in curves if metric in metrics]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("trained") / "work"
    classifier, curves = run(CONFIG, work_dir)
    return classifier, curves, work_dir


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A local checkpoint as the hub would deliver it: three layers, a head for five labels, a tokenizer."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-bert"
    tokenizer = train_tokenizer(reviews(200).texts, 300, 64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_compact_encoder_learns_a_separable_task_from_nothing(trained):
    classifier, _, _ = trained
    held_out = reviews(200, seed=2)
    predicted = classifier.predict_proba(held_out.texts).argmax(axis=1)
    assert (predicted == held_out.frame()["label"].to_numpy()).mean() > 0.95


def test_the_curves_arrive_with_their_steps(trained):
    _, curves, _ = trained
    assert len(named(curves, "validation_macro_f1")) == CONFIG.epochs
    assert len(named(curves, "validation_loss")) == len(named(curves, "validation_accuracy")) == CONFIG.epochs
    losses = named(curves, "train_loss")
    assert losses[-1] < losses[0]
    assert len(named(curves, "learning_rate")) == len(losses)
    steps = [step for step, _ in curves]
    assert steps == sorted(steps)
    assert steps[-1] == CONFIG.epochs * 320 / CONFIG.batch_size


def test_the_curves_hold_the_cross_entropy_per_text(trained):
    classifier, curves, _ = trained
    validation = reviews(100, seed=1)
    labels = validation.frame()["label"].to_numpy()
    expected = -np.log(classifier.predict_proba(validation.texts)[np.arange(100), labels]).mean()
    scores = named(curves, "validation_macro_f1")
    assert named(curves, "validation_loss")[scores.index(max(scores))] == pytest.approx(expected, rel=0.02)
    assert named(curves, "train_loss")[0] == pytest.approx(np.log(2), rel=0.3)


def test_probabilities_are_rows_of_one_and_empty_input_is_empty_output(trained):
    classifier, _, _ = trained
    probabilities = classifier.predict_proba(["최고예요", "", "지루해요 " * 200])
    assert probabilities.shape == (3, 2)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert classifier.predict_proba([]).shape == (0, 2)


def test_one_text_alone_and_in_a_batch_get_the_same_probability(trained):
    classifier, _, _ = trained
    texts = reviews(60, seed=3).texts
    single = np.concatenate([classifier.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(classifier.predict_proba(texts), single, atol=1e-5)


def test_the_normaliser_is_part_of_the_model(trained):
    classifier, _, _ = trained
    np.testing.assert_array_equal(
        classifier.predict_proba(["  최고예요 \n 영화"]), classifier.predict_proba(["최고예요 영화"])
    )


def test_a_saved_model_predicts_the_same(trained, tmp_path):
    classifier, _, _ = trained
    texts = reviews(50, seed=4).texts
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model")
    assert isinstance(loaded, TransformerClassifier)
    assert loaded.labels == LABELS
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))
    settings = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert settings["id2label"] == {"0": "negative", "1": "positive"}
    assert not [path for path in (tmp_path / "model").iterdir() if path.suffix in {".bin", ".pkl", ".pt"}]


def test_an_altered_weight_file_is_refused(trained, tmp_path):
    trained[0].save(tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SentimentError, match=r"model\.safetensors"):
        load_classifier(tmp_path / "model")


def test_equal_seeds_give_equal_models_and_other_seeds_do_not(trained, tmp_path):
    classifier, curves, _ = trained
    texts = reviews(50, seed=5).texts
    again, curves_again = run(CONFIG, tmp_path / "again")
    assert curves_again == curves
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))
    other, _ = run(CONFIG, tmp_path / "other", seed=1)
    assert not np.array_equal(other.predict_proba(texts), classifier.predict_proba(texts))


def test_pretraining_learns_the_language_first(tmp_path):
    encoder = TINY.model_copy(update={"pretrain_epochs": 3, "pretrain_learning_rate": 5e-3})
    _, curves = run(CONFIG.model_copy(update={"encoder": encoder, "epochs": 1}), tmp_path / "work")
    losses = named(curves, "pretrain_train_loss")
    assert losses[-1] < 0.8 * losses[0]
    assert len(named(curves, "validation_macro_f1")) == 1


def test_tokens_in_the_same_company_start_side_by_side():
    texts = [f"{subject} {verdict}" for subject in FILLER[:4] for verdict in ("good fine", "poor bleak")] * 5
    tokenizer = train_tokenizer(texts, 300, 16)
    vectors = cooccurrence_vectors(TokenisedTexts(texts, tokenizer), len(tokenizer), 8)
    good, _, poor = (vectors[tokenizer.convert_tokens_to_ids(token)] for token in tokenizer.tokenize("good fine poor"))
    assert vectors.shape == (len(tokenizer), 8)
    assert good @ good == pytest.approx(1, abs=1e-5)
    subjects = [vectors[tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word)[0])] for word in FILLER[:2]]
    assert subjects[0] @ subjects[1] > good @ poor
    assert not vectors[: len(SPECIAL_TOKENS)].any()


def test_masking_hides_four_in_five_of_the_chosen_and_no_special_token():
    torch.manual_seed(0)
    ids = torch.randint(0, 1000, (200, 100))
    masked, chosen = mask_tokens(ids, 1000, 4, 0.2)
    specials = len(SPECIAL_TOKENS)
    assert not chosen[ids < specials].any()
    assert chosen[ids >= specials].float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (masked[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (masked[chosen] == ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(masked[~chosen], ids[~chosen])


def test_a_local_checkpoint_is_fine_tuned_with_a_new_head(checkpoint, tmp_path):
    config = TransformerConfig(
        name="local", checkpoint=str(checkpoint), max_length=48, epochs=4, batch_size=16, learning_rate=3e-3
    )
    classifier, curves = run(config, tmp_path / "work")
    assert classifier.labels == LABELS
    assert classifier.tokenizer.model_max_length == 48
    assert max(named(curves, "validation_accuracy")) > 0.9


@pytest.mark.parametrize("unfrozen", [0, 1])
def test_frozen_layers_keep_their_weights(checkpoint, tmp_path, unfrozen):
    config = TransformerConfig(
        name="frozen", checkpoint=str(checkpoint), max_length=32, epochs=1, learning_rate=1e-2, unfrozen_layers=unfrozen
    )
    before = BertForSequenceClassification.from_pretrained(checkpoint).bert.state_dict()
    classifier, _ = run(config, tmp_path / "work", rows=64)
    after = classifier.model.bert.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(name.startswith("encoder.layer.2.") for name in changed)
    assert bool(changed) == bool(unfrozen)


def test_more_unfrozen_layers_than_there_are_is_a_config_error(checkpoint):
    model = BertForSequenceClassification.from_pretrained(checkpoint)
    with pytest.raises(ConfigError, match="has 3 layers"):
        freeze(model, 4)


def test_class_weights_lift_the_rare_class(tmp_path):
    draw = random.Random(0)
    # Nothing in the texts tells the classes apart: only the prior and the weights decide.
    texts = [" ".join(draw.choices(FILLER, k=4)) for _ in range(300)]
    train = as_reviews(texts, [int(i % 10 == 0) for i in range(300)])

    def mean_probability(class_weights: bool) -> float:
        classifier = train_transformer(
            CONFIG.model_copy(update={"class_weights": class_weights, "epochs": 3}),
            train,
            train,
            normaliser=TextNormaliser(),
            seed=0,
            work_dir=tmp_path / str(class_weights),
            log=lambda step, metrics: None,
        )
        return float(classifier.predict_proba(texts)[:, 1].mean())

    assert mean_probability(class_weights=False) < 0.25
    assert 0.3 < mean_probability(class_weights=True) < 0.7


def test_the_teacher_tempers_a_wrong_label_without_having_seen_it():
    train = reviews(200)
    frame = train.frame()
    wrong = [0, 50, 100]
    labels = frame["label"].to_list()
    for index in wrong:
        labels[index] = 1 - labels[index]
    noisy = as_reviews(frame["text"].to_list(), labels)

    def targets(weight: float) -> np.ndarray:
        return training_targets(noisy, reviews(100, seed=1), teacher_weight=weight, normaliser=TextNormaliser(), seed=0)

    np.testing.assert_array_equal(targets(0.0), np.eye(2)[labels])
    mixed = targets(0.7)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)
    assert (mixed[wrong, frame["label"].to_numpy()[wrong]] > 0.5).all()
    assert (mixed.argmax(axis=1) == frame["label"].to_numpy()).mean() > 0.95


def test_early_stopping_ends_training_and_the_best_epoch_is_kept(tmp_path):
    config = CONFIG.model_copy(update={"epochs": 12, "early_stopping_patience": 1})
    classifier, curves = run(config, tmp_path / "work")
    scores = named(curves, "validation_macro_f1")
    assert len(scores) < config.epochs
    validation = reviews(100, seed=1)
    predicted = classifier.predict_proba(validation.texts).argmax(axis=1)
    accuracy = (predicted == validation.frame()["label"].to_numpy()).mean()
    assert accuracy == pytest.approx(named(curves, "validation_accuracy")[scores.index(max(scores))], abs=0.011)


@pytest.mark.parametrize("name", ["no-such-owner/no-such-model", "no/such/folder", "./nowhere"])
def test_a_checkpoint_out_of_reach_is_one_clear_error_at_once(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    started = time.monotonic()
    with pytest.raises(ConfigError, match=name) as caught:
        run(TransformerConfig(name="missing", checkpoint=name), tmp_path / "work")
    assert time.monotonic() - started < 5
    assert "local folder" in caught.value.fix


def test_a_cached_hub_checkpoint_needs_no_hub(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    repository = tmp_path / "cache" / "models--owner--cached"
    shutil.copytree(checkpoint, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc", encoding="utf-8")
    config = TransformerConfig(name="cached", checkpoint="owner/cached", max_length=32, epochs=1)
    started = time.monotonic()
    classifier, _ = run(config, tmp_path / "work", rows=32)
    assert time.monotonic() - started < 10
    assert classifier.model.config.num_hidden_layers == 3


def test_a_folder_without_a_model_is_a_config_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="cannot be loaded"):
        run(TransformerConfig(name="empty", checkpoint=str(tmp_path / "empty")), tmp_path / "work")


def test_a_max_length_beyond_the_checkpoint_is_a_config_error(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="64 tokens at most"):
        run(TransformerConfig(name="long", checkpoint=str(checkpoint), max_length=128), tmp_path / "work")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"checkpoint": "a/b", "encoder": {}},
        {"encoder": {}, "unfrozen_layers": 1},
        {"encoder": {"hidden_size": 30, "attention_heads": 4}},
        {"checkpoint": "a/b", "learning_rat": 1e-3},
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings):
    with pytest.raises(ValidationError):
        TransformerConfig.model_validate({"name": "x", **settings})


def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path):
    for step in (5, 10, 20):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        if step < 20:
            write_manifest(folder)
    (tmp_path / "checkpoint-10" / "model.safetensors").write_bytes(b"weig")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert not (tmp_path / "checkpoint-20").exists()
    assert last_checkpoint(tmp_path / "nothing") is None


def test_batches_hold_every_row_once_and_stay_within_their_tokens():
    lengths = [random.Random(0).randint(1, 40) for _ in range(300)]
    batches = list(batches_by_length(lengths, 128))
    assert sorted(index for batch in batches for index in batch) == list(range(300))
    assert all(max(lengths[i] for i in batch) * len(batch) <= 128 for batch in batches)
    assert list(batches_by_length([500], 128)) == [[0]]


def test_tokenised_rows_are_what_the_tokenizer_gives(trained):
    tokenizer = trained[0].tokenizer
    texts = ["최고예요!! ...", "", "지루해요 " * 100]
    rows = TokenisedTexts(texts, tokenizer)
    for index, text in enumerate(texts):
        assert rows[index]["input_ids"].tolist() == tokenizer(text, truncation=True)["input_ids"]
    assert rows.lengths[1] == 2
    assert rows.lengths[2] == CONFIG.max_length


def test_resegmented_words_keep_the_text_and_change_with_the_epoch():
    texts = [*reviews(200).texts, "", "최고예요 " * 100]
    tokenizer = train_tokenizer(texts, 400, 32)
    rows = ResegmentedTexts(texts, tokenizer, None, share=0.5, seed=0)
    usual = TokenisedTexts(texts, tokenizer)

    def epoch(number: int) -> list[list[int]]:
        rows.set_epoch(number)
        assert rows.lengths == [len(rows[index]["input_ids"]) for index in range(len(texts))]
        return [rows[index]["input_ids"].tolist() for index in range(len(texts))]

    first = epoch(1)
    assert first != epoch(2)
    assert first == epoch(1)
    assert sum(map(len, first)) > 1.1 * sum(usual.lengths)
    assert rows.lengths[-1] == 32
    for index in range(200):
        assert tokenizer.decode(first[index]) == tokenizer.decode(usual[index]["input_ids"])
    rows.share = 0.0
    assert epoch(1)[:201] == [usual[index]["input_ids"].tolist() for index in range(201)]


RESUMABLE = CONFIG.model_copy(
    update={
        "epochs": 6,
        "encoder": TINY.model_copy(update={"dropout": 0.1, "pretrain_epochs": 2, "resegmented_words": 0.3}),
    }
)


def train_in_this_process(work_dir: str, curves_file: str) -> None:
    """Runs in the subprocess that gets killed: as `run`, but every curve reaches the disk at once."""
    torch.set_num_threads(1)
    with Path(curves_file).open("a", encoding="utf-8") as file:

        def log(step: int, metrics: dict[str, float]) -> None:
            file.write(json.dumps([step, metrics]) + "\n")
            file.flush()
            time.sleep(0.02)  # leaves the parent the time to kill at a chosen step

        train_transformer(
            RESUMABLE,
            reviews(320),
            reviews(100, seed=1),
            normaliser=TextNormaliser(),
            seed=0,
            work_dir=Path(work_dir),
            log=log,
        )


def killed_once(work_dir: Path, metric: str, count: int) -> None:
    """Train in a subprocess and SIGKILL it as soon as `count` values of `metric` have been logged."""
    curves_file = work_dir.parent / "curves.jsonl"
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('t', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module);"
        "module.train_in_this_process(sys.argv[2], sys.argv[3])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, __file__, str(work_dir), str(curves_file)])
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if curves_file.exists() and curves_file.read_text(encoding="utf-8").count(metric) >= count:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run(RESUMABLE, tmp_path_factory.mktemp("uninterrupted") / "work")


@pytest.mark.parametrize(
    ("metric", "count", "first"),
    [("validation_macro_f1", 4, "train_loss"), ("pretrain_train_loss", 40, "pretrain_train_loss")],
    ids=["while-fine-tuning", "while-pretraining"],
)
def test_a_killed_run_continues_where_it_was_and_ends_the_same(uninterrupted, tmp_path, metric, count, first):
    work_dir = tmp_path / "work"
    killed_once(work_dir, metric, count)
    stage = work_dir / ("classification" if first == "train_loss" else "pretraining")
    reached = max(int(path.name.rpartition("-")[2]) for path in stage.glob("checkpoint-*"))
    assert reached > 0

    classifier, curves = run(RESUMABLE, work_dir)
    assert next(step for step, metrics in curves if first in metrics) > 0
    assert bool(named(curves, "pretrain_train_loss")) == (first == "pretrain_train_loss")

    expected, whole = uninterrupted
    assert len(curves) < len(whole)
    assert curves[-1] == whole[-1]
    texts = reviews(50, seed=6).texts
    np.testing.assert_array_equal(classifier.predict_proba(texts), expected.predict_proba(texts))


def test_two_processes_train_the_model_that_one_trains(tmp_path):
    """Without dropout only rounding is left between them: the batches are the same rows in the same order."""
    alone, curves = run(CONFIG, tmp_path / "alone")
    shared_curves: list[tuple[int, dict[str, float]]] = []
    shared = train_in_processes(
        CONFIG,
        reviews(320),
        reviews(100, seed=1),
        normaliser=TextNormaliser(),
        seed=0,
        work_dir=tmp_path / "shared",
        log=lambda step, metrics: shared_curves.append((step, metrics)),
        count=2,
    )
    texts = reviews(200, seed=2).texts
    np.testing.assert_allclose(shared.predict_proba(texts), alone.predict_proba(texts), atol=2e-3)
    assert [step for step, _ in shared_curves] == [step for step, _ in curves]
    np.testing.assert_allclose(named(shared_curves, "train_loss"), named(curves, "train_loss"), atol=1e-2)


def test_a_process_that_fails_is_told_in_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot be fetched"):
        train_in_processes(
            CONFIG.model_copy(update={"encoder": None, "checkpoint": str(tmp_path / "nowhere")}),
            reviews(40),
            reviews(40, seed=1),
            normaliser=TextNormaliser(),
            seed=0,
            work_dir=tmp_path / "work",
            log=lambda step, metrics: None,
            count=2,
        )


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ConfigError, match="16 rows cannot be shared equally by 3"):
        process_count(CONFIG.model_copy(update={"processes": 3}))
