"""The command ends, with its exit code, whatever a library left behind still waits for."""

import subprocess
import sys

import pytest

from sentiment.home import PROJECT

# Two ways in which Python waits at its end: for threads, then for what is registered with atexit.
STUCK = {
    "thread": "threading.Thread(target=threading.Event().wait).start()",
    "exit handler": "atexit.register(threading.Event().wait)",
    "nothing": "pass",
}


@pytest.mark.parametrize("left_behind", STUCK)
@pytest.mark.parametrize(("arguments", "code"), [(["stack", "list"], 0), (["--stack", "labtop", "models", "list"], 4)])
def test_a_command_ends_whatever_still_waits(left_behind: str, arguments: list[str], code: int) -> None:
    program = f"""
import atexit, sys, threading
import cli.main
cli.main.SECONDS_TO_END = 0.5
{STUCK[left_behind]}
sys.argv = ["run.py", *{arguments!r}]
cli.main.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert ("laptop" in done.stdout) == (code == 0)
    assert ("There is no stack 'labtop'" in done.stderr) == (code == 4)
