"""Starting, watching and commanding the process of one deployed Bento (see server.py).

Its state is a folder: `server.pid`, `control` (a Unix socket), `server.log`, and the server's own BENTOML_HOME.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from sentiment.errors import StackError
from sentiment.text.pii import mask

SERVER = Path(__file__).with_name("server.py")
PID = "server.pid"
LOG = "server.log"
CONTROL = "control"
OURS = "SENTIMENT_"  # how the variables of this project begin
TAIL_LINES = 15
POLL_SECONDS = 0.1
ANSWER_SECONDS = 10


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to `host`:`port`, not yet listening; StackError when the port cannot be had."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for the connections that a last server closed
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise StackError(
            f"The port {port} of {host} cannot be had: {error.strerror}.",
            "Stop the program that uses it, or deploy to another one: --set port=PORT.",
        ) from None
    return bound


class ServerProcess:
    """The server whose state is in `folder`; it may be starting, serving, draining or gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def launch(self, bento: Path, environment: Mapping[str, str], drain_seconds: float) -> str:
        """Start the server on a private free port and return its URL, which does not answer yet.

        Until it adopts a public socket it ends with this process.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        home = self.folder / "bentoml"
        # Two servers with one metrics folder wipe each other's.
        metrics = self.folder / "metrics"
        metrics.mkdir(parents=True, exist_ok=True)
        own = {"BENTOML_HOME": str(home), "PROMETHEUS_MULTIPROC_DIR": str(metrics), "BENTOML_DO_NOT_TRACK": "true"}
        # The Bento's code and model are meant, not the checkout's and not another server's.
        foreign = {"PYTHONPATH", "SENTIMENT_MODEL_DIR"}
        inherited = {name: value for name, value in os.environ.items() if name not in foreign}
        with bind("127.0.0.1", 0) as listener, self._control() as control, (self.folder / LOG).open("wb") as log:
            numbers = [listener.fileno(), control.fileno()]
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(SERVER),
                    str(bento),
                    *map(str, numbers),
                    str(os.getpid()),
                    str(drain_seconds),
                ],
                env={**inherited, **environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=numbers,
                start_new_session=True,
            )
            (self.folder / PID).write_text(str(self._child.pid), encoding="utf-8")
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def pid(self) -> int | None:
        """The process id; None when the server does not run."""
        if self._child:
            return self._child.pid if self._child.poll() is None else None
        try:
            pid = int((self.folder / PID).read_text(encoding="utf-8"))
            process = psutil.Process(pid)
            # The number may have gone to another program since.
            ours = process.status() != psutil.STATUS_ZOMBIE and str(SERVER) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return pid if ours else None

    @property
    def since(self) -> datetime | None:
        """When the server was started; None when it does not run."""
        with contextlib.suppress(psutil.Error):
            return datetime.fromtimestamp(psutil.Process(self.pid).create_time(), UTC) if self.pid else None
        return None

    def variables(self) -> dict[str, str]:
        """The variables of this project that the running server was started with; none when it does not run."""
        with contextlib.suppress(psutil.Error):
            environment = psutil.Process(self.pid).environ() if self.pid else {}
            return {name: value for name, value in environment.items() if name.startswith(OURS)}
        return {}

    def wait_ready(self, url: str, seconds: float) -> None:
        """Wait until `url`/readyz answers 200. Raises StackError with the log's tail when it ends or `seconds` pass."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.pid is None:
                raise StackError(f"The server ended while it started.\n{self.log_tail()}", "See the lines above.")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/readyz", timeout=max(0.1, deadline - time.monotonic())).status_code == 200:
                    return
            time.sleep(POLL_SECONDS)
        raise StackError(
            f"The server was not ready after {seconds:.0f} s.\n{self.log_tail()}",
            "See the lines above, or give it longer: --set start_seconds=SECONDS.",
        )

    def log_tail(self) -> str:
        """The last lines of the log, personal data masked."""
        path = self.folder / LOG
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return mask("\n".join(lines[-TAIL_LINES:]))

    def lend(self) -> socket.socket | None:
        """The public socket, shared with the server; None when it has none or does not answer."""
        with contextlib.suppress(OSError):
            answer, descriptors = self._command("lend")
            if answer == "ok" and descriptors:
                return socket.socket(fileno=descriptors[0])
        return None

    def adopt(self, public: socket.socket) -> None:
        """Let the server accept on `public`. Raises StackError when it does not."""
        self._require("adopt", public)

    def drain(self) -> None:
        """Let the server accept nothing more, answer what it has, and end. Raises StackError when it does not."""
        self._require("drain")

    def stop(self, seconds: float, *, force: bool = False) -> None:
        """End the server: requests in flight have `seconds`, none when `force`d."""
        if (pid := self.pid) is None:
            return
        os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)
        if not self.wait_gone(seconds):
            os.kill(pid, signal.SIGKILL)
            self.wait_gone(seconds)

    def wait_gone(self, seconds: float) -> bool:
        """Whether the server ended within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _require(self, command: str, sent: socket.socket | None = None) -> None:
        try:
            answer, _ = self._command(command, sent)
        except OSError as error:
            answer = f"no answer ({error})"
        if answer != "ok":
            raise StackError(f"The server did not {command}: {answer}.\n{self.log_tail()}", "See the lines above.")

    def _command(self, command: str, sent: socket.socket | None = None) -> tuple[str, list[int]]:
        with socket.socket(socket.AF_UNIX) as connection, self._control_address() as address:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(address)
            socket.send_fds(connection, [command.encode()], [sent.fileno()] if sent else [])
            data, descriptors, _, _ = socket.recv_fds(connection, 64, 1)
            return data.decode(), descriptors

    @contextlib.contextmanager
    def _control(self) -> Iterator[socket.socket]:
        (self.folder / CONTROL).unlink(missing_ok=True)
        self.folder.chmod(0o700)  # whoever reaches the control socket commands the server
        with socket.socket(socket.AF_UNIX) as control, self._control_address() as address:
            control.bind(address)
            control.listen()
            yield control

    @contextlib.contextmanager
    def _control_address(self) -> Iterator[str]:
        """A path of at most 107 bytes, which is what a Unix socket's address holds."""
        if sys.platform != "linux":
            yield str(self.folder / CONTROL)
            return
        folder = os.open(self.folder, os.O_PATH)
        try:
            yield f"/proc/self/fd/{folder}/{CONTROL}"
        finally:
            os.close(folder)
