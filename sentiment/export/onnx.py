"""A trained transformer as an ONNX graph, and that graph with 8-bit weights.

The linear classifier has no second format: its own needs numpy alone and answers in about 0.15 ms.
"""

import copy
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch.onnx import OnnxExporterError

from sentiment.errors import SentimentError
from sentiment.models.onnx import INPUTS, MODEL, OUTPUT, OnnxClassifier
from sentiment.models.transformer import TransformerClassifier

FP32 = "onnx-fp32"
INT8 = "onnx-int8"
# Protocol buffers, and so ONNX files that hold their weights, end here.
MAX_MODEL_BYTES = 2**31 - 1


def formats(classifier: TransformerClassifier) -> dict[str, Callable[[], OnnxClassifier]]:
    """The graph in 32 bits, and in 8."""
    graph = cache(lambda: to_onnx(classifier))
    return {FP32: graph, INT8: lambda: to_int8(graph())}


def to_onnx(classifier: TransformerClassifier) -> OnnxClassifier:
    """The same function as a 32-bit graph, with batch size and text length left open.

    Equal classifiers give equal bytes. Raises SentimentError when the network or its tokenizer has no such form.
    """
    model = copy.deepcopy(classifier.model).cpu().float()
    # The plain form gives the smallest graph, and the same one from a machine with a GPU.
    model.set_attn_implementation("eager")
    if sum(weights.nbytes for weights in model.parameters()) > MAX_MODEL_BYTES:
        raise SentimentError(
            "The model's weights are over 2 GB, more than one ONNX file can hold.",
            "Train a smaller checkpoint: --set candidates=[distilbert]",
        )
    tokenizer = _tokenizer(classifier.tokenizer)
    network = _Probabilities(model, classifier.tokenizer.pad_token_id).eval()
    dimensions = {
        0: torch.export.Dim("texts"),
        1: torch.export.Dim("tokens", max=classifier.tokenizer.model_max_length),
    }
    # Two texts of unequal length, as one text, or a mask without padding, would be taken for constants; two tensors of
    # different content, as one given twice would become one input.
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 0]])
    mask = (ids > 0).long()
    with _quiet():
        try:
            program: Any = torch.onnx.export(
                network,
                (ids, mask),
                input_names=INPUTS,
                output_names=[OUTPUT],
                dynamic_shapes=dict.fromkeys(INPUTS, dimensions),
                dynamo=True,
                verbose=False,
            )
        except OnnxExporterError as error:
            raise SentimentError(
                f"{type(classifier.model).__name__} cannot be written as an ONNX graph.",
                "Train a checkpoint of another architecture: --set candidates=[distilbert]",
            ) from error
    return OnnxClassifier(_bytes(program.model_proto), tokenizer, classifier.labels, classifier.normaliser)


def to_int8(classifier: OnnxClassifier) -> OnnxClassifier:
    """Weights in 8 bits with one scale per column, activations rounded to 8 bits as they come (dynamic quantization).

    Processors without VNNI instructions add in 16 bits, which can overflow: let the gate run on the kind of machine
    that serves. https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / MODEL
        quantize_dynamic(onnx.load_from_string(classifier.model), target, per_channel=True, weight_type=QuantType.QInt8)
        model = _bytes(onnx.load(target))
    return OnnxClassifier(model, classifier.tokenizer, classifier.labels, classifier.normaliser)


class _Probabilities(torch.nn.Module):
    """The network with its softmax, and padding set to the padding token, whatever ids the caller left there."""

    def __init__(self, model: Any, pad_token_id: int) -> None:
        super().__init__()
        self.model = model
        self.pad_token_id = pad_token_id

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        ids = torch.where(attention_mask.bool(), input_ids, self.pad_token_id)
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=attention_mask).logits
        return logits.softmax(dim=-1)


def _tokenizer(tokenizer: Any) -> Tokenizer:
    """The library behind a transformers tokenizer, with the truncation that transformers asks of it at every call."""
    if not tokenizer.is_fast:
        raise SentimentError(
            f"{type(tokenizer).__name__} is written in Python and has no tokenizer.json.",
            "Train a checkpoint that has one: --set candidates=[distilbert]",
        )
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.enable_truncation(tokenizer.model_max_length, direction=tokenizer.truncation_side)
    backend.no_padding()
    return backend


def _bytes(model: onnx.ModelProto) -> bytes:
    # Shapes noted before quantization are wrong after it; stack traces name the machine that exported.
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' notes about packages and steps that do not matter here."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
