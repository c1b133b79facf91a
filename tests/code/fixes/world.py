"""A place where an error is made for real, its fix is carried out word by word, and the same is tried again."""

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.fixes import completed
from cli.main import commands
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.data.read import read
from sentiment.data.sources import check
from sentiment.errors import OR, SentimentError

COMMAND = re.compile(
    r"(?:^|(?<=[:?.] ))((?:\(printf|iconv|gzip|sed|mv|mkdir|chmod|rm|tail|export|\S*python) .*)$", re.DOTALL
)
OPTIONS = re.compile(r"(?:^|(?<=[:?.] ))(--[a-z]+ .*)$", re.DOTALL)
GOOD = "id,text,label\n" + "".join(f"{n},review number {n},{('negative', 'positive')[n % 2]}\n" for n in range(60))


@dataclass
class World:
    """`attempt` fails, and after the fix it does not. What a fix changes: `overrides`, `path`, the environment, files.

    `blanks`: what stands for the words in capitals of a fix. `by_hand`: what a person does for a way out that is no
    command, by a part of it. `commands`: what a command of run.py comes to here, by its first words.
    """

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    attempt: Callable[[], object] = lambda: None
    path: Path | None = None
    overrides: list[str] = field(default_factory=list)
    blanks: dict[str, str] = field(default_factory=dict)
    by_hand: dict[str, Callable[[], object]] = field(default_factory=dict)
    commands: dict[str, Callable[[Mapping[str, Any]], object]] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of this place."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def train_config(self) -> TrainConfig:
        """The config of train with the file of this world and what fixes set."""
        path = [f"dataset.path={self.path}"] if self.path else []
        return load_config(CONFIGS / "train.yaml", TrainConfig, [*path, *self.overrides])

    def reading(self, name: str, content: str | bytes, *options: str, **blanks: str) -> "World":
        """A file that is read."""
        self.path = self.write(name, content)
        self.overrides += [f"dataset.{each}" for each in options]
        self.blanks |= {"FILE": str(self.write("good.csv", GOOD)), **blanks}
        self.attempt = self.read
        return self

    def read(self) -> object:
        """Check and read the dataset of the config."""
        dataset = self.train_config().dataset
        check(dataset)
        return read(dataset)

    def carry_out(self, way: str) -> None:
        """Do what one way out says. Fails for one that is neither a command, nor a setting, nor known by hand."""
        for part, act in self.by_hand.items():
            if part in way:
                act()
                return
        for blank, word in self.blanks.items():
            way = re.sub(rf"(?<!\w){re.escape(blank)}(?!\w)", lambda _, word=word: word, way)
        if found := COMMAND.search(way):
            self._run(found[1])
        elif found := OPTIONS.search(way):
            self._set(shlex.split(found[1]))
        else:
            raise AssertionError(f"Nobody knows how to do this: {way}")

    def _set(self, words: list[str]) -> None:
        assert "" not in words
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "--set":
                key, _, text = value.partition("=")
                if key == "dataset.path" and self.path:
                    self.path = Path(text.strip('"'))
                else:
                    self.overrides.append(value)
            else:
                self.by_hand[option](value)  # type: ignore[call-arg]

    def _run(self, command: str) -> None:
        if "python run.py " in command:
            self.call(command.partition("python run.py ")[2])
        elif command.startswith("export "):
            for assignment in shlex.split(command)[1:]:
                name, _, value = assignment.partition("=")
                self.monkeypatch.setenv(name, value)
        else:
            ended = subprocess.run(
                ["bash", "-c", command], cwd=self.folder, check=False, capture_output=True, text=True
            )
            assert not ended.stderr or command.startswith("iconv"), ended.stderr
            if written := re.search(r"(?:> |^mv \S+ )(\S+)$", command):
                self.path = Path(shlex.split(written[1])[0])

    def call(self, arguments: str) -> None:
        """A command of run.py: as it comes to here, or for real."""
        words = shlex.split(arguments)
        for start, act in self.commands.items():
            if arguments.startswith(start):
                command = commands.commands.get(words[0]) or commands.get_command(None, words[0])  # type: ignore[arg-type]
                assert command
                with command.make_context(words[0], words[1:]) as context:
                    act(context.params)
                return
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception}"


def ways(error: SentimentError) -> list[str]:
    """The ways out that an error names."""
    return error.fix.split(OR)


def as_typed(way: str, arguments: str) -> str:
    """The way out as the terminal shows it after the command `arguments`."""
    return completed(way, commands, shlex.split(arguments))
