"""The ONNX classifier against the transformer it was made from, and its model folder."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from sentiment.data.reviews import Splits
from sentiment.errors import SentimentError
from sentiment.export.onnx import to_int8, to_onnx
from sentiment.models.folder import load_classifier, saved_folder
from sentiment.models.onnx import OnnxClassifier
from sentiment.models.transformer import TransformerClassifier
from sentiment.predictor import Predictor
from sentiment.text.normalise import TextNormaliser
from sentiment.training.compact import train_tokenizer

HOSTILE = [
    "",
    " ",
    "ㅋ",
    "😀😭👍🏽",
    "아" * 10_000,
    "최고의 영화 " * 2_000,
    "[PAD] [CLS] 별로 [SEP] [MASK] [UNK]",
    "\x00\u200b\ud800",
    "\u202egnihton",
    "Ünïcödé ＡＢＣ 漢字 <b>굵게</b> &amp; https://example.com",
]
# Eight bits for weights and activations: what their rounding may move a probability by, on this network.
INT8_TOLERANCE = 0.1
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
}
NETWORKS = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": SIZES | {"embedding_size": 16},
    "xlm-roberta": SIZES,
}


@pytest.fixture(scope="module")
def texts(sample: Splits) -> list[str]:
    """1,000 reviews of which none was trained on, then the hostile ones."""
    return sample.test.texts[:1_000] + HOSTILE


def test_the_graph_gives_the_probabilities_of_the_network(
    trained_transformer: TransformerClassifier, fp32: OnnxClassifier, texts: list[str]
) -> None:
    np.testing.assert_allclose(fp32.predict_proba(texts), trained_transformer.predict_proba(texts), atol=1e-4)


def test_the_eight_bit_graph_gives_the_same_labels(
    trained_transformer: TransformerClassifier, int8: OnnxClassifier, texts: list[str]
) -> None:
    expected, actual = trained_transformer.predict_proba(texts), int8.predict_proba(texts)

    assert 0.2 < expected.argmax(axis=1).mean() < 0.8  # the network has learnt to tell them apart
    assert (actual.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.98
    np.testing.assert_allclose(actual, expected, atol=INT8_TOLERANCE)
    np.testing.assert_allclose(actual.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("format_name", ["fp32", "int8"])
def test_the_predictor_says_the_same_with_every_format(
    format_name: str, trained_transformer: TransformerClassifier, texts: list[str], request: pytest.FixtureRequest
) -> None:
    expected = Predictor(trained_transformer).predict(texts, return_probs=True)
    actual = Predictor(request.getfixturevalue(format_name)).predict(texts, return_probs=True)

    tolerance = 1e-4 if format_name == "fp32" else INT8_TOLERANCE
    for one, other in zip(expected, actual, strict=True):
        assert one["text"] == other["text"]
        assert one["probs"] == pytest.approx(other["probs"], abs=tolerance)
        assert one["label"] == other["label"] or one["confidence"] < 0.5 + tolerance


def test_a_text_alone_gets_what_it_gets_among_others(
    fp32: OnnxClassifier, int8: OnnxClassifier, texts: list[str]
) -> None:
    some = texts[-40:]
    alone = [np.concatenate([model.predict_proba([text]) for text in some]) for model in (fp32, int8)]

    np.testing.assert_allclose(alone[0], fp32.predict_proba(some), atol=1e-6)
    np.testing.assert_allclose(fp32.predict_proba(some[::-1])[::-1], fp32.predict_proba(some), atol=1e-6)
    np.testing.assert_allclose(alone[1], int8.predict_proba(some), atol=INT8_TOLERANCE)


def test_the_same_texts_get_the_same_bits_again(int8: OnnxClassifier, texts: list[str]) -> None:
    np.testing.assert_array_equal(int8.predict_proba(texts), int8.predict_proba(texts))


def test_more_texts_than_are_tokenised_at_once_keep_their_order(
    fp32: OnnxClassifier, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fp32.predict_proba(texts)
    monkeypatch.setattr("sentiment.models.onnx.CHUNK_TEXTS", 64)

    np.testing.assert_allclose(fp32.predict_proba(texts), expected, atol=1e-6)
    assert fp32.predict_proba([]).shape == (0, 2)


def test_the_tokenizer_cuts_and_marks_as_transformers_does(
    trained_transformer: TransformerClassifier, fp32: OnnxClassifier, texts: list[str]
) -> None:
    clean = fp32.normaliser.normalise(texts)
    expected = trained_transformer.tokenizer(clean, truncation=True)["input_ids"]

    assert [encoding.ids for encoding in fp32.tokenizer.encode_batch_fast(clean)] == expected
    assert max(map(len, expected)) == trained_transformer.tokenizer.model_max_length


@pytest.mark.parametrize("kind", NETWORKS)
def test_other_encoders_come_through_too(kind: str, sample: Splits) -> None:
    tokenizer = train_tokenizer(sample.train.texts, 600, 64)
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, num_labels=3, **NETWORKS[kind]
    )
    network = transformers.AutoModelForSequenceClassification.from_config(config)
    original = TransformerClassifier(network, tokenizer, ("a", "b", "c"), TextNormaliser())
    texts = sample.test.texts[:60] + HOSTILE
    graph = to_onnx(original)

    np.testing.assert_allclose(graph.predict_proba(texts), original.predict_proba(texts), atol=1e-4)
    np.testing.assert_allclose(to_int8(graph).predict_proba(texts), original.predict_proba(texts), atol=INT8_TOLERANCE)


def test_the_eight_bit_graph_is_much_smaller(fp32: OnnxClassifier, int8: OnnxClassifier) -> None:
    assert len(int8.model) < 0.35 * len(fp32.model)


def test_exporting_again_gives_the_same_folder_and_names_no_machine(
    trained_transformer: TransformerClassifier, fp32: OnnxClassifier, int8: OnnxClassifier
) -> None:
    assert saved_folder(to_onnx(trained_transformer)).digest == saved_folder(fp32).digest
    assert saved_folder(to_int8(fp32)).digest == saved_folder(int8).digest
    for model in (fp32.model, int8.model):
        assert b".py" not in model
        assert str(Path.cwd()).encode() not in model


def test_the_folder_brings_everything_back(int8: OnnxClassifier, texts: list[str], tmp_path: Path) -> None:
    int8.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model")

    assert isinstance(loaded, OnnxClassifier)
    assert loaded.labels == int8.labels == ("negative", "positive")
    assert loaded.normaliser == int8.normaliser
    np.testing.assert_array_equal(loaded.predict_proba(texts), int8.predict_proba(texts))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "classifier.json",
        "manifest.json",
        "model.onnx",
        "tokenizer.json",
    ]


def test_one_altered_byte_is_refused(int8: OnnxClassifier, tmp_path: Path) -> None:
    int8.save(tmp_path / "model")
    altered = bytearray(int8.model)
    altered[len(altered) // 2] ^= 1
    (tmp_path / "model/model.onnx").write_bytes(altered)

    with pytest.raises(SentimentError, match=r"does not match its manifest: model\.onnx"):
        load_classifier(tmp_path / "model")


def test_bytes_that_are_no_graph_are_refused_in_one_sentence(int8: OnnxClassifier) -> None:
    for broken in (b"", b"no graph", int8.model[: len(int8.model) // 2]):
        with pytest.raises(SentimentError, match="ONNX Runtime cannot read the model"):
            OnnxClassifier(broken, int8.tokenizer, int8.labels, int8.normaliser)


def test_threads_can_be_set_and_change_neither_answers_nor_folder(fp32: OnnxClassifier, texts: list[str]) -> None:
    expected, digest = fp32.predict_proba(texts), saved_folder(fp32).digest
    fp32.threads = 1

    assert fp32.threads == 1
    np.testing.assert_allclose(fp32.predict_proba(texts), expected, atol=1e-6)
    fp32.saved = None
    assert saved_folder(fp32).digest == digest
    fp32.threads = None


def test_it_answers_several_threads_at_once(fp32: OnnxClassifier, texts: list[str]) -> None:
    parts = [texts[start : start + 50] for start in range(0, 400, 50)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(fp32.predict_proba, parts))

    for part, answer in zip(parts, answers, strict=True):
        np.testing.assert_array_equal(answer, fp32.predict_proba(part))


def test_predicting_loads_no_training_library(int8: OnnxClassifier, tmp_path: Path) -> None:
    int8.save(tmp_path / "model")
    code = """
import sys
from pathlib import Path
from sentiment.models.folder import load_classifier

assert load_classifier(Path(sys.argv[1])).predict_proba(["정말 재밌어요"]).shape == (1, 2)
unwanted = {"torch", "transformers", "sklearn", "datasets", "onnx", "zenml", "mlflow", "pandas"}
print(sorted(unwanted & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model")], capture_output=True, text=True, check=False
    )

    assert done.stdout == "[]\n", done.stderr
