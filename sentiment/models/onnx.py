"""The ONNX classifier: a transformer's forward pass as one graph, run on the processor by ONNX Runtime.

Predicting needs onnxruntime, tokenizers and numpy, so an image that serves it carries neither torch nor transformers.
`sentiment.export` makes it from a `TransformerClassifier`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors
from tokenizers import Tokenizer

from sentiment.errors import SentimentError
from sentiment.models.base import TextClassifier, batches_by_length
from sentiment.models.folder import read_identity
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "probabilities"

# Texts tokenised at once.
CHUNK_TEXTS = 8_192
# Padded tokens of one run of the graph. On a processor more is slower, because the activations leave the cache: with 12
# layers of 768 in 8 bits, 8.1 ms a text at 256 tokens, 9.4 at 512, 12.1 at 2,048 and 19.9 at 8,192.
BATCH_TOKENS = 512

# The runtime's exceptions share no base class.
UNREADABLE = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NotImplemented,
)


class OnnxClassifier(TextClassifier):
    """A graph from `INPUTS`, both int64 (texts, tokens), to `OUTPUT`, float32 (texts, labels), and its tokenizer.

    `tokenizer` adds the special tokens and truncates; it does not pad, and the graph ignores what stands in padding.
    `threads` is how many work on one run, None for one per core; it is no part of the saved folder. Raises
    SentimentError when the runtime cannot read `model`.

    In an 8-bit graph the scale of the activations is that of the whole batch (`onnxruntime.quantization`, dynamic), so
    a text's probabilities depend slightly on its neighbours; in a 32-bit graph they do not beyond rounding.
    """

    kind: ClassVar[str] = "onnx"

    def __init__(
        self,
        model: bytes,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        normaliser: TextNormaliser,
        *,
        threads: int | None = None,
    ) -> None:
        super().__init__(labels, normaliser)
        self.model = model
        self.tokenizer = tokenizer
        self.threads = threads

    @property
    def threads(self) -> int | None:
        """Threads of one run; setting it prepares the graph anew."""
        return self._threads

    @threads.setter
    def threads(self, threads: int | None) -> None:
        self._threads = threads
        self._session = _session(self.model, threads)

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)); safe to call from several threads at once."""
        probabilities = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        for start in range(0, len(texts), CHUNK_TEXTS):
            clean = self.normaliser.normalise(texts[start : start + CHUNK_TEXTS])
            rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(clean)]
            for indices in batches_by_length([len(row) for row in rows], BATCH_TOKENS):
                probabilities[[start + index for index in indices]] = self._run([rows[index] for index in indices])
        return probabilities

    def serve_threads(self) -> None:
        """A batch on several cores costs more in all than several batches on one each."""
        self.threads = 1

    def write(self, folder: Path) -> None:
        """Write `model.onnx` and `tokenizer.json`."""
        (folder / MODEL).write_bytes(self.model)
        self.tokenizer.save(str(folder / TOKENIZER))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder whose manifest has been verified."""
        labels, normaliser = read_identity(folder)
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        return cls((folder / MODEL).read_bytes(), tokenizer, labels, normaliser)

    def _run(self, rows: Sequence[list[int]]) -> Probabilities:
        """Probabilities of token ids, the longest row first."""
        ids = np.zeros((len(rows), len(rows[0])), dtype=np.int64)
        mask = np.zeros_like(ids)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        (probabilities,) = self._session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
        return np.asarray(probabilities)


def _session(model: bytes, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    # Idle threads sleep: spinning until the next request would cost more processor time than the request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Nearly every batch has a shape of its own, and a memory plan would be kept for each.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except UNREADABLE as error:
        why = str(error).strip().partition("\n")[0][:80]
        raise SentimentError(
            f"ONNX Runtime cannot read the model: {why}.", "Export it again: python run.py deploy"
        ) from error
