"""Log records without personal data and secrets, whoever writes them and whichever handler takes them."""

import logging

from sentiment.text.pii import mask


class MaskedRecord(logging.LogRecord):
    """A record whose message and traceback are masked before any handler sees them."""

    def __init__(self, *args: object, **rest: object) -> None:
        super().__init__(*args, **rest)  # type: ignore[arg-type]
        if self.exc_info and self.exc_info[0]:
            self.exc_text = mask(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:
        """The message with its arguments, masked."""
        return mask(super().getMessage())


def mask_logs() -> None:
    """Mask every record that this process makes from now on.

    In the record and not in a formatter of ours, since ZenML and BentoML have handlers of their own: the log of a step
    and that of the endpoint.
    """
    logging.setLogRecordFactory(MaskedRecord)
