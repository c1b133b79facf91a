"""The process of one deployed Bento: BentoML's app on uvicorn, with a public socket that can be handed over.

It starts on a private socket, where readiness and the smoke test are checked. The public one comes later over a Unix
socket (SCM_RIGHTS, https://man7.org/linux/man-pages/man7/unix.7.html), lent by the version before or bound by the
deployer. Old and new then hold the same listening socket, so no connection in its queue is lost when the old one stops
accepting.

Run as a file, with nothing of this project on the path: `sentiment` and `serving` are those of the Bento.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

import bentoml
import uvicorn

PR_SET_PDEATHSIG = 1
COMMAND_BYTES = 64
COMMAND_SECONDS = 1
TICK_SECONDS = 0.05
# An accepted connection is among uvicorn's only some turns of the loop later.
SETTLE_SECONDS = 0.5
# uvicorn's default: idle connections are closed after it, so it bounds how long a drain takes as a rule.
KEEP_ALIVE_SECONDS = 5
SHUTDOWN_SECONDS = 10


class SwitchableServer(uvicorn.Server):
    """A uvicorn server that can adopt, lend and give up a public socket while it serves.

    The Unix socket `control` takes one command a connection: `adopt` (with a socket), `lend` or `drain`.
    """

    def __init__(self, config: uvicorn.Config, control: socket.socket, drain_seconds: float) -> None:
        super().__init__(config)
        self.control = control
        self.drain_seconds = drain_seconds
        self.public: socket.socket | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, and take commands once it is up."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(self.control, self._take_command)

    def _take_command(self) -> None:
        connection, _ = self.control.accept()
        connection.settimeout(COMMAND_SECONDS)
        command, descriptors, _, _ = socket.recv_fds(connection, COMMAND_BYTES, 1)
        asyncio.get_running_loop().create_task(self._answer(connection, command.decode(), descriptors))

    async def _answer(self, connection: socket.socket, command: str, descriptors: list[int]) -> None:
        with connection:
            match command:
                case "adopt" if descriptors:
                    await self._adopt(socket.socket(fileno=descriptors[0]))
                    connection.sendall(b"ok")
                case "lend" if self.public:
                    socket.send_fds(connection, [b"ok"], [self.public.fileno()])
                case "drain":
                    self._drain()
                    connection.sendall(b"ok")
                case _:
                    connection.sendall(b"refused")

    async def _adopt(self, public: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        accepting = await loop.create_server(self._protocol, sock=public.dup(), backlog=self.config.backlog)
        self.servers.append(accepting)
        self.public = public
        end_with_parent(False)  # from now on it is no candidate but the deployment

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    def _drain(self) -> None:
        """Stop accepting, close each connection with its next answer, and end when none is left.

        Idle connections are left to time out: closing one under a request on its way would fail that request.
        """
        for server in self.servers:
            server.close()
        if self.public:
            self.public.close()
            self.public = None
        closing = (b"connection", b"close")
        self.config.encoded_headers.append(closing)  # from it uvicorn renews the default headers every second
        self.server_state.default_headers = [*self.server_state.default_headers, closing]
        self._draining = self._draining or asyncio.get_running_loop().create_task(self._exit_when_drained())

    async def _exit_when_drained(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.drain_seconds
        await asyncio.sleep(SETTLE_SECONDS)
        while self.server_state.connections and loop.time() < deadline:
            await asyncio.sleep(TICK_SECONDS)
        self.should_exit = True


def end_with_parent(ends: bool) -> None:
    """Whether the kernel ends this process with the one that started it (Linux only; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL if ends else 0)


def main(bento: Path, listener: int, control: int, parent: int, drain_seconds: float) -> None:
    """Serve the Bento in the folder `bento` on the inherited sockets until SIGTERM or the end of a drain."""
    end_with_parent(True)
    if os.getppid() != parent:  # it ended before the line above
        return
    service = bentoml.load(str(bento), standalone_load=True)
    config = uvicorn.Config(
        service.to_asgi(is_main=True),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        access_log=False,
    )
    server = SwitchableServer(config, socket.socket(fileno=control), drain_seconds)
    server.run(sockets=[socket.socket(fileno=listener)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
