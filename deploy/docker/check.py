"""Runs inside an image: no pip and no compiler, not as root, the locked versions, and everything imports.

docker run --rm -i -v $PWD/requirements.lock:/requirements.lock:ro IMAGE python - zenml torch < deploy/docker/check.py
"""

import importlib.util
import os
import re
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path


def plain(name: str) -> str:
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


lines = Path("/requirements.lock").read_text(encoding="utf-8").splitlines()
locked = {plain(name): version for name, _, version in (line.partition("==") for line in lines)}
installed = {plain(each.metadata["Name"]): each.version.split("+")[0] for each in distributions()}
tools = [tool for tool in ("pip", "pip3", "cc", "gcc", "make", "ld") if shutil.which(tool)]
found = [
    *([f"it runs as user {os.getuid()}, not 10001"] if os.getuid() != 10001 else []),
    *([f"it holds {', '.join(tools)}"] if tools else []),
    *(["python -m pip works"] if importlib.util.find_spec("pip") else []),
    *(["/opt/venv can be written to"] if os.access("/opt/venv", os.W_OK) else []),
    *(f"{name} is {version}" for name, version in installed.items() if locked.get(name, version) != version),
]
if found:
    sys.exit("The image is not as it should be: " + "; ".join(found) + ".")
for module in sys.argv[1:]:
    importlib.import_module(module)
print(f"{len(installed)} packages, {len(installed.keys() & locked.keys())} of them locked; all imports work.")
