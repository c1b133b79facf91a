"""Subword regularisation: in every epoch some words are split into smaller pieces than the tokenizer would choose.

The model then sees a word's stem also where the vocabulary holds the inflected word as one token: the effect of
BPE-dropout (Provilkov et al. 2020, arXiv:1910.13267). That method's own implementation in the tokenizers library takes
no seed; cutting the list of merges short gives smaller pieces too, is repeatable, and runs once instead of every epoch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sentiment.models.tokenised import CHUNK, Labels, TokenisedTexts

# The share of the merges that each alternative keeps: of 16,000, medium pieces and little more than syllables.
KEPT_MERGES = (1, 1 / 4, 1 / 16)


class ResegmentedTexts(TokenisedTexts):
    """`TokenisedTexts` in which a share of the words, drawn anew in every epoch, is cut into smaller pieces."""

    def __init__(self, texts: Sequence[str], tokenizer: Any, labels: Labels | None, *, share: float, seed: int) -> None:
        cuts = [_Words.cut(texts, _shortened(tokenizer.backend_tokenizer, kept)) for kept in KEPT_MERGES]
        self.max_length = tokenizer.model_max_length
        self.text_of_word = cuts[0].text
        self.pieces = np.concatenate([words.ids for words in cuts])
        offsets = np.cumsum([0, *(len(words.ids) for words in cuts[:-1])])
        self.word_starts = np.stack([words.starts + offset for words, offset in zip(cuts, offsets, strict=True)])
        self.word_lengths = np.stack([words.lengths for words in cuts])
        self.share = share
        self.seed = seed
        self.rows = len(texts)
        self.labels = labels
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw the words that are cut smaller in this epoch; the draw depends on seed and epoch alone."""
        draw = np.random.default_rng((self.seed, epoch))
        words = len(self.text_of_word)
        choice = np.where(draw.random(words) < self.share, draw.integers(1, len(KEPT_MERGES), words), 0)
        starts, lengths = self.word_starts[choice, np.arange(words)], self.word_lengths[choice, np.arange(words)]
        ends = np.cumsum(lengths)
        self.ids = self.pieces[np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])]
        whole = np.bincount(self.text_of_word, weights=lengths, minlength=self.rows).astype(np.int64)
        self.starts = np.cumsum([0, *whole])
        self.lengths = np.minimum(whole, self.max_length).tolist()


@dataclass(frozen=True)
class _Words:
    """All words of all texts: word `i` is `ids[starts[i]:][:lengths[i]]` and stands in text `text[i]`."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    text: NDArray[np.int64]

    @classmethod
    def cut(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Self:
        ids, words, text = [], [], []
        for start in range(0, len(texts), CHUNK):
            encodings = tokenizer.encode_batch(list(texts[start : start + CHUNK]))
            lengths = [len(encoding.ids) for encoding in encodings]
            ids.append(np.fromiter((token for encoding in encodings for token in encoding.ids), dtype=np.int32))
            # Special tokens belong to no word; -1 makes them words of their own, which every cut leaves whole.
            words.append(
                np.fromiter(
                    (-1 if w is None else w for encoding in encodings for w in encoding.word_ids), dtype=np.int32
                )
            )
            text.append(np.repeat(np.arange(start, start + len(encodings)), lengths))
        ids_, words_, text_ = np.concatenate(ids), np.concatenate(words), np.concatenate(text)
        begins = np.append(True, (words_[1:] != words_[:-1]) | (text_[1:] != text_[:-1]))
        starts = np.flatnonzero(begins)
        return cls(ids_, starts, np.diff(np.append(starts, len(ids_))), text_[starts])


def _shortened(tokenizer: Tokenizer, kept: float) -> Tokenizer:
    settings = json.loads(tokenizer.to_str())
    settings["truncation"] = None
    merges = settings["model"]["merges"]
    settings["model"]["merges"] = merges[: int(kept * len(merges))]
    return Tokenizer.from_str(json.dumps(settings))
