"""Every command of the README, in its order, in a folder where a user's files lie."""

import re
import shlex
import subprocess
from pathlib import Path

import polars as pl
import pytest

from sentiment.config.load import PROJECT
from tests.e2e.conftest import Run

BLOCKS = re.findall(r"^```bash\n(.*?)^```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.strip().splitlines()]
RUN = [shlex.split(line)[2:] for line in COMMANDS if line.startswith("python run.py")]
# A gate may well refuse what is trained on these small stand-ins; that is an answer too.
ANSWERS = {"train": (0, 3)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`my.csv` as the README names it, and a small stand-in for NSMC's two files."""
    folder = tmp_path_factory.mktemp("user")
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv").filter(pl.col("text").is_not_null())
    sample.filter(pl.col("domain") == "product").select(reviewText="text", overall="rating").write_csv(
        folder / "my.csv"
    )
    movies = sample.filter((pl.col("language") == "ko") & (pl.col("rating") != 3)).select(
        "id", document="text", label=(pl.col("rating") > 3).cast(pl.Int8)
    )
    movies.head(1600).write_csv(folder / "ratings_train.txt", separator="\t", quote_style="never")
    movies.tail(600).write_csv(folder / "ratings_test.txt", separator="\t", quote_style="never")
    return folder


@pytest.mark.parametrize("arguments", RUN, ids=lambda arguments: " ".join(arguments)[:60])
def test_the_command_works(run: Run, folder: Path, arguments: list[str]) -> None:
    result = run(*arguments, cwd=folder, NSMC_DIR=str(folder))
    allowed = ANSWERS["train"] if "train" in arguments else (0,)
    assert result.returncode in allowed, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stdout.strip()


def test_no_command_is_left_out() -> None:
    """The rest is installation, which is what brought the tests here, and the two targets, which must exist."""
    others = [line for line in COMMANDS if not line.startswith("python run.py")]
    assert others == [
        "make train",
        "make test",
        "python3.11 -m venv .venv && . .venv/bin/activate",
        "pip install -r requirements.txt -c requirements.lock",
    ]
    for target, last in (("train", "run.py --pipeline train"), ("test", "-m pytest")):
        plan = subprocess.run(
            ["make", "--dry-run", "--always-make", target], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        assert last in plan.stdout.strip().splitlines()[-1]


def test_the_python_example_runs(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_HOME", run.state["SENTIMENT_HOME"])
    (example,) = re.findall(r"^```python\n(.*?)^```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, object] = {}
    exec(example.replace("Predictor.champion().predict", "answer = Predictor.champion().predict"), names)  # noqa: S102
    (prediction,) = names["answer"]  # type: ignore[misc]
    assert prediction.keys() == {"text", "label", "confidence", "probs"}
