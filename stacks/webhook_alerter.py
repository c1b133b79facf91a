"""The `webhook` alerter flavor: alerts to any chat that takes Slack's `{"text": ...}` at a URL.

ZenML's own Slack flavor calls Slack when it is registered, so that it cannot be registered offline.
"""

import html
import json
import os
import time
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import Field
from zenml.alerter.base_alerter import (
    BaseAlerter,
    BaseAlerterConfig,
    BaseAlerterFlavor,
    BaseAlerterStepParameters,
)
from zenml.logger import get_logger

logger = get_logger(__name__)


class WebhookAlerterConfig(BaseAlerterConfig):
    """The URL is a secret: the configuration holds the name of the environment variable, never the URL itself.

    For `quiet_seconds` after an alert was delivered, `stacks.alerts` does not send the same one again, and no more
    than `most_per_kind` of one kind.
    """

    url_variable: str
    timeout_seconds: float = Field(default=5, gt=0)
    attempts: int = Field(default=3, ge=1)
    backoff_seconds: float = Field(default=0.5, ge=0)
    quiet_seconds: float = Field(default=3600, ge=0)
    most_per_kind: int = Field(default=5, ge=1)


class WebhookAlerter(BaseAlerter):
    """Posts messages; a dead webhook costs a warning in the log, never the run."""

    @property
    def config(self) -> WebhookAlerterConfig:
        """The configuration."""
        return cast(WebhookAlerterConfig, self._config)

    def post(self, message: str, params: BaseAlerterStepParameters | None = None) -> bool:
        """Send `message`; True once the server accepted it.

        Failures that may pass (no connection, 429, 5xx) are tried again with doubled waits; other answers are final.
        """
        url = os.environ.get(self.config.url_variable)
        if not url or not url.startswith(("http://", "https://")):
            logger.warning("No alert was sent: %s is not set to a URL.", self.config.url_variable)
            return False
        # Unescaped, Slack reads <!channel> as a call to everybody and <http://...|text> as a link.
        body = json.dumps({"text": html.escape(message, quote=False)}).encode()
        # urllib, because httpx logs every URL it calls, and this one is a secret.
        request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the scheme was checked
        for attempt in range(self.config.attempts):
            if attempt:
                time.sleep(self.config.backoff_seconds * 2 ** (attempt - 1))
            failure, final = self._attempt(request)
            if failure is None:
                return True
            if final:
                break
        logger.warning("No alert was sent to %s: %s.", urlsplit(url).hostname, failure)
        return False

    def ask(self, question: str, params: BaseAlerterStepParameters | None = None) -> bool:
        """Send `question`; always False, because no answer can come back: nothing is ever approved by silence."""
        self.post(question, params)
        return False

    def _attempt(self, request: Request) -> tuple[str | None, bool]:
        try:
            build_opener(_NoRedirect).open(request, timeout=self.config.timeout_seconds).close()
        except HTTPError as error:
            return f"HTTP {error.code}", error.code < 500 and error.code != 429
        except (OSError, HTTPException) as error:
            return type(error).__name__, False  # the type only: the message may hold the URL
        return None, True


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST becomes a GET without the message, and its 200 would pass for a delivery."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none: it becomes an HTTPError."""


class WebhookAlerterFlavor(BaseAlerterFlavor):
    """Registers the alerter with ZenML."""

    @property
    def name(self) -> str:
        """The flavor's name in a stack file."""
        return "webhook"

    @property
    def config_class(self) -> type[WebhookAlerterConfig]:
        """The configuration's model."""
        return WebhookAlerterConfig

    @property
    def implementation_class(self) -> type[WebhookAlerter]:
        """The alerter."""
        return WebhookAlerter
