"""The transformer kind: a checkpoint that is fine-tuned, or a compact encoder trained from nothing."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sentiment.kinds import Kind, ModelConfig
from sentiment.stored import Config, disagreement

Probability = Annotated[float, Field(ge=0, lt=1)]


class CompactEncoder(Config):
    """A small BERT encoder and its own BPE vocabulary, both trained from nothing on the training texts."""

    removed = frozenset({"mask_probability"})
    vocabulary_size: int = Field(default=16_000, ge=300)
    layers: int = Field(default=2, ge=1)
    hidden_size: int = Field(default=256, ge=16)
    attention_heads: int = Field(default=4, ge=1)
    intermediate_size: int = Field(default=1024, ge=16)
    dropout: Probability = 0.1
    # The share of the words that is cut into smaller pieces than usual, drawn anew in every epoch.
    resegmented_words: Probability = 0.0
    # Epochs of masked-language-model training on the training texts, before the labels are used.
    pretrain_epochs: int = Field(default=0, ge=0)
    pretrain_learning_rate: float = Field(default=1e-3, gt=0)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.hidden_size % self.attention_heads:
            raise disagreement(
                f"hidden_size is {self.hidden_size}, which is no multiple of attention_heads, {self.attention_heads}",
                f"Set hidden_size to {self.attention_heads * max(1, self.hidden_size // self.attention_heads)}",
            )
        return self


class TransformerConfig(ModelConfig):
    """Fine-tune a checkpoint, or train a compact encoder from scratch when `checkpoint` is null.

    `checkpoint` is a model's name on the Hugging Face hub or a local folder. `unfrozen_layers: N` trains only the top N
    encoder layers and the classification head, null trains everything. `warmup` is the share of the steps in which the
    learning rate rises before it falls linearly to zero. `teacher_weight` is the share of each training target that
    comes from the linear classifier (see `sentiment.training.distil`). `processes` share every batch (see
    `sentiment.training.data_parallel`); null is one per GPU, and one where there is none.
    """

    kind: Literal["transformer"] = "transformer"
    checkpoint: str | None = None
    encoder: CompactEncoder | None = None
    max_length: int = Field(default=128, ge=4)
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: Probability = 0.06
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: Probability = 0.0
    teacher_weight: Probability = 0.0
    class_weights: bool = False
    unfrozen_layers: int | None = Field(default=None, ge=0)
    early_stopping_patience: int | None = Field(default=None, ge=1)
    processes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.checkpoint is None) == (self.encoder is None):
            raise disagreement(
                "it needs either a checkpoint (to fine-tune) or an encoder (to train from scratch)",
                "Set one of the two, and the other to null",
            )
        if self.encoder is not None and self.unfrozen_layers is not None:
            raise disagreement(
                "unfrozen_layers needs a checkpoint: a fresh encoder has nothing worth freezing",
                "Set unfrozen_layers to null",
            )
        return self


KIND = Kind(
    classifier="sentiment.models.transformer:TransformerClassifier",
    config=TransformerConfig,
    trainer="sentiment.training.data_parallel:train_on_devices",
    formats="sentiment.export.onnx:formats",
    packages=("safetensors", "tokenizers"),  # what transformers takes the weights and the vocabulary from
    gpu=True,
)
