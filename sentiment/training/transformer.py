"""Training a transformer: fine-tune a checkpoint, or build a compact encoder and train it from nothing.

A run killed at any moment continues from its last complete checkpoint when started again with the same `work_dir`.
"""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from huggingface_hub import model_info, try_to_load_from_cache
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import DistributedLengthGroupedSampler

from sentiment.data.reviews import Reviews
from sentiment.errors import OR, ConfigError, option
from sentiment.kinds.transformer import CompactEncoder, TransformerConfig
from sentiment.models.tokenised import TokenisedTexts, pad
from sentiment.models.transformer import TransformerClassifier, choose_attention, quiet
from sentiment.seeds import seed_everything
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser
from sentiment.training import Log
from sentiment.training.checkpoints import SealCheckpoints, last_checkpoint
from sentiment.training.compact import MaskedLanguageModel, ResegmentedTexts, build_encoder
from sentiment.training.distil import training_targets

# Where each stage keeps its checkpoints.
STAGES = PRETRAINING, FINE_TUNING = ("pretraining", "classification")
# What the Trainer calls them -> what the curves are called.
CURVES = {
    "loss": "train_loss",
    "learning_rate": "learning_rate",
    "eval_loss": "validation_loss",
    "eval_accuracy": "validation_accuracy",
    "eval_macro_f1": "validation_macro_f1",
}


def train_transformer(
    config: TransformerConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    work_dir: Path,
    log: Log,
) -> TransformerClassifier:
    """Train on normalised, labelled reviews and keep the epoch with the best validation macro-F1.

    `work_dir` holds the checkpoints of this data and this config, and of nothing else; it is left as it is. While
    training runs, `log(step, metrics)` receives the curves. Equal seed, data and processor give equal results, resumed
    or not. This process may be one of several that share every batch (see `sentiment.training.data_parallel`). Raises
    ConfigError when the checkpoint cannot be loaded or does not fit the settings.
    """
    with quiet():
        seed_everything(seed)
        if config.encoder is None:
            model, tokenizer = _load_checkpoint(config, train.labels)
        else:
            model, tokenizer = build_encoder(config.encoder, train.texts, train.labels, config.max_length)
        if config.unfrozen_layers is not None:
            freeze(model, config.unfrozen_layers)
        training = _Training(config, model, tokenizer, normaliser, seed, log)
        resume = last_checkpoint(work_dir / FINE_TUNING)
        if resume is None and config.encoder is not None and config.encoder.pretrain_epochs:
            training.pretrain(config.encoder, train, work_dir / PRETRAINING)
        training.fine_tune(train, validation, work_dir / FINE_TUNING, resume)
    return TransformerClassifier(model, tokenizer, train.labels, normaliser)


def freeze(model: Any, unfrozen_layers: int) -> None:
    """Leave only the top `unfrozen_layers` encoder layers and the classification head trainable."""
    count = model.config.num_hidden_layers
    if unfrozen_layers > count:
        raise ConfigError(
            f"unfrozen_layers is {unfrozen_layers}, but the encoder has {count} layers.",
            f"Train everything: --set candidates.NAME.unfrozen_layers=null"
            f"{OR}Train the upper ones of {count}: --set candidates.NAME.unfrozen_layers={max(1, count // 2)}",
        )
    encoder = model.base_model
    layers = next(m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count)
    encoder.requires_grad_(False)
    for layer in layers[count - unfrozen_layers :]:
        layer.requires_grad_(True)


def bfloat16_pays() -> bool:
    """Whether the processor or GPU multiplies bfloat16 in hardware; elsewhere it is emulated and slower."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class _SimilarLengths(DistributedLengthGroupedSampler):  # type: ignore[misc]
    """Batches of similar length; seed and epoch alone decide rows and order, so that a resumed epoch repeats them."""

    def __init__(self, rows: TokenisedTexts, batch_size: int, seed: int) -> None:
        super().__init__(batch_size, lengths=rows.lengths, num_replicas=1, rank=0, seed=seed)
        self.rows = rows

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self.rows.set_epoch(epoch)
        self.lengths = self.rows.lengths


class _Trainer(Trainer):  # type: ignore[misc]
    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        # The whole batch, of which the Trainer gives each process its share.
        return _SimilarLengths(self.train_dataset, self.args.train_batch_size * self.args.world_size, self.args.seed)


class _Curves(TrainerCallback):  # type: ignore[misc]
    def __init__(self, log: Log, prefix: str = "") -> None:
        self.log = log
        self.prefix = prefix

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        metrics = {f"{self.prefix}{CURVES[name]}": value for name, value in logs.items() if name in CURVES}
        if metrics:
            self.log(state.global_step, metrics)


def _load_checkpoint(config: TransformerConfig, labels: Sequence[str]) -> tuple[Any, Any]:
    name = str(config.checkpoint)
    local = _is_local(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
        settings = AutoConfig.from_pretrained(name, local_files_only=local)
        settings.id2label = dict(enumerate(labels))
        settings.label2id = {label: index for index, label in enumerate(labels)}
        # A checkpoint that was fine-tuned for other labels brings a head of another shape: a new one replaces it.
        model = AutoModelForSequenceClassification.from_pretrained(
            name, config=settings, ignore_mismatched_sizes=True, dtype=torch.float32, local_files_only=local
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The checkpoint {name} cannot be loaded: {str(error).splitlines()[0].rstrip('.')}.",
            "A folder needs config.json, a tokenizer and weights"
            f"{OR}Complete a hub model: hf download {shlex.quote(name)}",
        ) from error
    limit = getattr(settings, "max_position_embeddings", config.max_length)
    if config.max_length > limit:
        raise ConfigError(
            f"max_length is {config.max_length}, but {name} reads {limit} tokens at most.",
            f"Read no more than that: {option(f'candidates.{config.name}.max_length', limit)}",
        )
    tokenizer.model_max_length = config.max_length
    return model, tokenizer


def _is_local(checkpoint: str) -> bool:
    """Whether `checkpoint` is a folder or in the hub's cache, where it is used as it is; if not, the hub must answer.

    Left to itself the library would ask the hub for every cached file too, and retry each for a minute when offline.
    """
    if Path(checkpoint).is_dir():
        return True
    try:
        if isinstance(try_to_load_from_cache(checkpoint, "config.json"), str):
            return True
        model_info(checkpoint, timeout=10)
    except (OSError, ValueError, HTTPError) as error:
        raise ConfigError(
            f"The checkpoint {checkpoint} is no local folder, is not in the hub's cache and cannot be fetched "
            f"({type(error).__name__}).",
            f"Download it while connected: hf download {shlex.quote(checkpoint)}"
            f"{OR}Name a local folder: --set candidates.NAME.checkpoint=FOLDER",
        ) from error
    return False


@dataclass(frozen=True)
class _Training:
    """The two stages over one model; each keeps its checkpoints in a folder of its own."""

    config: TransformerConfig
    model: Any
    tokenizer: Any
    normaliser: TextNormaliser
    seed: int
    log: Log

    def pretrain(self, encoder: CompactEncoder, train: Reviews, folder: Path) -> None:
        """Masked-language modelling on the training texts, whose encoder weights `model` takes over."""
        language_model = MaskedLanguageModel(self.model.config, self.tokenizer.mask_token_id)
        # Everything but the pooler, which has no part in masked-language modelling.
        language_model.bert.load_state_dict(self.model.bert.state_dict(), strict=False)
        trainer = _Trainer(
            model=choose_attention(language_model),
            args=self._arguments(
                folder, num_train_epochs=encoder.pretrain_epochs, learning_rate=encoder.pretrain_learning_rate
            ),
            train_dataset=self._rows(train.texts),
            data_collator=partial(pad, pad_token_id=self.tokenizer.pad_token_id),
            callbacks=[_Curves(self.log, "pretrain_"), SealCheckpoints()],
        )
        _run(trainer, last_checkpoint(folder))
        self.model.bert.load_state_dict(language_model.bert.state_dict(), strict=False)

    def fine_tune(self, train: Reviews, validation: Reviews, folder: Path, resume: Path | None) -> None:
        """Training on the labels; the epoch with the best validation macro-F1 ends up in `model`."""
        callbacks: list[Any] = [_Curves(self.log), SealCheckpoints()]
        if self.config.early_stopping_patience is not None:
            callbacks.append(EarlyStoppingCallback(self.config.early_stopping_patience))
        targets = training_targets(
            train,
            validation,
            teacher_weight=self.config.teacher_weight,
            normaliser=self.normaliser,
            seed=self.seed,
        )
        trainer = _Trainer(
            model=choose_attention(self.model),
            args=self._arguments(
                folder,
                num_train_epochs=self.config.epochs,
                learning_rate=self.config.learning_rate,
                eval_strategy="epoch",
                per_device_eval_batch_size=256,
                load_best_model_at_end=True,
                metric_for_best_model="macro_f1",
                restore_callback_states_from_checkpoint=True,
            ),
            train_dataset=self._rows(train.texts, targets),
            eval_dataset=_shortest_first(validation, self.tokenizer),
            data_collator=partial(pad, pad_token_id=self.tokenizer.pad_token_id),
            compute_loss_func=_loss(self.config, train),
            compute_metrics=_metrics,
            callbacks=callbacks,
        )
        _run(trainer, resume)

    def _rows(self, texts: Sequence[str], labels: Probabilities | None = None) -> TokenisedTexts:
        encoder = self.config.encoder
        if encoder is None or not encoder.resegmented_words:
            return TokenisedTexts(texts, self.tokenizer, labels)
        return ResegmentedTexts(texts, self.tokenizer, labels, share=encoder.resegmented_words, seed=self.seed)

    def _arguments(self, folder: Path, **stage: Any) -> Any:
        return TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=self.config.batch_size // int(os.environ.get("WORLD_SIZE", "1")),
            warmup_steps=self.config.warmup,
            weight_decay=self.config.weight_decay,
            adam_beta2=0.98,
            bf16=bfloat16_pays(),
            use_cpu=not torch.cuda.is_available(),
            ddp_find_unused_parameters=False,
            dataloader_pin_memory=torch.cuda.is_available(),
            seed=self.seed,
            save_strategy="epoch",
            # The best and the last, and one more: until the last is sealed, it does not count.
            save_total_limit=3,
            logging_steps=0.02,
            disable_tqdm=not sys.stderr.isatty(),
            report_to="none",
            remove_unused_columns=False,
            **stage,
        )


def _run(trainer: Any, resume: Path | None) -> None:
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    # The Trainer leaves bfloat16 arithmetic in the model's `forward`: without this, a reloaded model would differ.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)


def _shortest_first(reviews: Reviews, tokenizer: Any) -> TokenisedTexts:
    # The Trainer evaluates in the rows' order; characters stand in for tokens well enough to keep padding small.
    frame = reviews.frame().select("text", "label").sort(pl.col("text").str.len_chars(), maintain_order=True)
    return TokenisedTexts(frame["text"].to_list(), tokenizer, frame["label"].to_numpy())


def _loss(config: TransformerConfig, train: Reviews) -> Callable[..., torch.Tensor]:
    weights = _class_weights(train) if config.class_weights else None

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """`labels` are probabilities, one row a text, in training, and class indices in evaluation."""
        total = F.cross_entropy(
            outputs.logits.float(),
            labels,
            weight=None if weights is None else weights.to(labels.device),
            label_smoothing=config.label_smoothing,
            reduction="sum",
        )
        # The Trainer counts the values in `labels` over the whole step, all processes included.
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch / labels[0].numel())

    return loss


def _class_weights(train: Reviews) -> torch.Tensor:
    labels = train.frame()["label"].to_numpy()
    present = np.unique(labels)
    weights = torch.ones(len(train.labels))
    balanced = compute_class_weight("balanced", classes=present, y=labels)
    weights[torch.from_numpy(present.astype(np.int64))] = torch.tensor(balanced, dtype=torch.float32)
    return weights


def _metrics(prediction: Any) -> dict[str, float]:
    predicted = prediction.predictions.argmax(axis=-1)
    return {
        "accuracy": float(accuracy_score(prediction.label_ids, predicted)),
        "macro_f1": float(f1_score(prediction.label_ids, predicted, average="macro")),
    }
