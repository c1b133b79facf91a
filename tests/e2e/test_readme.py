"""Every command of the README, in its order, in a folder where a user's files lie."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from sentiment.home import PROJECT
from tests.e2e.conftest import Run

README = (PROJECT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.strip().splitlines()]
# What brought the tests here, and the two targets, which are looked at below.
INSTALLATION = [
    "make train",
    "make test",
    "python3.11 -m venv .venv && . .venv/bin/activate",
    "pip install -r requirements.txt -c requirements.lock",
]
# The first command that a person types; what it prints is shown below it.
FIRST = COMMANDS[len(INSTALLATION)]
# What differs from run to run and from machine to machine: seconds, the log's place and time, the cores.
VARYING = re.compile(r"\d+(\.\d+)? m?s\b|(?<=  log      ).*|(?<=  device   ).*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`my.csv` as the README names it, and a small stand-in for NSMC's two files."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "run.py").symlink_to(PROJECT / "run.py")
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv").filter(pl.col("text").is_not_null())
    sample.filter(pl.col("domain") == "product").select(reviewText="text", overall="rating").write_csv(
        folder / "my.csv"
    )
    movies = sample.filter((pl.col("language") == "ko") & (pl.col("rating") != 3)).select(
        "id", document="text", label=(pl.col("rating") > 3).cast(pl.Int8)
    )
    movies.head(1000).write_csv(folder / "ratings_train.txt", separator="\t", quote_style="never")
    movies.tail(400).write_csv(folder / "ratings_test.txt", separator="\t", quote_style="never")
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left(run: Run) -> Iterator[None]:
    yield
    for process in run.servers():
        process.kill()


def test_the_first_command_prints_what_the_readme_shows(run: Run) -> None:
    result = run.shell(FIRST)
    assert result.returncode == 0, result.stdout + result.stderr
    (shown,) = re.findall(r"^```text\n(sentiment-ops train\n.*?)^```", README, re.M | re.S)
    printed = "\n".join(line.rstrip() for line in result.stdout.splitlines())
    assert VARYING.sub("…", shown) in VARYING.sub("…", printed)


@pytest.mark.parametrize("line", COMMANDS[len(INSTALLATION) + 1 :])
def test_the_command_works(run: Run, folder: Path, line: str) -> None:
    cwd = PROJECT if line.startswith("PYTHONPATH=.") else folder
    if line.startswith("python run.py watch"):  # goes on for ever: told to stop, it finishes its run
        line = f"timeout --preserve-status --signal INT 10 {line}"
    result = run.shell(line, cwd=cwd, NSMC_DIR=str(folder))
    # The gate may well refuse what is trained on small stand-ins; that is an answer, too.
    allowed = (0, 3) if line.startswith("python run.py train") else (0,)
    assert result.returncode in allowed, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert (result.stdout + result.stderr).strip()


def test_the_installation_is_what_the_readme_says() -> None:
    assert COMMANDS[: len(INSTALLATION)] == INSTALLATION
    for target, last in (("train", "run.py --pipeline train"), ("test", "-m pytest")):
        plan = subprocess.run(
            ["make", "--no-print-directory", "--dry-run", "--always-make", target],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert last in plan.stdout.strip().splitlines()[-1]


def test_the_python_example_runs(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_HOME", run.state["SENTIMENT_HOME"])
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    names: dict[str, object] = {}
    exec(example.replace("Predictor.champion().predict", "answer = Predictor.champion().predict"), names)  # noqa: S102
    (prediction,) = names["answer"]  # type: ignore[misc]
    assert prediction.keys() == {"text", "label", "confidence", "probs"}
