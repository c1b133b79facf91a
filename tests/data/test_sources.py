"""Sources are found by their module, and none shows what its paths may carry."""

import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.closure import import_closure
from sentiment.config.dataset import DatasetConfig
from sentiment.data import sources
from sentiment.data.read import read, source_digest
from sentiment.data.sources import registered, shown
from sentiment.errors import ConfigError, DataError
from sentiment.home import PROJECT

RECIPE = (PROJECT / "docs" / "data.md").read_text(encoding="utf-8").partition("## A source of your own")[2]
MODULE = RECIPE.partition("```python\n")[2].partition("```")[0]
CLASS = '    schemes = ("memory",)\n'
SECRETS = st.text(string.ascii_letters + string.digits + "@:%!$&-._~", min_size=12)
SCHEMES = [*filter(None, registered()), "gs", "HTTPS"]


def config(path: str, **options: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "mine", "path": path, **options})


@pytest.fixture
def add_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Put a new file beside those of the package."""
    name = f"{sources.__name__}.in_memory"

    def add(content: str) -> None:
        (tmp_path / "in_memory.py").write_text(content, encoding="utf-8")
        sys.modules.pop(name, None)
        registered.cache_clear()

    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield add
    sys.modules.pop(name, None)
    registered.cache_clear()


def test_the_file_of_the_recipe_is_all_that_a_new_scheme_needs(add_module: Callable[[str], None]) -> None:
    add_module(MODULE)
    splits, report = read(config("memory://shop"))
    assert splits.train.texts == ["좋아요", "별로"]
    assert report.files == ["memory://shop"]
    assert shown("memory://me:secret@shop?token=secret") == "memory://shop"
    before = source_digest(config("memory://shop"))
    assert source_digest(config("memory://shop")) == before
    add_module(MODULE.replace("별로", "별로예요"))
    assert source_digest(config("memory://shop")) != before
    with pytest.raises(ConfigError, match="query and a path database://VARIABLE go together"):
        source_digest(config("memory://shop", query="SELECT 1"))


def test_a_source_may_name_splits_take_a_query_and_have_no_order(add_module: Callable[[str], None]) -> None:
    options = f'{CLASS}    queried = "memory://NAME"\n    ordered = False\n'
    add_module(MODULE.replace(CLASS, options).replace("split=None", 'split="dev"'))
    assert len(read(config("memory://shop", query="all"))[0].validation) == 2
    with pytest.raises(DataError, match="memory://shop gives no id"):
        read(config("memory://shop", query="all", id_column=""))
    with pytest.raises(ConfigError, match="query and a path database://VARIABLE or memory://NAME go together"):
        read(config("memory://shop"))


def test_sources_belong_to_what_reading_depends_on() -> None:
    assert {f"sentiment.data.sources.{module}" for module in ("database", "http", "hub", "local")} <= set(
        import_closure(["sentiment.data.read"]).files
    )


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("gs://me:secret@bucket/x?token=secret", f"Valid names: {', '.join(sorted(filter(None, registered())))}."),
        ("htp://host/x?token=secret", "Did you mean 'http'?"),
    ],
)
def test_an_unknown_scheme_names_the_known_ones(path: str, fix: str) -> None:
    for use in (source_digest, read):
        for key in ("path", "test_path"):
            with pytest.raises(ConfigError, match="no source reads") as raised:
                use(config(**{"path": __file__, key: path}))
            assert raised.value.fix == fix
            assert "secret" not in str(raised.value)


@given(st.sampled_from(SCHEMES), SECRETS, SECRETS)
def test_no_source_shows_user_password_signature_or_token(scheme: str, secret: str, other: str) -> None:
    assert shown(f"{scheme}://{secret}@host/a.csv?X-Signature={other}#{other}") == f"{scheme}://host/a.csv"
    assert shown(f"{scheme}://{other}:{secret}@host/a.csv#{secret}") == f"{scheme}://host/a.csv"
    assert shown(f"{scheme}://host?{secret}@x/{secret}") == f"{scheme}://host"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("C:/what?/a.csv", "C:/what?/a.csv"),
        ("data/*.csv", "data/*.csv"),
        ("https://host:8080/a@b.csv", "https://host:8080/a@b.csv"),
        ("https://[::1]:80/a.csv", "https://[::1]:80/a.csv"),
        ("https://me:pass/word@host/a.csv", "https://…"),
        ("https://me:pass?word@host/a.csv", "https://…"),
        ("database://REVIEWS_URL", "database://REVIEWS_URL"),
        ("database://postgresql://me:hunter2@host/x", "database://…"),
        ("hf://owner/name/config@refs/pr/1", "hf://owner/name/config@refs/pr/1"),
        (f"hf://owner/name@hf_{'aB3' * 12}", "hf://owner/name@hf_…"),
    ],
)
def test_an_address_is_shown_without_what_it_may_carry(path: str, expected: str) -> None:
    assert shown(path) == expected


def test_errors_of_the_hub_and_of_a_malformed_address_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_" + "aB3" * 12

    def refuse(name: str, *_: object, revision: str) -> None:
        raise ValueError(f"Revision {revision} of {name} does not exist.")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    for path in (f"hf://owner/name@{token}", f"hf://owner/name?token={token}", f"hf://me:{token}@owner/name"):
        with pytest.raises(DataError, match="hf://owner/name") as raised:
            read(config(path))
        assert token not in str(raised.value)
    with pytest.raises(DataError, match="cannot be reached: this is not a valid address") as raised:
        source_digest(config("https://me:hunter2/x@host/a.csv"))
    assert "hunter2" not in str(raised.value)
