"""One process at a time changes which version is the champion.

MLflow has no compare-and-swap. Beside a SQLite store a file lock does it. On a tracking server it is a tag of the
registered model, by Fischer's algorithm (Lamport 1987, A fast mutual exclusion algorithm): wait until it is free, write
your name, wait longer than a write takes, read it back; only the one who finds the own name enters. A write that took
longer than the others wait might have overwritten somebody who is inside, so who was that slow does not enter.
"""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout

from sentiment.errors import StackError
from sentiment.registry.registry import Registry
from sentiment.registry.tracking import database_path, expecting

CLAIM = "claim"  # the tag of the registered model that holds the owner's name
SETTLING_SECONDS = 2.0  # longer than a write takes
STALE_SECONDS = 60.0  # far longer than a promotion takes
SECONDS_TO_WAIT = 3 * STALE_SECONDS
POLL_SECONDS = 0.1
MOST_REFUSALS = 20

logger = logging.getLogger(__name__)
# The owners of this process that are at work; a name of this process that is not here has failed.
_at_work: set[str] = set()


@contextmanager
def working() -> Iterator[str]:
    """A name for what this process is about to change: host, process and a number of its own."""
    owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(8)}"
    _at_work.add(owner)
    try:
        yield owner
    finally:
        _at_work.discard(owner)


def known_dead(owner: str) -> bool:
    """Whether `owner` ran on this machine and does no more; of other machines nothing is known."""
    host, pid, _ = owner.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    if int(pid) == os.getpid():
        return owner not in _at_work
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def abandoned(owner: str, since: datetime) -> bool:
    """Whether nobody finishes what `owner` began at `since`: it is known to be dead, or took longer than it may."""
    return not owner or known_dead(owner) or datetime.now(UTC) - since > timedelta(seconds=STALE_SECONDS)


@contextmanager
def alone(registry: Registry, owner: str) -> Iterator[Callable[[], None]]:
    """Nobody else changes the champion meanwhile. Call what is yielded before every write: it raises when that is over.

    Raises StackError when somebody else holds on to it for minutes.
    """
    database = database_path(registry.tracking_uri)
    if database is None:
        with _claimed(registry, owner) as check:
            yield check
        return
    lock = FileLock(database.with_name(f"{database.name}.champion.lock"), timeout=SECONDS_TO_WAIT)
    try:
        lock.acquire()
    except Timeout:
        raise _busy(registry, "another process of this machine") from None
    try:
        yield lambda: None
    finally:
        lock.release()


@contextmanager
def _claimed(registry: Registry, owner: str) -> Iterator[Callable[[], None]]:
    entered = _claim(registry, owner)

    def check() -> None:
        if time.monotonic() - entered > STALE_SECONDS / 2 or _holder(registry) != owner:
            raise StackError(
                f"The tracking server answers too slowly to change the champion of {registry.model_name} safely.",
                "Run the same command again: it completes what was begun.",
            )

    try:
        yield check
    finally:
        if _holder(registry) == owner:
            with expecting("RESOURCE_DOES_NOT_EXIST"):
                registry.client.delete_registered_model_tag(registry.model_name, CLAIM)


def _claim(registry: Registry, owner: str) -> float:
    """Wait until the claim is `owner`'s; returns when it was written, by the monotonic clock."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    holder, seen, refusals = None, 0.0, 0
    while (now := time.monotonic()) < deadline:
        found = _holder(registry)
        if found != holder:
            holder, seen = found, now
        # By the own clock, as another machine's may be wrong: unchanged for a minute.
        if found and found != owner and not known_dead(found) and now - seen < STALE_SECONDS:
            time.sleep(POLL_SECONDS)
            continue
        if not _wrote(registry, owner):
            refusals += 1
            if refusals == MOST_REFUSALS:
                break
            time.sleep(POLL_SECONDS)
            continue
        written = time.monotonic()
        if written - now > SETTLING_SECONDS:
            time.sleep(STALE_SECONDS)  # whoever was overwritten has left by then
        time.sleep(SETTLING_SECONDS)
        if _holder(registry) == owner:
            return written
    raise _busy(registry, holder or "another process")


def _wrote(registry: Registry, owner: str) -> bool:
    """Write the claim. Of two first writes at the same moment MLflow's database refuses one, with an error."""
    from mlflow.exceptions import MlflowException

    try:
        registry.client.set_registered_model_tag(registry.model_name, CLAIM, owner)
    except MlflowException as error:
        logger.info("The claim was not written: %s", error)
        return False
    return True


def _holder(registry: Registry) -> str | None:
    tags: dict[str, str] = registry.client.get_registered_model(registry.model_name).tags
    return tags.get(CLAIM)


def _busy(registry: Registry, holder: str) -> StackError:
    return StackError(
        f"The champion of {registry.model_name} is being changed by {holder}, for minutes now.",
        "Wait until that has ended, then run the same command again.",
    )
