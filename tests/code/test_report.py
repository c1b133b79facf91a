"""The one report of a run, and where it is found: the page, `run.py report`, `run.py models list`."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner, Result

from cli.main import commands
from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import MAJORITY, GateDecision, decide
from sentiment.home import PROJECT
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.registration import Registration
from sentiment.pages import Trained, markdown_of, report_of_run
from sentiment.pages.korean import KOREAN
from sentiment.registry import Registry
from sentiment.registry.records import REPORT_FILE
from steps.common.tracking import flat_params
from tests.code.evaluation_factories import (
    make_comparison,
    make_evaluation,
    make_reviews,
    predicting,
    random_probabilities,
)
from tests.code.registries import register

ROWS = 400
TRUTH = np.arange(ROWS) % 2
TEXTS = [f"<script>alert({row})</script> 문의 kim{row}@example.com 010-1234-{row:04}" for row in range(ROWS)]
REVIEWS = make_reviews(TRUTH.tolist(), text=TEXTS, category=["영화"] * 370 + ["책"] * 20 + ["음식"] * 10)
ABOUT = Trained("my_reviews", False, datetime(2026, 11, 29, 9, 30, tzinfo=UTC))
CARD = (
    "# sentiment\n\n## Data\n\n| split | rows |\n| --- | --- |\n| train | 10 |\n\nSee `<b>` and https://example.org\n"
)


def _decided(skill: float, champion_skill: float | None) -> tuple[Evaluation, GateDecision]:
    probabilities = random_probabilities(TRUTH, 2, skill, 0)
    evaluation = make_evaluation(REVIEWS, probabilities, "linear", EvaluationConfig(resamples=200))
    majority = make_evaluation(REVIEWS, predicting([0] * ROWS), MAJORITY)
    champion = comparison = None
    if champion_skill is not None:
        scored = random_probabilities(TRUTH, 2, champion_skill, 1)
        champion, comparison = make_evaluation(REVIEWS, scored, "v1"), make_comparison(REVIEWS, probabilities, scored)
    return evaluation, decide(
        evaluation,
        [majority],
        champion,
        comparison,
        GateConfig(max_ece=1),
        candidate_digest="a" * 64,
        champion_digest="b" * 64 if champion else None,
    )


def _registration(promoted: bool) -> Registration:
    summary = "sentiment version 3 (linear) is registered."
    return Registration(
        model_name="sentiment", version=3, promoted=promoted, digest="a" * 64, card=CARD, summary=summary
    )


def _page(skill: float, champion_skill: float | None) -> tuple[str, GateDecision]:
    evaluation, decision = _decided(skill, champion_skill)
    return report_of_run(_registration(decision.approved), decision, evaluation, ABOUT), decision


def test_the_verdict_comes_first_in_one_sentence_of_both_languages() -> None:
    page, decision = _page(3, 1)
    assert decision.approved
    body = page.partition("<main>")[2]
    first = re.sub(r"<[^>]*>", "|", body[: body.index("<dl>")])
    assert first.index("promoted") < first.index("linear is better than")
    assert "보다 낫습니다" in first
    assert f"{decision.contenders[0].macro_f1}" in first

    page, decision = _page(1, 3)
    assert not decision.approved
    assert f'<span lang="en">refused</span><span lang="ko">{KOREAN["refused"]}</span>' in page
    assert "Failed " in page
    assert "통과하지 못했습니다" in page


def test_it_has_everything_and_nothing_from_elsewhere() -> None:
    page, decision = _page(3, 1)
    assert len(page.encode()) < 1_000_000
    assert not re.search(r'\b(?:src|href|srcset)=(?!"data:)|@import|url\(|style="', page)
    for contender in decision.contenders:
        assert str(contender.macro_f1) in page
    for check in decision.checks:
        assert KOREAN.get(check.name, check.name) in page
    assert page.count("<svg ") == 5  # contenders, differences, confusion, reliability, slices
    assert "<h3>Data</h3>" in page  # the card, rendered
    assert "<th>split</th>" in page


def test_every_reason_of_the_gate_is_said_in_korean() -> None:
    for skill, champion_skill in ((3, 1), (1, 3), (3, None), (0, None)):
        page, decision = _page(skill, champion_skill)
        table = page[page.index('<h2><span lang="en">Checks') :].partition("</section>")[0]
        korean = re.findall(r'<span class="sentence"><span lang="en">.*?</span><span lang="ko">(.*?)</span>', table)
        assert len(korean) == len(decision.checks)
        assert all(re.search("[가-힣]", reason) for reason in korean)


def test_no_text_becomes_markup_and_no_personal_data_is_shown() -> None:
    evaluation, decision = _decided(1, None)
    assert evaluation.mistakes
    page = report_of_run(_registration(promoted=False), decision, evaluation, ABOUT)
    for shown in (page, markdown_of(page)):
        assert "<script>alert" not in shown
        assert "example.com" not in shown
        assert "010-1234" not in shown
    assert "&lt;b&gt;" in page


def test_slices_with_few_rows_are_folded() -> None:
    page, _ = _page(3, None)
    slices = page[page.index('<h2><span lang="en">By slice') :].partition("</section>")[0]
    shown, folded = slices.split("<details>")
    assert "category: 영화" in shown
    assert "category: 책" not in shown
    assert "category: 책" in folded


# Where it is found.


@pytest.fixture
def lifecycle(tmp_path: Path, empty_database: bytes, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    home = tmp_path / "home"
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty_database)
    monkeypatch.setenv("SENTIMENT_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SENTIMENT_DATABASE_URL", raising=False)
    return Lifecycle(Registry(f"sqlite:///{home / 'mlflow.db'}"), f"sqlite:///{home / 'predictions.db'}")


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments, catch_exceptions=False)


def _tags(rows: int, test_digest: str) -> dict[str, str]:
    return {"dataset": "my_reviews", "rows": str(rows), "labels": "good, bad", "test_digest": test_digest}


def test_report_writes_the_newest_or_the_named_one_to_a_short_path(lifecycle: Lifecycle, tmp_path: Path) -> None:
    for name in ("one", "two"):
        version = register(lifecycle, tmp_path, name)
        run = lifecycle.registry.get(version).run_id
        lifecycle.registry.client.log_text(run, f"<p>{name} 리포트</p>", REPORT_FILE)

    shown = _call("report")
    assert shown.exit_code == 0
    path = tmp_path / "home/reports/sentiment-2.html"
    assert str(path) in shown.output
    assert path.read_text(encoding="utf-8") == "<p>two 리포트</p>"
    _call("report", "1")
    assert path.with_name("sentiment-1.html").read_text(encoding="utf-8") == "<p>one 리포트</p>"


def test_a_version_from_before_there_was_a_report_shows_its_evaluation(lifecycle: Lifecycle, tmp_path: Path) -> None:
    assert lifecycle.registry.page(register(lifecycle, tmp_path, "one")) == "<p>잘했어요</p>"


def test_report_without_any_version_says_what_to_do(lifecycle: Lifecycle) -> None:
    result = CliRunner().invoke(commands, ["report"])
    assert "has no versions yet" in str(result.exception)


def test_the_list_says_data_rows_labels_why_and_what_serves_where(lifecycle: Lifecycle, tmp_path: Path) -> None:
    first = register(lifecycle, tmp_path, "one", tags=_tags(1884, "t1"))
    lifecycle.promote(first, "the first", actor="ci")
    lifecycle.deployed(first, "sentiment version 1 (linear) at http://127.0.0.1:3000", actor="ci")
    register(lifecycle, tmp_path, "two", gate="refused", evidence="Refused: It is worse.", tags=_tags(1900, "t2"))
    assert "version 2, refused: It is worse." in _call("report", "2").output

    shown = _call("models", "list").output
    champion, refused = (next(line for line in shown.splitlines() if line.startswith(f" {n} ")) for n in (1, 2))
    for expected in ("champion", "my_reviews", "1,884", "good, bad", "0.810", "http://127.0.0.1:3000"):
        assert expected in champion
    assert "refused" in refused
    assert "0.810*" in refused
    assert "http" not in refused
    assert "* measured on other test rows than the champion" in shown
    assert " 2  It is worse." in shown

    lifecycle.promote(2, "it has to be", actor="ci", force=True)
    shown = _call("models", "list").output
    assert "refused, promoted BY FORCE" in next(line for line in shown.splitlines() if line.startswith(" 2 "))
    assert "champion BY FORCE, against the gate: it has to be" in _call("report", "2").output


def test_what_another_version_replaced_serves_no_more(lifecycle: Lifecycle, tmp_path: Path) -> None:
    for name in ("one", "two"):
        version = register(lifecycle, tmp_path, name)
        lifecycle.promote(version, name, actor="ci")
        lifecycle.deployed(version, f"sentiment version {version} (linear) at http://127.0.0.1:3000, after", actor="ci")
    lines = _call("models", "list").output.splitlines()
    assert [line.startswith(" 2 ") for line in lines if "http" in line] == [True]


def test_the_list_needs_no_mlflow(lifecycle: Lifecycle, tmp_path: Path) -> None:
    """Its import alone takes longer than all the rest."""
    register(lifecycle, tmp_path, "one")
    code = (
        "import sys; from cli.main import commands; commands(['models', 'list'], standalone_mode=False); "
        "print([name for name in ('mlflow', 'zenml', 'torch', 'sklearn') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_mlflow_shows_the_signature_of_a_registered_model(lifecycle: Lifecycle, tmp_path: Path) -> None:
    source = lifecycle.registry.get(register(lifecycle, tmp_path, "one")).source
    signature = mlflow.models.Model.load(source).signature
    assert signature.inputs.input_names() == ["text"]
    assert signature.outputs.input_names() == ["부정", "긍정"]


def test_what_programs_keep_in_tags_is_not_on_mlflows_pages(lifecycle: Lifecycle, tmp_path: Path) -> None:
    lifecycle.promote(register(lifecycle, tmp_path, "one"), "the first", actor="ci")
    client = lifecycle.registry.client
    tags = {**client.get_registered_model("sentiment").tags, **client.get_model_version("sentiment", "1").tags}
    shown = {name: value for name, value in tags.items() if not name.startswith("mlflow.")}
    assert {"digest", "dataset_digest", "kind", "gate"} <= shown.keys()
    assert not [name for name, value in shown.items() if value.startswith("{")]


def test_the_parameters_of_a_run_are_names_that_mlflow_takes() -> None:
    config = load_config(CONFIGS / "train.yaml", TrainConfig)
    labels = {"아주 좋음": "positive", "1.0": "negative"}
    changed = TrainConfig.model_validate(
        {**config.model_dump(), "dataset": {**config.dataset.model_dump(), "label_values": labels}}
    )
    parameters = flat_params(changed)
    assert all(re.fullmatch(r"[\w.\- /:]+", name) for name in parameters)
    assert parameters["linear.c"] == "0.5"
    assert "아주 좋음" in parameters["dataset.label_values"]
    assert len(parameters) < 100
