"""When a cached result may take the place of a step: same inputs, same parameters, same code and same packages.

ZenML's own key covers the code of the step alone; a step of a few lines that calls `sentiment` would stay cached after
a fix in `sentiment`, or with a new version of a library.
"""

from collections.abc import Callable

from zenml.config import CachePolicy

from sentiment.closure import import_closure


def keyed_by_code(module: str) -> tuple[CachePolicy, Callable[[], str]]:
    """The cache policy for the steps of `module`, and the function it calls: a digest of all that the module imports.

    ZenML finds the function by its address when a step is about to run, so the module keeps both under these names:

    CACHED, code_digest = keyed_by_code(__name__)
    """
    # Named, not given: ZenML would ask its database where a function comes from, as soon as this is imported.
    return CachePolicy(cache_func=f"{module}.code_digest"), lambda: import_closure([module]).digest()
