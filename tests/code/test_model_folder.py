import json
from pathlib import Path

import pytest

from sentiment.errors import SentimentError
from sentiment.models.folder import IDENTITY, MANIFEST, load_classifier, verify_manifest, write_manifest
from sentiment.models.majority import MajorityClassifier
from sentiment.text.normalise import TextNormaliser

LABELS = ("부정", "긍정")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    MajorityClassifier([0.25, 0.75], LABELS, TextNormaliser(max_repeat=2)).save(tmp_path / "model")
    return tmp_path / "model"


def test_labels_and_normaliser_come_back(folder: Path) -> None:
    loaded = load_classifier(folder)

    assert loaded.labels == LABELS
    assert loaded.normaliser == TextNormaliser(max_repeat=2)


def test_the_digest_is_the_same_for_the_same_content_and_changes_with_any_byte(folder: Path, tmp_path: Path) -> None:
    MajorityClassifier([0.25, 0.75], LABELS, TextNormaliser(max_repeat=2)).save(tmp_path / "twin")
    MajorityClassifier([0.24, 0.76], LABELS, TextNormaliser(max_repeat=2)).save(tmp_path / "other")

    assert verify_manifest(folder) == verify_manifest(tmp_path / "twin")
    assert verify_manifest(folder) != verify_manifest(tmp_path / "other")


def test_an_altered_a_lost_and_an_added_file_are_named(folder: Path) -> None:
    (folder / "priors.json").write_text("[0.9, 0.1]")
    with pytest.raises(SentimentError, match=r"priors\.json"):
        load_classifier(folder)

    (folder / "priors.json").unlink()
    with pytest.raises(SentimentError, match=r"priors\.json"):
        load_classifier(folder)

    (folder / "nested").mkdir()
    (folder / "nested/extra.bin").write_bytes(b"x")
    with pytest.raises(SentimentError, match=r"nested/extra\.bin, priors\.json"):
        verify_manifest(folder)


def test_a_manifest_covers_files_in_subfolders(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "onnx/model.onnx").write_bytes(b"weights")
    digest = write_manifest(folder)

    assert verify_manifest(folder) == digest
    (folder / "onnx/model.onnx").write_bytes(b"Weights")
    with pytest.raises(SentimentError, match=r"onnx/model\.onnx"):
        verify_manifest(folder)


def test_a_folder_without_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(SentimentError, match=f"it has no {MANIFEST}"):
        load_classifier(tmp_path)


def test_a_model_of_a_newer_format_is_refused(folder: Path) -> None:
    identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    (folder / IDENTITY).write_text(json.dumps(identity | {"format": 2}), encoding="utf-8")
    write_manifest(folder)

    with pytest.raises(SentimentError, match=r"stored by a newer version \(format 2; this one reads 1\)"):
        load_classifier(folder)


def test_an_unknown_kind_is_refused(folder: Path) -> None:
    identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    (folder / IDENTITY).write_text(json.dumps(identity | {"kind": "oracle"}), encoding="utf-8")
    write_manifest(folder)

    with pytest.raises(SentimentError, match="unknown kind 'oracle'"):
        load_classifier(folder)
