"""What libraries say goes to the log, and never to the terminal."""

import subprocess
import sys
from pathlib import Path

from sentiment.home import PROJECT

# A file of a library that cannot be closed any more: Python tells it, as nobody can catch it.
PROGRAM = """
import logging, sys
from pathlib import Path
from pipelines.common.logs import logs_to

class Unclosed:
    def __del__(self):
        raise OSError("refused to kim@example.com")

with logs_to(Path(sys.argv[1])):
    logging.getLogger("library").warning("a warning")
    Unclosed()
Unclosed()
print("done")
"""


def test_an_exception_that_nobody_can_catch_is_in_the_log_and_not_on_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
    said = log.read_text(encoding="utf-8")
    assert "a warning" in said
    assert "OSError: refused to [EMAIL]" in said
    assert "kim@" not in said
