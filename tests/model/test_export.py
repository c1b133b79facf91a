"""The parity gate: which format is served, and what keeps the others out."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from sentiment.config.deploy import ExportConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.errors import DataError, SentimentError
from sentiment.export import ExportReport, choose_format
from sentiment.export.onnx import FP32, INT8
from sentiment.export.parity import pick_format
from sentiment.export.report import ORIGINAL
from sentiment.models.onnx import OnnxClassifier
from sentiment.models.transformer import TransformerClassifier
from sentiment.pages import page_of
from sentiment.text.normalise import TextNormaliser
from sentiment.training.majority import train_majority
from tests.code.evaluation_factories import LABELS, Scripted, make_reviews, predicting, random_probabilities

# The validation split is 300 rows: three other labels already cost 0.01 at the interval's lower end.
CONFIG = ExportConfig(max_macro_f1_loss=0.03)


@pytest.fixture(scope="module")
def exported(trained_transformer: TransformerClassifier, sample: Splits) -> tuple[OnnxClassifier, ExportReport]:
    served, report = choose_format(trained_transformer, sample.validation, CONFIG, seed=3)
    assert isinstance(served, OnnxClassifier)
    return served, report


def with_weights(classifier: OnnxClassifier, change: float) -> OnnxClassifier:
    """The same graph, its weights multiplied by `change`: NaN breaks it, -1 makes it wrong."""
    model = onnx.load_from_string(classifier.model)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and "classifier" in tensor.name:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(change), tensor.name))
    return OnnxClassifier(model.SerializeToString(), classifier.tokenizer, classifier.labels, classifier.normaliser)


def test_every_format_is_measured_and_the_fastest_that_passes_is_served(
    exported: tuple[OnnxClassifier, ExportReport], sample: Splits
) -> None:
    served, report = exported

    assert [result.name for result in report.formats] == [ORIGINAL, FP32, INT8]
    assert not report.unusable
    passed = [result for result in report.formats if not result.failures]
    assert report.winner == min(passed, key=lambda result: result.performance.latency_p50_ms)
    assert report.rows == len(sample.validation)
    fp32, int8 = (result.parity for result in report.formats[1:])
    assert fp32.agreement == 1
    assert fp32.largest_difference < 1e-4
    assert fp32.macro_f1_change.low == fp32.macro_f1_change.high == 0
    assert fp32.largest_difference < int8.largest_difference < 0.1
    assert int8.agreement >= 0.98
    sizes = [result.performance.size_bytes for result in report.formats]
    assert sizes[2] < 0.5 * min(sizes[:2])
    assert served.predict_proba(["최고예요"]).shape == (1, 2)


def test_the_report_comes_back_from_json_and_shows_the_formats(exported: tuple[OnnxClassifier, ExportReport]) -> None:
    report = exported[1]

    assert ExportReport.model_validate_json(report.model_dump_json()) == report
    page = page_of(report)
    assert page.count("<tr>") == 4
    assert "served" in page
    assert report.summary.startswith(f"Served as {report.served}: ")


def test_a_graph_that_answers_wrongly_is_out_and_the_reason_is_said(
    trained_transformer: TransformerClassifier, fp32: OnnxClassifier, sample: Splits
) -> None:
    wrong = with_weights(fp32, -1)
    formats = {FP32: lambda: fp32, INT8: lambda: wrong}
    served, report = pick_format(trained_transformer, formats, sample.validation, CONFIG, seed=0)

    assert served is not wrong
    result = report.formats[2]
    assert result.parity is not None
    assert result.parity.agreement < 0.5
    assert len(result.failures) == 2
    assert "onnx-int8 is out: only " in report.summary
    assert "of the texts keep their label, not 98.00%." in report.summary
    assert ">out<" in page_of(report)


def test_a_graph_without_probabilities_is_out_and_the_original_is_served(
    trained_transformer: TransformerClassifier, fp32: OnnxClassifier, sample: Splits
) -> None:
    broken = with_weights(fp32, float("nan"))
    served, report = pick_format(trained_transformer, {INT8: lambda: broken}, sample.validation, CONFIG, seed=0)

    assert served is trained_transformer
    assert report.served == ORIGINAL
    assert list(report.unusable) == [INT8]
    assert "the outputs of onnx-int8 are no probabilities" in report.reasons[0]


def test_a_network_that_cannot_be_exported_is_served_as_it_is(
    trained_transformer: TransformerClassifier, sample: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(trained_transformer.tokenizer), "is_fast", False)
    served, report = choose_format(trained_transformer, sample.validation, CONFIG, seed=0)

    assert served is trained_transformer
    assert set(report.unusable) == {FP32, INT8}
    assert "has no tokenizer.json" in report.summary


def test_other_classifiers_are_served_in_their_own_format(sample: Splits) -> None:
    majority = train_majority(sample.train, normaliser=TextNormaliser())
    served, report = choose_format(majority, sample.validation, CONFIG, seed=0)

    assert served is majority
    assert [result.name for result in report.formats] == [ORIGINAL]
    assert report.summary.startswith("Served in its own format (majority): ")


def scripted(reviews: Reviews, probabilities: np.ndarray) -> Scripted:
    return Scripted(LABELS, reviews.texts, probabilities)


@pytest.mark.parametrize(
    ("flipped", "rows", "failures"),
    [(0, 2_000, 0), (20, 2_000, 0), (60, 2_000, 2), (10, 200, 2), (3, 200, 1)],
    ids=["equal", "1% other", "3% other", "5% of few rows", "too few rows to be sure"],
)
def test_both_limits_hold(flipped: int, rows: int, failures: int) -> None:
    truth = np.arange(rows) % 2
    predicted = truth.copy()
    predicted[:flipped] = 1 - predicted[:flipped]
    reviews = make_reviews(truth.tolist())
    original, other = scripted(reviews, predicting(truth)), scripted(reviews, predicting(predicted))
    config = ExportConfig(max_macro_f1_loss=0.02)
    _, report = pick_format(original, {"other": lambda: other}, reviews, config, seed=0)

    result = report.formats[1]
    assert result.parity is not None
    assert result.parity.agreement == pytest.approx(1 - flipped / rows)
    assert len(result.failures) == failures


def test_a_gain_is_no_loss() -> None:
    truth = np.arange(1_000) % 2
    worse = truth.copy()
    worse[:15] = 1 - worse[:15]
    reviews = make_reviews(truth.tolist())
    better = scripted(reviews, predicting(truth))
    _, report = pick_format(scripted(reviews, predicting(worse)), {"better": lambda: better}, reviews, CONFIG, seed=0)

    assert report.formats[1].parity is not None
    assert report.formats[1].parity.macro_f1_change.low > 0
    assert not report.formats[1].failures


def test_many_rows_are_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentiment.export.parity.MOST_ROWS", 100)
    truth = np.arange(400) % 2
    reviews = make_reviews(truth.tolist())
    original = scripted(reviews, random_probabilities(truth, 2, 1.0, seed=0))
    digests = [pick_format(original, {}, reviews, CONFIG, seed=seed)[1].data_digest for seed in (1, 1, 2)]

    assert digests[0] == digests[1] != digests[2]
    assert pick_format(original, {}, reviews, CONFIG, seed=1)[1].rows == 100


def test_unlabelled_rows_are_refused(trained_transformer: TransformerClassifier, fp32: OnnxClassifier) -> None:
    with pytest.raises(DataError, match="1 of 3 rows to evaluate on have no label"):
        pick_format(trained_transformer, {FP32: lambda: fp32}, make_reviews([0, 1, None]), CONFIG, seed=0)


def test_an_original_without_probabilities_is_an_error() -> None:
    reviews = make_reviews([0, 1])
    broken = scripted(reviews, np.full((2, 2), np.nan, dtype=np.float32))
    with pytest.raises(SentimentError, match="the outputs of original are no probabilities"):
        pick_format(broken, {}, reviews, CONFIG, seed=0)
