"""What a check of a stack found."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One check. `fix` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
