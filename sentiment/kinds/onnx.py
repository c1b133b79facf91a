"""The ONNX kind: a transformer in the format that a processor predicts fastest with. Nothing trains it."""

from sentiment.kinds import Kind

KIND = Kind(classifier="sentiment.models.onnx:OnnxClassifier")
