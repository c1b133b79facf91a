"""The queue on disk between the service and the database: append-only files of JSON lines.

The root holds one folder per process, locked for as long as the process lives (flock, which the kernel lets go of
when a process is killed). Whoever opens the root next takes over the folders that nobody holds, and reads what their
processes left behind before its own lines. Nothing marks how far a file was read: after a crash its lines are read
again, and the database ignores those it has.
"""

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

SEGMENT_BYTES = 4 << 20
PEEK_BYTES = 256 << 10
MAX_BYTES = 1 << 30
SUFFIX = ".jsonl"
QUARANTINE = "quarantine.log"


@dataclass(eq=False)
class _Segment:
    """One file. `size` counts the bytes that are whole and on disk, `read` those that were discarded.

    `adopted` is the number of lines left of an earlier process, 0 in a file of our own.
    """

    path: Path
    size: int
    lock: FileLock
    adopted: int = 0
    read: int = 0


class Spool:
    """Lines in the order they were appended. One thread may append while another reads.

    Methods raise OSError when the disk does not do its part (full, read-only, folder removed).
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mutex = threading.Lock()
        self._locks: list[FileLock] = []
        self._segments: deque[_Segment] = deque()
        self._active: int | None = None
        self._peeked: list[bytes] = []

    def open(self) -> None:
        """Take over what earlier processes left. Without it, the first use does."""
        with self._mutex:
            self._open()

    def append(self, lines: Iterable[bytes]) -> None:
        """Write whole lines and wait until they are on disk; after an OSError none of them counts."""
        data = b"".join(lines)
        with self._mutex:
            self._open()
            if sum(segment.size for segment in self._segments) + len(data) > MAX_BYTES:
                raise OSError(errno.EDQUOT, "the spool has reached its largest size", str(self._root))
            segment, descriptor = self._active_segment()
            try:
                _write(descriptor, data)
            except OSError:
                self._seal()
                with suppress(OSError):  # A line that stays is one that will be written twice: lines have ids.
                    os.truncate(segment.path, segment.size)
                raise
            segment.size += len(data)

    def peek(self) -> list[bytes]:
        """The next lines, about PEEK_BYTES of them; they stay until `discard`."""
        with self._mutex:
            self._open()
            while self._segments:
                segment = self._segments[0]
                self._peeked = _read(segment)
                if self._peeked or self._is_active(segment):
                    return self._peeked
                self._remove(segment)
        return []

    def discard(self) -> None:
        """Forget the lines that were peeked last."""
        with self._mutex:
            if not self._segments:
                return
            segment = self._segments[0]
            segment.read += sum(map(len, self._peeked))
            segment.adopted = max(0, segment.adopted - len(self._peeked))
            self._peeked = []
            if segment.read < segment.size:
                return
            if self._active is not None and self._is_active(segment):
                os.ftruncate(self._active, 0)
                segment.read = segment.size = 0
            else:
                self._remove(segment)

    def adopted(self) -> tuple[int, float]:
        """How many lines of earlier processes wait, and when the oldest of them was written (seconds since 1970)."""
        with self._mutex:
            adopted = [segment for segment in self._segments if segment.adopted]
            since = int(adopted[0].path.stem) / 1e9 if adopted else 0.0
            return sum(segment.adopted for segment in adopted), since

    def quarantine(self, lines: Iterable[bytes]) -> None:
        """Keep lines that no database takes, for a person to look at."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / QUARANTINE).open("ab") as file:
            file.writelines(lines)

    def close(self) -> None:
        """Let go of the folder; lines that were not discarded wait there for the next process."""
        with self._mutex:
            self._seal()
            for segment in self._segments:
                if segment.size == 0:
                    segment.path.unlink(missing_ok=True)
            self._segments.clear()
            while self._locks:
                self._locks.pop().release()

    def _open(self) -> None:
        """Lock every folder that no living process holds, else a new one; the first becomes this process's own."""
        if self._locks:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        locks = [lock for folder in sorted(self._root.iterdir()) if folder.is_dir() and (lock := _lock(folder))]
        numbers = count()
        while not locks:
            folder = self._root / f"{next(numbers):03d}"
            folder.mkdir(exist_ok=True)
            locks = [lock] if (lock := _lock(folder)) else []
        segments = [_adopt(path, lock) for lock in locks for path in _folder(lock).glob(f"*{SUFFIX}") if _is_ours(path)]
        self._segments.extend(sorted(segments, key=lambda segment: segment.path.name))
        self._locks = locks

    def _active_segment(self) -> tuple[_Segment, int]:
        if self._active is not None and self._segments[-1].size < SEGMENT_BYTES:
            return self._segments[-1], self._active
        self._seal()
        lock = self._locks[0]
        _folder(lock).mkdir(parents=True, exist_ok=True)
        path = _folder(lock) / f"{time.time_ns():020d}{SUFFIX}"
        self._active = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._segments.append(_Segment(path, 0, lock))
        return self._segments[-1], self._active

    def _seal(self) -> None:
        if self._active is not None:
            os.close(self._active)
            self._active = None

    def _is_active(self, segment: _Segment) -> bool:
        return self._active is not None and segment is self._segments[-1] and segment.path.exists()

    def _remove(self, segment: _Segment) -> None:
        if self._active is not None and segment is self._segments[-1]:
            self._seal()
        segment.path.unlink(missing_ok=True)
        self._segments.remove(segment)
        if segment.lock is not self._locks[0] and all(other.lock is not segment.lock for other in self._segments):
            self._locks.remove(segment.lock)
            segment.lock.release()


def _lock(folder: Path) -> FileLock | None:
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _folder(lock: FileLock) -> Path:
    return Path(lock.lock_file).parent


def _is_ours(path: Path) -> bool:
    """Whether this is a file that `Spool` made: its name is when."""
    return path.stem.isascii() and path.stem.isdecimal() and path.is_file()


def _adopt(path: Path, lock: FileLock) -> _Segment:
    with path.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return _Segment(path, file.tell(), lock, adopted=lines)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _read(segment: _Segment) -> list[bytes]:
    """Whole lines only: an end that a crash has cut off was never confirmed to anyone. A lost file has no lines."""
    room = segment.size - segment.read
    lines: list[bytes] = []
    with suppress(FileNotFoundError), segment.path.open("rb") as file:
        file.seek(segment.read)
        for line in file.readlines(PEEK_BYTES) if room else ():
            room -= len(line)
            if room < 0 or not line.endswith(b"\n"):
                break
            lines.append(line)
    return lines
