import sys

import pytest

from sentiment.closure import import_closure, versions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's own module in a folder that Python searches."""
    (tmp_path / "closure_helper.py").write_text("import scipy.sparse\n")
    file = tmp_path / "closure_example.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "from sentiment.text.normalise import TextNormaliser\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "def train():\n    import closure_helper\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return file


def test_follows_imports_of_the_project_and_of_a_users_module_and_stops_at_packages(module):
    closure = import_closure(["closure_example"])
    names = set(closure.files)
    assert {"closure_example", "closure_helper", "sentiment", "sentiment.text", "sentiment.text.normalise"} <= names
    assert "sentiment.text.hashing" in names  # what the normaliser imports
    assert not {name for name in names if name.startswith(("sentiment.pages", "sentiment.registry", "steps"))}
    assert {"scipy", "polars"} <= closure.packages
    assert "torch" not in closure.packages


def test_the_digest_changes_with_a_file_of_the_closure_and_with_nothing_else(module):
    before = import_closure(["closure_example"]).digest()
    assert import_closure(["closure_example"]).digest() == before
    (module.parent / "closure_stranger.py").write_text("x = 1\n")
    assert import_closure(["closure_example"]).digest() == before
    module.write_text(module.read_text() + "# a word more\n")
    assert import_closure(["closure_example"]).digest() != before


def test_versions_are_those_of_the_installed_distributions():
    found = versions(["sklearn", "yaml", "json"])
    assert set(found) == {"scikit-learn", "PyYAML"}


def test_a_module_that_does_not_exist_is_an_error():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_closure(["no_such_module"])
