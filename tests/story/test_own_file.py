"""README's own path with a file of one's own, and every way in which the bundled sample could get into its model."""

import re
from pathlib import Path

import polars as pl
import yaml

from sentiment.home import PROJECT
from tests.e2e.conftest import Run
from tests.story.test_story import answer_back, replay, tell

__all__ = ["port"]
from tests.story.test_story import port

LABELS = 250


def own_file(folder: Path) -> Path:
    """Film reviews as a Korean shop's program exports them."""
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False)
    films = sample.filter((pl.col("domain") == "movie") & (pl.col("language") == "ko"))
    table = films.select(내용="text", 별점="rating", 작성일="created_at")
    path = folder / "my.csv"
    path.write_bytes(table.write_csv(separator=";", line_terminator="\r\n").encode("cp949", errors="ignore"))
    return path


def watching(folder: Path, port: int) -> Path:
    """The shipped configs, with this test's port."""
    monitor, retrain, deploy = (
        yaml.safe_load((PROJECT / f"configs/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("monitor", "retrain", "deploy")
    )
    written = {**monitor, "retrain": {**retrain, "deployment": {**deploy, "port": port}}}
    path = folder / "watch.yaml"
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    return path


def test_a_file_of_ones_own_from_the_first_command_to_its_own_retraining(run: Run, port: int, tmp_path: Path) -> None:
    mine, url = own_file(tmp_path), f"http://127.0.0.1:{port}"
    tell(run("train", str(mine), "--yes", "--set", "split.test=0.3", "--set", "gate.max_ece=0.15"), "Promoted")
    tell(run("deploy", "--set", f"port={port}"), "Serving sentiment version 1")

    for arguments, said in (
        (["train"], "was trained on my"),
        (["train", "--set", "replace_champion=true"], "was trained on my"),
        (["train", str(PROJECT / "data/sample/reviews.csv"), "--yes"], "was trained on my"),
        (["retrain", "--set", "train=configs/train.yaml"], "the retrain config names sample"),
        (["retrain", "--set", "train.dataset=sample"], "the retrain config names sample"),
        (["score"], "learnt from my"),
    ):
        refused = run(*arguments)
        assert refused.returncode == 2, (arguments, refused.stdout, refused.stderr)
        assert said in " ".join(refused.stderr.split()), (arguments, refused.stderr)

    services = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False)
    services = services.filter((pl.col("domain") == "service") & (pl.col("rating") != "3")).sort("created_at")
    asked = replay(url, services.head(2 * LABELS))
    assert len(asked) >= LABELS
    answer_back(url, asked)

    tell(run("watch", "--once", "--config", str(watching(tmp_path, port))), "Drift|drift|drop")
    listed = run("models", "list").stdout
    assert re.search(r"^ *2 +champion", listed, re.MULTILINE), listed
    card = " ".join(run("models", "show", "2").stdout.split())
    assert f"my ({mine})" in card
    assert "data/sample" not in card
    assert re.search(r"labels of users .* accepted", card), card
