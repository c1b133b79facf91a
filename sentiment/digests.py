"""The SHA-256 of a file."""

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """In hexadecimal; the file is read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
