"""The majority kind: the floor of every evaluation, which no model file names."""

from sentiment.kinds import Kind

KIND = Kind(classifier="sentiment.models.majority:MajorityClassifier")
