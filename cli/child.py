"""A pipeline in a process of its own, as `watch` calls it: its lines go to a log, its end is told."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sentiment.errors import GateError
from sentiment.home import PROJECT
from sentiment.text.pii import mask

ERROR = "error: "
FIX = "fix: "

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """How a run ended; `error` is the sentence it ended with, empty when there is none."""

    pipeline: str
    exit_code: int
    error: str = ""

    @property
    def failed(self) -> bool:
        """A refusal by the gate is an answer, and no failure."""
        return self.exit_code not in {0, GateError.exit_code}


class Child:
    """Runs one process at a time. It has a session of its own, so that Ctrl-C in the terminal does not reach it."""

    def __init__(self, program: Sequence[str] = (sys.executable, str(PROJECT / "run.py"))) -> None:
        self.program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ending = False

    def run(self, pipeline: str, arguments: Sequence[str]) -> Ended:
        """Run the pipeline to its end. A process that cannot even be started has failed, too."""
        try:
            with self._lock:
                if self._ending:
                    return Ended(pipeline, 128 + signal.SIGTERM, "It was not started.")
                self._process = subprocess.Popen(
                    [*self.program, pipeline, *arguments],
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
        except OSError as error:
            return Ended(pipeline, 1, f"It could not be started: {error.strerror}.")
        with self._process as process:
            error_line, last = "", ""
            for line in process.stdout or ():
                said = mask(line.strip())
                logger.info("%s: %s", pipeline, said)
                if said.startswith(ERROR):
                    error_line = said.removeprefix(ERROR)
                elif said.startswith(FIX) and error_line:
                    error_line += f" {said.removeprefix(FIX)}"
                last = said or last
        code = process.returncode
        if code < 0:
            return Ended(pipeline, code, f"It was ended by {signal.Signals(-code).name}.")
        return Ended(pipeline, code, (error_line or last) if code else "")

    def end(self) -> None:
        """End what runs, and start nothing more."""
        self._ending = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
