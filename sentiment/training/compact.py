"""A compact BERT encoder from nothing: its vocabulary, its first embeddings, its masked-language-model pre-training.

No download is involved: the vocabulary and the weights come from the training texts alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, PreTrainedTokenizerFast

from sentiment.kinds.transformer import CompactEncoder
from sentiment.models.tokenised import CHUNK, Labels, TokenisedTexts

SPECIAL_TOKENS = PAD, UNKNOWN, START, END, MASK = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WINDOW = 5
# BERT starts at 0.02; these embeddings mean something already, and the positions added to them must not drown it.
EMBEDDING_STD = 0.05


def train_tokenizer(texts: Sequence[str], vocabulary_size: int, max_length: int) -> Any:
    """A byte-pair tokenizer (Sennrich et al. 2016, arXiv:1508.07909) learnt from `texts`, case-insensitive.

    Runs of punctuation stay whole, so that "..." and "!!" become tokens of their own: they carry sentiment. The
    alphabet is not limited: the library breaks ties between rare characters differently in every run.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation("contiguous")]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=3,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        mask_token=MASK,
        model_max_length=max_length,
    )


def build_encoder(
    encoder: CompactEncoder, texts: Sequence[str], labels: Sequence[str], max_length: int
) -> tuple[Any, Any]:
    """A tokenizer and an untrained BERT classifier whose token embeddings start from `cooccurrence_vectors`.

    Attention dropout stays off: it would take attention off its fast path.
    """
    tokenizer = train_tokenizer(texts, encoder.vocabulary_size, max_length)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=encoder.hidden_size,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.attention_heads,
        intermediate_size=encoder.intermediate_size,
        hidden_dropout_prob=encoder.dropout,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=max_length,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config)
    vectors = torch.from_numpy(
        cooccurrence_vectors(TokenisedTexts(texts, tokenizer), config.vocab_size, config.hidden_size)
    )
    known = vectors.any(dim=1)
    embeddings = model.bert.embeddings.word_embeddings.weight.data
    embeddings[known] = vectors[known] * EMBEDDING_STD * config.hidden_size**0.5
    return model, tokenizer


def cooccurrence_vectors(rows: TokenisedTexts, vocabulary_size: int, dimensions: int) -> NDArray[np.float32]:
    """Token vectors of shape (vocabulary_size, dimensions) from the company each token keeps in the training texts.

    The singular vectors of the positive pointwise mutual information of tokens at most `WINDOW` apart, near ones
    weighing more (Levy et al. 2015, "Improving Distributional Similarity with Lessons Learned from Word Embeddings").
    Seconds of work that place similar words together before training starts. Every row has length one, or zero where
    the token never stood beside another.
    """
    ids = rows.ids
    text = np.repeat(np.arange(len(rows)), rows.lengths)
    counts = sparse.csr_matrix((vocabulary_size, vocabulary_size), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        near = (text[:-distance] == text[distance:]) & (np.minimum(left, right) >= len(SPECIAL_TOKENS))
        weights = np.full(int(near.sum()), 1 / distance, dtype=np.float32)
        counts += sparse.coo_matrix((weights, (left[near], right[near])), shape=counts.shape).tocsr()
    counts = (counts + counts.T).tocoo()

    totals = np.asarray(counts.sum(axis=1)).ravel()
    # Contexts smoothed by the power 0.75, or rare tokens would get the largest values.
    contexts = totals**0.75 / (totals**0.75).sum()
    information = np.log(counts.data / (totals[counts.row] * contexts[counts.col]))
    positive = sparse.csr_matrix((np.maximum(information, 0), (counts.row, counts.col)), shape=counts.shape)
    components = min(dimensions, vocabulary_size)
    left_vectors, values, _ = randomized_svd(positive, components, n_iter=2, random_state=0)
    vectors = np.pad(left_vectors * np.sqrt(values), ((0, 0), (0, dimensions - components)))
    alone = np.asarray(positive.sum(axis=1)) == 0
    vectors /= np.where(alone, np.inf, np.linalg.norm(vectors, axis=1, keepdims=True))
    return np.asarray(vectors, dtype=np.float32)


def mask_tokens(
    input_ids: torch.Tensor, vocabulary_size: int, mask_token_id: int, probability: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide tokens as BERT does (Devlin et al. 2019, section 3.1): 80% masked, 10% replaced at random, 10% kept.

    Returns the changed ids and a boolean tensor of the chosen positions, both shaped as `input_ids`. Special tokens,
    which have the lowest ids, are never chosen.
    """
    specials = len(SPECIAL_TOKENS)
    chosen = (torch.rand(input_ids.shape, device=input_ids.device) < probability) & (input_ids >= specials)
    how = torch.rand(input_ids.shape, device=input_ids.device)
    random_ids = torch.randint_like(input_ids, specials, vocabulary_size)
    hidden = torch.where(chosen & (how < 0.8), mask_token_id, input_ids)
    return torch.where(chosen & (how >= 0.9), random_ids, hidden), chosen


MASKED_SHARE = 0.2  # more than BERT's 0.15: reviews are short, and every hidden token is a lesson


class MaskedLanguageModel(BertForMaskedLM):  # type: ignore[misc]
    """BERT for pre-training that hides tokens itself and scores the vocabulary at the hidden positions only.

    The library's head scores every position, which costs as much as the encoder at this size. Masking happens here
    rather than in the data loader, because the loader fetches ahead: a resumed run could not repeat its draws.
    """

    def __init__(self, config: Any, mask_token_id: int) -> None:
        super().__init__(config)
        self.mask_token_id = mask_token_id

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """The cross-entropy of the hidden tokens, under `loss`."""
        masked, chosen = mask_tokens(input_ids, self.config.vocab_size, self.mask_token_id, MASKED_SHARE)
        states = self.bert(input_ids=masked, attention_mask=attention_mask).last_hidden_state
        scores = self.cls(states[chosen]).float()
        # A batch in which chance chose no token must not end in 0/0.
        total = F.cross_entropy(scores, input_ids[chosen], reduction="sum")
        return {"loss": total / chosen.sum().clamp(min=1)}


# Subword regularisation: in every epoch some words are split into smaller pieces than the tokenizer would choose.
#
# The model then sees a word's stem also where the vocabulary holds the inflected word as one token: the effect of BPE-
# dropout (Provilkov et al. 2020, arXiv:1910.13267). That method's own implementation in the tokenizers library takes
# no seed; cutting the list of merges short gives smaller pieces too, is repeatable, and runs once instead of every
# epoch.

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
