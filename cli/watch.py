"""python run.py watch --every 1h

Every run is a process of its own. Its memory goes back when it ends, the next one reads the code and the config as they
are then, and a run that is killed does not take the watch with it. The price is the start of Python and ZenML, a few
seconds a run.
"""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from logging.handlers import RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import click
from filelock import FileLock, Timeout
from rich.markup import escape

from cli.child import Child, Ended
from cli.console import chosen_stack, out, print_header, stack_option
from sentiment.config.load import load_config
from sentiment.config.watch import interval
from sentiment.errors import SentimentError
from sentiment.home import home
from sentiment.messages import language, say
from sentiment.text.masked_logs import mask_logs

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

    from sentiment.store.journal import Entry, Kind

MONITOR_CONFIG: Final = Path("configs/monitor.yaml")
LOG_BYTES: Final = 1_000_000
LOG_FILES: Final = 5

logger = logging.getLogger(__name__)


@click.command("watch")
@click.option("--every", default="1h", show_default=True, help="How often: 30s, 15m, 1h, 1d.")
@click.option(
    "--config", type=click.Path(path_type=Path), default=MONITOR_CONFIG, show_default=True, help="Of monitor."
)
@click.option("--score", type=click.Path(path_type=Path, exists=True), help="Score with this config first, every time.")
@click.option("--no-act", is_flag=True, help="Only look: never retrain and deploy.")
@click.option("--once", is_flag=True, help="Run once and leave with the run's exit code.")
@stack_option
def command(every: str, config: Path, score: Path | None, no_act: bool, once: bool) -> None:
    """Look after the champion: monitor it (and retrain when need be) again and again.

    The first run is at once. Ctrl-C or SIGTERM let the current run finish; a second one ends it, too.
    """
    from sentiment.config.monitor import MonitorConfig

    span = interval(every)
    model_name = load_config(config, MonitorConfig).model_name
    runs = {"score": ["--config", str(score)]} if score else {}
    runs["monitor"] = ["--config", str(config), *([] if no_act else ["--act"])]
    from stacks.catalogue import load_stack

    stack = load_stack(chosen_stack()).name
    with _alone(model_name), _logging(model_name) as log:
        values = {"model": model_name, "stack": stack, "every": every, "runs": ", then ".join(runs), "log": str(log)}
        print_header("watch", values)
        watching = Watch(stack, model_name, runs, Child())
        watching.heed_signals()
        if once:
            sys.exit(watching.tick())
        watching.keep_on(span)


class Watch:
    """The pipelines `runs` (arguments by name) on `stack`, one after the other, each time a tick is due."""

    def __init__(self, stack: str, model_name: str, runs: dict[str, list[str]], child: Child) -> None:
        self.stack = stack
        self.model_name = model_name
        self.runs = runs
        self.child = child
        self._scheduler: BackgroundScheduler | None = None
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._asked_to_stop = False

    def heed_signals(self) -> None:
        """From now on SIGTERM and SIGINT let the current run finish; the second one ends it."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)

    def keep_on(self, span: timedelta) -> None:
        """Run now and then every `span`, until a signal comes; never two at once."""
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES
        from apscheduler.schedulers.background import BackgroundScheduler

        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._scheduler.add_listener(lambda _: _say("left out: the run before still goes on"), EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(lambda event: _say(f"the watch itself: {event.exception!r}"), EVENT_JOB_ERROR)
        self._scheduler.add_job(
            self.tick,
            "interval",
            seconds=span.total_seconds(),
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._scheduler.start()
        self._signals.get()
        self._scheduler.shutdown(wait=True)
        out.print("Stopped.")

    def tick(self) -> int:
        """Run every pipeline once, and say in a line how it went; 0, or the first other exit code."""
        started = datetime.now(UTC)
        ended = [self.child.run(name, ["--stack", self.stack, *arguments]) for name, arguments in self.runs.items()]
        told = self._told_since(started)
        failures = [each for each in ended if each.failed]
        if failures and not self._asked_to_stop:
            self._alert(failures, told or [])
        self._print_line(started, failures, told)
        return next((each.exit_code for each in ended if each.exit_code), 0)

    def _stop(self, number: int, _: object) -> None:
        if self._asked_to_stop:
            self.child.end()
        self._asked_to_stop = True
        self._signals.put(number)  # the one queue that a signal handler may put to

    def _print_line(self, started: datetime, failures: list[Ended], told: "list[Entry] | None") -> None:
        parts = [f"[red]✗ {escape(_sentence(each))}[/]" for each in failures]
        if told is None:
            parts.append("[yellow]? the journal cannot be read[/]")
        elif (verdict := _verdict(told)) or not failures:
            parts.append(f"{'' if failures else '[green]✓[/] '}{escape(verdict or 'done')}")
        seconds = (datetime.now(UTC) - started).total_seconds()
        parts.append(f"[dim]{seconds:.0f} s{self._when_next()}[/]")
        out.print(f"{_clock(started)}  {'  '.join(parts)}")

    def _when_next(self) -> str:
        if self._scheduler is None or self._asked_to_stop:
            return ""
        (job,) = self._scheduler.get_jobs()
        return f", next {_clock(job.next_run_time)}"

    def _told_since(self, started: datetime) -> "list[Entry] | None":
        """What the runs left in the journal, newest first; None when it cannot be read."""
        from sentiment.store.database import default_database_url
        from sentiment.store.journal import Journal

        kinds: list[Kind] = ["score", "monitor", "decision", "alert"]
        try:
            journal = Journal(default_database_url(), self.model_name)
            try:
                return journal.entries(kinds, since=started)
            finally:
                journal.close()
        except SentimentError as error:
            logger.warning("The journal cannot be read. %s", error)
            return None

    def _alert(self, failures: list[Ended], told: "list[Entry]") -> None:
        """A run that got as far as its stack has sent its own alert; one that was killed, or never started, has not."""
        if any(each.detail.get("alert_kind") == "failed_run" for each in told):
            return
        from pipelines.common.logs import logs_to

        with logs_to(_log(self.model_name).with_suffix(".alerts.log")):
            from stacks.alerts import send_alert
            from stacks.catalogue import load_stack

            message = " ".join(map(_sentence, failures))
            # Watch may run in a terminal; nobody looks at it for long.
            outcome = send_alert(
                "failed_run", message, model_name=self.model_name, stack=load_stack(self.stack), though_watched=True
            )
        logger.info("The alert was: %s.", outcome)


def _verdict(told: "list[Entry]") -> str:
    """What the runs found, then what was decided; an entry's time may be that of its reasons."""
    from sentiment.store.journal import message_of

    said = [each for kind in ("score", "monitor", "decision") for each in reversed(told) if each.kind == kind]
    return "; ".join(say(message_of(each), language()).rstrip(".") for each in said)


def _say(what: str) -> None:
    out.print(f"{_clock(datetime.now(UTC))}  [yellow]· {escape(what)}[/]")


def _sentence(ended: Ended) -> str:
    return f"{ended.pipeline} failed (exit code {ended.exit_code}). {ended.error}".strip()


def _clock(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


@contextmanager
def _alone(model_name: str) -> Iterator[None]:
    """Raises SentimentError when another watch of this model runs on this machine."""
    home().mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(home() / f"watch-{model_name}.lock").acquire(timeout=0)
    except Timeout:
        raise SentimentError(
            f"Another watch of {model_name} runs.", "Let it do the work, or end it first: Ctrl-C in its terminal."
        ) from None
    with held:
        yield


def _log(model_name: str) -> Path:
    return home() / "logs" / f"watch-{model_name}.log"


@contextmanager
def _logging(model_name: str) -> Iterator[Path]:
    """Every line of the runs goes to a file, a few megabytes at most."""
    mask_logs()
    path = _log(model_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    # Not the root: what ZenML and its libraries log when an alert is sent goes elsewhere.
    loggers = [logging.getLogger(name) for name in ("cli", "apscheduler")]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
        each.propagate = False
    try:
        yield path
    finally:
        for each in loggers:
            each.removeHandler(handler)
        handler.close()
