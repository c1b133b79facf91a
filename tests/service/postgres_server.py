"""A real PostgreSQL for tests and benchmarks, from the binaries that the pgserver package carries (also as root)."""

import atexit
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that XDG_RUNTIME_DIR is not set
    import pgserver

SECONDS_TO_START = 60


class PostgresServer:
    """A running server on a socket in a folder of its own; stop() and start() as an operator would."""

    def __init__(self, *, fsync: bool = False) -> None:
        """Without fsync it survives its own crash but not the machine's, and recovers in no time."""
        # Not pytest's folders: a socket's path has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._server = pgserver.get_server(self._folder / "data", cleanup_mode=None)
        atexit.unregister(self._server._cleanup)  # delete() is ours to call
        self.url = self._server.get_uri()
        if not fsync:
            self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def empty(self) -> None:
        """Drop every table."""
        self._execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it; "immediate" is a crash, from which it recovers at the next start."""
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Start it again at the same address, when it does not run."""
        data = self._folder / "data"
        if not (data / "postmaster.pid").exists():
            self._control("-o", f"-h '' -k {data}", "-l", str(data / "log"), "start")

    def delete(self) -> None:
        """Stop it and remove its files."""
        self.start()
        self.stop("immediate")
        shutil.rmtree(self._folder)

    def _control(self, *arguments: str) -> None:
        waiting = ["-w", "-t", str(SECONDS_TO_START), *arguments]
        pgserver.pg_ctl(waiting, pgdata=self._server.pgdata, user=self._server.system_user)

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
