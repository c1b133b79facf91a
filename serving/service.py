"""The BentoML service: the application of `serving.app`, mounted at the root.

bentoml serve serving.service:Sentiment
"""

from typing import Any, TypeVar

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from sentiment.home import keep_private
from sentiment.text.masked_logs import mask_logs
from serving.app import create_app
from serving.connections import limit_connections
from serving.settings import ServingSettings

T = TypeVar("T")

mask_logs()
settings = ServingSettings()
application = create_app(settings)


class DirectService(bentoml.Service[T]):  # type: ignore[misc]
    """A service whose requests go to the application at once; BentoML starts and ends it.

    What BentoML does to a request on the way (tracing, a time limit with a task of its own, probes, routing), the
    application does itself or nobody asked for: 0.05 ms of processor time, as much as all of the application's own.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """BentoML's application, around whose requests this one reaches. The server that takes it keeps our limits."""
        keep_private()
        limit_connections(settings.max_connections)
        bento: Any = super().to_asgi(is_main=is_main)

        async def direct(scope: Scope, receive: Receive, send: Send) -> None:
            await (application if scope["type"] == "http" else bento)(scope, receive, send)

        return direct


@bentoml.service(
    name="sentiment",
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    service_class=DirectService,
)
@bentoml.asgi_app(application, path="/")
class Sentiment:
    """Korean and English sentiment."""
