"""`run.py watch` around the real monitor pipeline."""

import re

from tests.code.webhook_receiver import receiving
from tests.e2e.conftest import Run


def test_a_watch_tells_a_failure_once_and_then_the_verdict(run: Run) -> None:
    """Without a champion the run fails, and sends one alert itself; with one it says what monitoring found."""
    with receiving() as receiver:
        failed = run("watch", "--once", SENTIMENT_WEBHOOK_URL=receiver.url)
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert re.search(r"✗ monitor failed \(exit code 1\)\. .*champion.*\d+ s$", failed.stdout, re.M), failed.stdout
        assert len(receiver.messages) == 1
        assert "The pipeline monitor failed on the stack laptop." in receiver.messages[0]

        trained = run("--pipeline", "train")
        assert trained.returncode == 0, trained.stdout + trained.stderr
        watched = run("watch", "--once", "--no-act", SENTIMENT_WEBHOOK_URL=receiver.url)
        assert watched.returncode == 0, watched.stdout + watched.stderr
        assert re.search(r"✓ Not enough data for a verdict: .*No retraining.*\d+ s$", watched.stdout, re.M), (
            watched.stdout
        )
        assert len(receiver.messages) == 1
