"""Who asked, as the prediction log knows it: enough to group one caller's requests, not to know who it was."""

import hashlib
from typing import Final


def caller_digest(key: str) -> str:
    """What is logged of the header X-Caller-Key: 16 hexadecimal digits of its BLAKE2b hash."""
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


# The smoke test of a deployment asks with this key, so that its texts can be told from those of people.
SMOKE_TEST_KEY: Final = "smoke-test"
SMOKE_TEST_CALLER: Final = caller_digest(SMOKE_TEST_KEY)
