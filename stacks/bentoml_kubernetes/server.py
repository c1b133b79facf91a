"""The process in a serving image: a Bento on uvicorn, which ends without failing a request.

A pod that is deleted gets SIGTERM while Services still send it connections, and callers keep connections open that
were made earlier. So SIGTERM only begins the end: every answer from then on closes its connection, new ones are
accepted until the Services have noticed, and the process ends when no connection is left.

Run as a file, with nothing of this project on the path: `sentiment` and `serving` are those of the Bento.
"""

import asyncio
import signal
import sys
from pathlib import Path
from types import FrameType

import bentoml
import uvicorn

# kube-proxy follows within one or two seconds; load balancers in front of it take longer.
LINGER_SECONDS = 8
TICK_SECONDS = 0.05
KEEP_ALIVE_SECONDS = 5
SHUTDOWN_SECONDS = 5


class DrainingServer(uvicorn.Server):
    """A uvicorn server: the first SIGTERM begins a drain of at most `drain_seconds`, the second ends it."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self.drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Start the app."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first SIGTERM."""
        if sig == signal.SIGTERM and self._loop and self._draining is None:
            self._loop.call_soon_threadsafe(self._drain)
        else:
            super().handle_exit(sig, frame)

    def _drain(self) -> None:
        closing = (b"connection", b"close")
        self.config.encoded_headers.append(closing)  # from it uvicorn renews the default headers every second
        self.server_state.default_headers = [*self.server_state.default_headers, closing]
        self._draining = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.drain_seconds
        await asyncio.sleep(min(LINGER_SECONDS, self.drain_seconds))
        for server in self.servers:
            server.close()
        while self.server_state.connections and loop.time() < deadline:
            await asyncio.sleep(TICK_SECONDS)
        self.should_exit = True


def main(bento: Path, port: int, drain_seconds: float) -> None:
    """Serve the Bento in the folder `bento` on every interface until SIGTERM and the drain after it."""
    config = uvicorn.Config(
        bentoml.load(str(bento), standalone_load=True).to_asgi(is_main=True),
        host="0.0.0.0",  # noqa: S104 - a pod's Service reaches it from outside the container
        port=port,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        access_log=False,
    )
    DrainingServer(config, drain_seconds).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
