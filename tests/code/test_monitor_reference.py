"""What monitoring says of a champion it cannot compare with anything."""

from types import SimpleNamespace

import pytest

from sentiment.errors import ConfigError, SentimentError
from steps import monitoring as module


class OldRegistry:
    """A registry whose versions were registered before there were references."""

    def __init__(self, champion: int | None) -> None:
        self._champion = champion

    def champion(self) -> SimpleNamespace | None:
        return None if self._champion is None else SimpleNamespace(version=self._champion)

    def report(self, version: int, name: str) -> str:
        raise ConfigError(f"Version {version} has no report {name}.")


@pytest.mark.parametrize(
    ("champion", "cause"),
    [
        (None, "movies has no champion to monitor."),
        (3, "Version 3 of movies was registered without a reference to compare with."),
    ],
)
def test_it_is_one_sentence_with_a_way_out(monkeypatch: pytest.MonkeyPatch, champion: int | None, cause: str) -> None:
    monkeypatch.setattr(module, "registry", lambda name: OldRegistry(champion))
    with pytest.raises(SentimentError) as failure:
        module.fetch_reference.entrypoint("movies")
    assert failure.value.cause == cause
    assert "run.py train" in failure.value.fix
