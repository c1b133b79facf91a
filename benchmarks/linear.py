"""The train pipeline with the linear candidate against the scikit-learn script a person would write for the same work.

python benchmarks/linear.py --data DIR         # both, one after the other: a table of CPU seconds and their ratio
python benchmarks/linear.py --data DIR bare    # the script alone: one line of JSON

DIR holds NSMC's ratings_train.txt and ratings_test.txt. Processes are measured with their children (wait4).
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = ["run.py", "--pipeline", "train", "--config", "configs/train_nsmc.yaml"]
PIPELINE_OPTIONS = ["--set", "candidates=[linear]", "--no-cache"]
GATE_REFUSED = 3  # the exit code of a pipeline that did all its work, and whose model was not promoted
VALIDATION_SHARE = 0.05  # as in configs/train_nsmc.yaml


def bare(data: Path) -> dict[str, float]:
    """Read, normalise white space, drop repeats and test texts, fit, calibrate, score the test rows."""
    import pandas as pd
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.frozen import FrozenEstimator
    from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.svm import LinearSVC

    def read(name: str) -> pd.DataFrame:
        frame = pd.read_csv(data / name, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)
        frame["document"] = frame["document"].str.replace(r"\s+", " ", regex=True).str.strip()
        return frame[frame["document"] != ""]

    train, test = read("ratings_train.txt"), read("ratings_test.txt")
    train = train.drop_duplicates("document")
    train = train[~train["document"].isin(test["document"])]
    train, validation = train_test_split(train, test_size=VALIDATION_SHARE, random_state=42, stratify=train["label"])

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), min_df=2, sublinear_tf=True)
    svm = LinearSVC(C=0.5, random_state=42).fit(vectorizer.fit_transform(train["document"]), train["label"])
    classifier = CalibratedClassifierCV(FrozenEstimator(svm), method="sigmoid")
    classifier.fit(vectorizer.transform(validation["document"]), validation["label"])
    probabilities = classifier.predict_proba(vectorizer.transform(test["document"]))[:, 1]
    predicted = (probabilities > 0.5).astype(int)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "accuracy": round(accuracy_score(test["label"], predicted), 4),
        "macro_f1": round(f1_score(test["label"], predicted, average="macro"), 4),
        "auc": round(roc_auc_score(test["label"], probabilities), 4),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


@dataclass(frozen=True)
class Measured:
    """What one process and its children took; `peak_mb` is that of the largest of them."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def measure(arguments: list[str], environment: dict[str, str]) -> Measured:
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=os.environ | environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, GATE_REFUSED):
        sys.exit(f"{' '.join(arguments)} failed with exit code {process.returncode}")
    return Measured(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1024)


def compare(data: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        isolated = {
            "NSMC_DIR": str(data),
            "SENTIMENT_HOME": f"{state}/home",
            "ZENML_CONFIG_PATH": f"{state}/zenml",
            "ZENML_ANALYTICS_OPT_IN": "false",
        }
        peer = measure(["benchmarks/linear.py", "--data", str(data), "bare"], {})
        ours = measure([*PIPELINE, *PIPELINE_OPTIONS], isolated)
    print(f"\n{'':<22}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}")
    for name, measured in (("scikit-learn script", peer), ("train pipeline", ours)):
        print(f"{name:<22}{measured.cpu_seconds:>8.1f}{measured.wall_seconds:>8.1f}{measured.peak_mb:>9.0f}")
    ratios = (
        ours.cpu_seconds / peer.cpu_seconds,
        ours.wall_seconds / peer.wall_seconds,
        ours.peak_mb / peer.peak_mb,
    )
    print(f"{'ratio':<22}{ratios[0]:>8.2f}{ratios[1]:>8.2f}{ratios[2]:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ratings_train.txt and ratings_test.txt")
    parser.add_argument("mode", nargs="?", choices=["compare", "bare"], default="compare")
    arguments = parser.parse_args()
    if arguments.mode == "bare":
        print(json.dumps(bare(arguments.data.resolve())))
    else:
        compare(arguments.data.resolve())


if __name__ == "__main__":
    main()
