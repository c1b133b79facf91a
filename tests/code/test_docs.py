"""The docs say what the code does: every config key with its default, links that resolve, two READMEs alike."""

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

import sentiment.config
import sentiment.kinds
from sentiment.home import PROJECT
from sentiment.stored import Frozen
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import KINDS, mask
from serving.settings import ServingSettings


def config_models() -> list[type[BaseModel]]:
    """What YAML may say: the models of sentiment/config and of every kind, by their modules."""
    modules = [
        import_module(f"{package.__name__}.{module.name}")
        for package in (sentiment.config, sentiment.kinds)
        for module in iter_modules(package.__path__)
    ]
    found = [
        each
        for module in modules
        for each in vars(module).values()
        if getattr(each, "__module__", None) == module.__name__
    ]
    return [TextNormaliser, *(each for each in found if isinstance(each, type) and issubclass(each, Frozen))]


DOCUMENTED = config_models()
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
HEADING = re.compile(r"^#+ +(.*)$", re.M)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def page_id(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def documented_keys() -> dict[str, dict[str, str]]:
    """The tables of configuration.md: the default of every key, as written, by the model its heading names."""
    text = (PROJECT / "docs/configuration.md").read_text(encoding="utf-8")
    keys: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        if model := re.search(r"\(`(\w+)`\)$", section.partition("\n")[0]):
            rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*?) \|", section, re.M)
            assert not [key for key, times in Counter(key for key, _ in rows).items() if times > 1], model[1]
            keys[model[1]] = dict(rows)
    return keys


def default_as_written(field: FieldInfo, cell: str) -> Any:
    return TypeAdapter(field.annotation).validate_python(yaml.safe_load(cell.removeprefix("`").removesuffix("`")))


def test_every_config_model_has_its_section() -> None:
    assert documented_keys().keys() == {model.__name__ for model in DOCUMENTED}


@pytest.mark.parametrize("model", DOCUMENTED, ids=lambda model: model.__name__)
def test_every_key_is_documented_with_its_default(model: type[BaseModel]) -> None:
    documented = documented_keys()[model.__name__]
    assert documented.keys() == model.model_fields.keys()
    for name, field in model.model_fields.items():
        if field.is_required():
            assert documented[name] == "required", name
        else:
            default = field.get_default(call_default_factory=True)
            assert default_as_written(field, documented[name]) == default, name


def test_every_setting_of_the_server_is_documented_with_its_default() -> None:
    text = (PROJECT / "docs/serving.md").read_text(encoding="utf-8")
    settings = text.partition("## Settings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(SENTIMENT_\w+)` \| (.*?) \|", settings, re.M)
    assert [name for name, _ in rows] == [f"SENTIMENT_{name.upper()}" for name in ServingSettings.model_fields]
    for (name, cell), field in zip(rows, ServingSettings.model_fields.values(), strict=True):
        if field.default_factory is None:  # else it depends on the machine, and the cell is a sentence
            assert default_as_written(field, cell) == field.default, name


def test_the_examples_of_cleaning_and_masking_are_what_the_code_does() -> None:
    text = (PROJECT / "docs/data.md").read_text(encoding="utf-8")
    cleaning = text.partition("## Cleaning\n")[2].partition("\n## ")[0]
    examples = re.findall(r"^\|[^|`]*(?:`[^`]*`[^|`]*)*\| `([^`]+)` \| `([^`]+)` \|$", cleaning, re.M)
    assert len(examples) >= 8
    for before, after in examples:
        assert TextNormaliser().normalise([before]) == [after]

    masking = text.partition("## Personal data\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|[^|]*\| (`.*`) \| `(\[\w+\])` \|$", masking, re.M)
    assert {kind for _, kind in rows} == {f"[{kind}]" for kind in KINDS}
    for examples_of_kind, kind in rows:
        for example in re.findall(r"`([^`]+)`", examples_of_kind):
            assert mask(example).removeprefix("신한은행 ") == kind


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    for link in links:
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert target.is_relative_to(PROJECT), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors GitHub gives to the headings of a page: lower case, no punctuation, spaces as hyphens."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_korean_readme_is_the_english_one_in_korean() -> None:
    english, korean = ((PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    # The tree of the project has its comments translated.
    code, translated_code = (
        [re.sub(r"(?m)^( *[\w./]+) {2,}.*", r"\1", each) for each in FENCE.findall(readme)]
        for readme in (english, korean)
    )
    assert translated_code == code
    prose, translated = FENCE.sub("", english), FENCE.sub("", korean)
    assert [line.count("#") for line in re.findall(r"^#+", translated, re.M)] == [
        line.count("#") for line in re.findall(r"^#+", prose, re.M)
    ]
    others = {"README.md", "README.ko.md"}
    assert set(LINK.findall(translated)) - others == set(LINK.findall(prose)) - others
    assert len(re.findall(r"^\|", translated, re.M)) == len(re.findall(r"^\|", prose, re.M))


def test_no_page_names_a_place_of_one_machine() -> None:
    for page in PAGES:
        found = re.search(r"(?<![\w.~:])/(?:home|root|tmp|work|Users)/", page.read_text(encoding="utf-8"))
        assert found is None, page_id(page)


# What an error quotes of others: the operating system's own words.
NOT_OURS = ("Address already in use",)


def test_the_sentences_that_failures_are_looked_up_by_are_in_the_code() -> None:
    packages = ("cli", "pipelines", "steps", "stacks", "serving", "sentiment")
    files = [path for package in packages for path in (PROJECT / package).rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    written = "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    looked_up = 0
    for page in PAGES:
        tables = re.findall(r"^\| sentence \|.*?(?=^$|\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
        cells = [cell for table in tables for cell in re.findall(r"^\| (`.*?) \|", table, re.M)]
        for sentence in [each for cell in cells for each in re.findall(r"`+ ?(.+?) ?`+(?!\w)", cell)]:
            # Between what is filled in: names, numbers, and what the page leaves out.
            parts = re.split(r"…|: |'[^']*'|[\d.]*\d|\b[A-Z]+\b|\bsentiment\b", sentence)
            for part in [each.strip(" .,`") for each in parts]:
                half = (len(part) + 1) // 2
                if len(part) >= 8 and not part.startswith(NOT_OURS):
                    found = any(part[at : at + half] in written for at in range(len(part) - half + 1))
                    assert found, f"{page_id(page)}: {part!r} of {sentence!r}"
            looked_up += 1
    assert looked_up > 40
