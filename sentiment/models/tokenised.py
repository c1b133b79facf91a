"""Texts as token ids in one flat array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

CHUNK = 10_000
# One class index a row, or one row of class probabilities.
Labels = NDArray[np.integer] | NDArray[np.float32]


class TokenisedTexts(Dataset[dict[str, Any]]):
    """Token ids of many texts without one Python object per token: row `i` is `ids[starts[i]:][:lengths[i]]`."""

    def __init__(self, texts: Sequence[str], tokenizer: Any, labels: Labels | None = None) -> None:
        rows: list[NDArray[np.int32]] = []
        lengths: list[int] = []
        for start in range(0, len(texts), CHUNK):
            encoded = tokenizer(
                list(texts[start : start + CHUNK]),
                truncation=True,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
            lengths += [len(row) for row in encoded]
            rows.append(np.fromiter((token for row in encoded for token in row), dtype=np.int32))
        self.ids = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
        self.lengths = lengths
        self.starts = np.cumsum([0, *lengths], dtype=np.int64)
        self.labels = labels

    def set_epoch(self, epoch: int) -> None:
        """Called before every epoch of training; these rows stay as they are."""

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {"input_ids": self.ids[self.starts[index] :][: self.lengths[index]]}
        if self.labels is not None:
            row["labels"] = self.labels[index]
        return row


def pad(rows: Sequence[dict[str, Any]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Collate rows of `TokenisedTexts` into tensors of shape (rows, longest row), and labels where there are any."""
    ids = [torch.from_numpy(row["input_ids"].astype(np.int64)) for row in rows]
    batch = {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }
    if "labels" in rows[0]:
        batch["labels"] = torch.from_numpy(np.stack([row["labels"] for row in rows]))
    return batch
