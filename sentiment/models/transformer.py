"""The transformer classifier: any encoder with a classification head that the transformers library can load."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from sentiment.models.base import TextClassifier, batches_by_length
from sentiment.models.folder import read_identity
from sentiment.models.tokenised import TokenisedTexts, pad
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser

# Padded tokens of one forward pass: enough to keep a GPU busy, little enough for a processor's memory.
BATCH_TOKENS = 8_192
# What loading and calling a tokenizer leave in its settings: with them, a loaded model would not save as it was. Which
# side is cut is in tokenizer.json, too.
LEFT_BY_LOADING = {"is_local", "local_files_only", "max_length", "stride", "truncation_side", "truncation_strategy"}


class TransformerClassifier(TextClassifier):
    """A sequence-classification model with its tokenizer; texts are cut at the tokenizer's `model_max_length`."""

    kind: ClassVar[str] = "transformer"

    def __init__(self, model: Any, tokenizer: Any, labels: Sequence[str], normaliser: TextNormaliser) -> None:
        super().__init__(labels, normaliser)
        self.model = choose_attention(model).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)), in 32-bit arithmetic on the GPU when there is one."""
        rows = TokenisedTexts(self.normaliser.normalise(texts), self.tokenizer)
        probabilities = np.empty((len(rows), len(self.labels)), dtype=np.float32)
        for indices in batches_by_length(rows.lengths, BATCH_TOKENS):
            batch = pad([rows[index] for index in indices], self.tokenizer.pad_token_id)
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in batch.items()}).logits
            probabilities[indices] = logits.float().softmax(dim=-1).cpu().numpy()
        return probabilities

    def write(self, folder: Path) -> None:
        """Write weights (safetensors), `config.json` and the tokenizer's files as the Hub lays them out."""
        with quiet():
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        settings_file = folder / "tokenizer_config.json"
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        kept = {key: value for key, value in settings.items() if key not in LEFT_BY_LOADING}
        settings_file.write_text(json.dumps(kept, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder whose manifest has been verified."""
        labels, normaliser = read_identity(folder)
        with quiet():
            model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(model, tokenizer, labels, normaliser)


def choose_attention(model: Any) -> Any:
    """Plain attention on a processor: torch's fused kernel, made for long texts, takes a third of a training step."""
    model.set_attn_implementation("sdpa" if torch.cuda.is_available() else "eager")
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Turns the transformers library's notes off, and its progress bars where no terminal shows them."""
    verbosity, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if bars:
            transformers.logging.enable_progress_bar()
