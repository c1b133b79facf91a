"""The one entry point: pipelines, stacks, models and predictions from the command line.

python run.py train
python run.py deploy
python run.py --help

Every Python must be able to read this file, to say which one is needed: no annotations, no f-strings.
"""

import os
import shlex
import sys

NEEDED = (3, 11)
HERE = os.path.dirname(os.path.abspath(__file__))


def wrong_python(cause):
    # type: (str) -> None
    """Say which Python to call instead, and end."""
    here = os.path.relpath(HERE)
    python = os.path.normpath(os.path.join(here, ".venv", "bin", "python"))
    if not os.path.exists(python):
        command = ["make", "-C", here, "train"]
    elif os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(here, ".venv")):
        pinned = ["-r", os.path.join(here, "requirements.txt"), "-c", os.path.join(here, "requirements.lock")]
        command = [python, "-m", "pip", "install"] + pinned  # noqa: RUF005
    else:
        command = [python] + sys.argv  # noqa: RUF005
    fix = " ".join(map(getattr(shlex, "quote", str), command))
    sys.stderr.write("error: " + cause + "\n  fix: " + fix + "\n")
    sys.exit(4)


if __name__ == "__main__":
    if sys.version_info[:2] != NEEDED:
        wrong_python("This is Python " + sys.version.split()[0] + "; Python 3.11 is needed.")
    try:
        from cli.main import main
    except ModuleNotFoundError as error:
        if os.path.exists(os.path.join(HERE, str(error.name).split(".")[0])):
            raise  # ours: a fault of this project
        wrong_python("The package " + str(error.name) + " is not installed for " + sys.executable + ".")
    main()
