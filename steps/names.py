"""The names under which steps publish what they made: written once, used by pipelines, tests and run.py."""

# Artifacts.
RAW_REVIEWS = "raw_reviews"
READING_REPORT = "reading_report"
CLEAN_REVIEWS = "clean_reviews"
CLEANING_REPORT = "cleaning_report"
TRAIN = "train_reviews"
VALIDATION = "validation_reviews"
TEST = "test_reviews"
VALIDATION_REPORT = "validation_report"
CLASSIFIER = "classifier"
CANDIDATE = "candidate"
SELECTION = "selection"
EVALUATION = "evaluation"
BASELINE_EVALUATION = "baseline_evaluation"
MAJORITY_EVALUATION = "majority_evaluation"
PROBABILITIES = "test_probabilities"
GATE_DECISION = "gate_decision"
REGISTRATION = "registration"

# Step metadata.
SUMMARY = "summary"
