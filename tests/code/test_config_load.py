"""Config files, references and overrides: what is accepted, and how a mistake is answered."""

from datetime import date
from pathlib import Path

import pytest

from cli.console import dropped_facts
from sentiment.config.load import CONFIGS, forgotten, load_config, validate
from sentiment.config.train import TrainConfig
from sentiment.errors import ConfigError
from sentiment.home import PROJECT
from sentiment.stored import Config

TRAIN = CONFIGS / "train.yaml"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("train*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path: Path) -> None:
    config = load_config(path, TrainConfig)
    assert config.candidates
    assert config.dataset.labels == ["negative", "positive"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "models").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_model_is_valid(path: Path) -> None:
    config = load_config(TRAIN, TrainConfig, [f"candidates=[{path.stem}]"])
    assert [model.name for model in config.candidates] == [path.stem]


@pytest.mark.parametrize("path", sorted((CONFIGS / "datasets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_dataset_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(TRAIN, TrainConfig, [f"dataset={path.stem}"])
    assert config.dataset.name == path.stem


def test_overrides_reach_named_files_and_list_entries() -> None:
    config = load_config(
        TRAIN,
        TrainConfig,
        [
            "candidates=[linear, compact]",
            "dataset.path=my.csv",
            "dataset.text_column=reviewText",
            "candidates.compact.epochs=1",
            "seed=7",
        ],
    )
    assert (config.dataset.path, config.dataset.text_column) == ("my.csv", "reviewText")
    compact = next(model for model in config.candidates if model.name == "compact")
    assert (compact.kind, compact.epochs, config.seed) == ("transformer", 1, 7)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("dataset.txt_column=a", ["dataset.txt_column", "text_column"]),
        ("sead=1", ["sead", "seed"]),
        ("seed=many", ["seed", "whole number", "--set seed=42"]),
        ("candidates=[liner]", ["liner", "linear"]),
        ("candidates.compat.epochs=1", ["compat", "compact"]),
        ("candidates.compact.epoch=1", ["epoch", "epochs"]),
        ("candidates.compact.encoder.layer=1", ["layer", "layers"]),
        ("dataset=sampel", ["sampel", "sample"]),
        ("gate.max_ece=2", ["gate.max_ece"]),
        ("seed", ["seed", "assignment"]),
        ("split.method=random", ["split.method", "hash"]),
        ("candidates=[linear, linear]", ["linear", "share a name"]),
        ("reference.rows=500", ["`reference` is no longer a setting"]),
        ("evaluation.calibration_bins=5", ["`evaluation.calibration_bins` is no longer a setting"]),
        (
            "candidates.compact.encoder.mask_probability=0.1",
            ["`candidates.1.encoder.mask_probability` is no longer a setting"],
        ),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_nearest_valid_name(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(TRAIN, TrainConfig, ["candidates=[linear, compact]", override])
    assert all(word in str(error.value) for word in words), str(error.value)


def test_another_file_is_not_taken_for_the_bundled_sample() -> None:
    bundled = load_config(TRAIN, TrainConfig).dataset
    assert bundled.synthetic
    assert bundled.created_before
    own = load_config(TRAIN, TrainConfig, ["dataset.path=my.csv"]).dataset
    assert not own.synthetic
    assert own.created_before is None


def test_what_is_dropped_with_another_file_is_known() -> None:
    sample = {"created_before": date(2025, 1, 1), "synthetic": True}
    assert forgotten(TRAIN, ["dataset.path=my.csv"]) == {"data/sample/reviews.csv": sample}
    another = ["train=configs/train.yaml", "train.dataset.path=my.csv"]
    assert forgotten(CONFIGS / "retrain.yaml", another) == {"data/sample/reviews.csv": sample}
    assert forgotten(TRAIN, ["dataset.text_column=body", "seed=1"]) == {}
    line = "synthetic, created_before 2025-01-01 (said of data/sample/reviews.csv)"
    assert dropped_facts(TRAIN, ["dataset.path=my.csv"]) == {"dropped": line}
    assert dropped_facts(TRAIN, []) == {}


def test_facts_of_a_file_that_is_named_first_are_dropped_and_those_of_the_new_one_stay() -> None:
    overrides = ["dataset=nsmc", "dataset.synthetic=true", "dataset.path=my.csv", "dataset.created_from=2024-01-01"]
    own = load_config(TRAIN, TrainConfig, overrides).dataset
    assert (own.sha256, own.synthetic, own.created_from) == (None, True, date(2024, 1, 1))
    (dropped,) = forgotten(TRAIN, overrides).values()
    assert list(dropped) == ["sha256"]


def test_a_candidate_takes_the_place_of_the_baseline_of_its_name() -> None:
    config = load_config(TRAIN, TrainConfig, ["candidates.linear.max_ngram=3"])
    assert [(model.name, model.max_ngram) for model in config.models() if model.kind == "linear"] == [("linear", 3)]


def test_a_key_of_a_candidate_is_named_without_its_kind() -> None:
    with pytest.raises(ConfigError, match=r"'candidates\.0\.max_ngrams'(?s:.*)'max_ngram'"):
        load_config(TRAIN, TrainConfig, ["candidates.linear.max_ngrams=3"])


def test_missing_file_and_broken_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'configs/train\.yaml'"):
        load_config(CONFIGS / "trian.yaml", TrainConfig)
    broken = tmp_path / "broken.yaml"
    broken.write_text("seed: [1,\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2 is not YAML: "):
        load_config(broken, TrainConfig)
    broken.write_text("- a\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a list, not keys"):
        load_config(broken, TrainConfig)


def test_a_config_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("configs/train.yaml"), TrainConfig).dataset.name == "sample"
    assert (PROJECT / "configs").is_dir()


class Brewing(Config):
    """A config that had a key more in an earlier version."""

    removed = frozenset({"bins"})
    cups: int = 1


class Kitchen(Config):
    brewing: Brewing = Brewing()


def test_a_key_that_is_no_longer_a_setting_is_named_to_a_user_and_dropped_from_what_was_stored() -> None:
    raw = {"brewing": {"cups": 2, "bins": 10}}
    with pytest.raises(ConfigError) as error:
        validate(raw, Kitchen, "mine.yaml")
    assert str(error.value).startswith("mine.yaml: `brewing.bins` is no longer a setting.")
    assert validate(raw, Kitchen, "mine.yaml", stored=True).brewing.cups == 2
    with pytest.raises(ConfigError, match=r"unknown key 'brewing\.bin'"):
        validate({"brewing": {"bin": 10}}, Kitchen, "mine.yaml", stored=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/my.reviews.csv.gz", "my"),
        ("리뷰.tsv", "리뷰"),
        ("folder/", "folder"),
        ("https://example.com/a/reviews.csv?version=x", "reviews"),
        ("hf://owner/movies@main", "movies"),
        ("database://REVIEWS_URL", "REVIEWS_URL"),
    ],
)
def test_a_dataset_has_the_name_of_the_file_it_is_set_to(path: str, name: str) -> None:
    config = load_config(Path("configs/train.yaml"), TrainConfig, [f"dataset.path={path}"])
    assert config.dataset.name == name
    named = load_config(Path("configs/train.yaml"), TrainConfig, [f"dataset.path={path}", "dataset.name=own"])
    assert named.dataset.name == "own"


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
        "m0: &m0 {k: v}\n"
        + "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], k{n}: v}}\n" for n in range(1, 12)),
        "a: " + "[" * 50_000,
        "a: " + "{a: " * 50_000,
        f"a: [{'x, ' * 200_000}]\n",
    ],
    ids=["laughs", "in itself", "mapping in itself", "merged", "deep", "deep mappings", "long"],
)
def test_a_config_that_grows_without_bound_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="stands for more than 100,000 values, or has no end"):
        load_config(file, TrainConfig)
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config(TRAIN, TrainConfig, [f"dataset.name={text}"])


def test_a_few_aliases_are_welcome(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("dataset: sample\ncandidates: &names [linear]\nsteps: {a: &s {retries: 1}, b: *s}\n")
    assert load_config(file, TrainConfig).steps["b"].retries == 1
