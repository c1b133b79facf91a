"""Errors of config files, of --set, of kinds and tasks."""

from pathlib import Path
from typing import Any

from sentiment.config.load import CONFIGS, expand, load_config, read_yaml
from sentiment.config.retrain import RetrainConfig
from sentiment.config.train import TrainConfig
from sentiment.config.watch import interval
from sentiment.kinds import kind_of
from sentiment.stored import DAMAGED, Report
from sentiment.tasks import task_of
from tests.code.fixes.registered import case
from tests.code.fixes.world import World


class Count(Report):
    rows: int


def setting(name: str, *overrides: str) -> None:
    """A case of one wrong --set, which another --set mends."""

    def made(world: World) -> None:
        world.overrides += overrides
        world.attempt = world.train_config

    case(name)(made)


LOAD = "sentiment/config/load: "
setting(f"{LOAD}…: … ….", "split.test=2")
setting(
    "sentiment/config/dataset: …: labels names a label twice: ….",
    "dataset.labels=[a, b, a]",
    "dataset.rating_ranges={a: [1, 2], b: [4, 5]}",
)
setting("sentiment/config/dataset: …: labels has one name, …, and a model needs two.", "dataset.labels=[a]")
setting(
    "sentiment/config/dataset: …: label_values or rating_ranges name …, but labels only ….",
    "dataset.rating_ranges={bad: [1, 2], positive: [4, 5]}",
)
setting(
    "sentiment/config/dataset: …: rating_ranges overlap, or have the higher number first: ….",
    "dataset.rating_ranges={negative: [1, 4], positive: [4, 5]}",
)
setting(
    "sentiment/config/dataset: …: validation and test together leave no rows for train.",
    "split.test=0.5",
    "split.validation=0.5",
)
setting("sentiment/config/train: …: two candidates share a name: ….", "candidates=[linear, linear]")


def names_meant(world: World, written: str, wrong: str, right: str) -> None:
    """The nearest name in place of the wrong one."""
    world.overrides = [written]
    world.attempt = world.train_config
    world.by_hand = {f"Did you mean {right!r}?": lambda: world.overrides.__setitem__(0, written.replace(wrong, right))}


@case(f"{LOAD}…: unknown key ….")
def unknown_key(world: World) -> None:
    names_meant(world, "gate.max_ec=0.1", "max_ec", "max_ece")


@case(f"{LOAD}…: there is no … in configs/….")
def unknown_reference(world: World) -> None:
    names_meant(world, "dataset=sampel", "sampel", "sample")


@case(f"{LOAD}--set: the list has no entry ….")
def unknown_entry(world: World) -> None:
    names_meant(world, "candidates.liner.c=1", "liner", "linear")


@case(f"{LOAD}…: …: ….")
def unknown_kind_in_a_config(world: World) -> None:
    names_meant(world, "candidates.0.kind=liner", "liner", "linear")


@case(f"{LOAD}…: `…` is no longer a setting.")
def removed(world: World) -> None:
    world.overrides = ["evaluation.calibration_bins=5"]
    world.attempt = world.train_config
    world.by_hand = {"Leave it out": world.overrides.clear}


@case(f"{LOAD}--set … is not an assignment.")
def no_assignment(world: World) -> None:
    world.overrides = ["seed: 3"]
    world.attempt = world.train_config
    world.blanks = {"VALUE": "3"}
    world.by_hand = {"Write it as --set seed=VALUE": lambda: world.overrides.__setitem__(0, "seed=3")}


@case(f"{LOAD}--set …: the value is not valid YAML.")
def no_yaml_value(world: World) -> None:
    world.overrides = ["model_name=[a"]
    world.attempt = world.train_config
    quoted = 'model_name="[a"'
    world.by_hand = {f"Quote it: --set '{quoted}'": lambda: world.overrides.__setitem__(0, quoted)}


def config_file(world: World, content: str | bytes, then: str = "seed: 3\n") -> Path:
    """A config file that is wrong, and what a person makes of it."""
    path = world.write("mine.yaml", content)
    world.attempt = lambda: read_yaml(path)
    world.by_hand = {"": lambda: path.write_text(then)}
    return path


@case(f"{LOAD}… holds …, not keys.")
def no_mapping(world: World) -> None:
    config_file(world, "- a\n- b\n")


@case(f"{LOAD}….")
def broken_yaml(world: World) -> None:
    config_file(world, "seed: 3\nname: a: b\n")


@case(f"{LOAD}The config file … does not exist.")
def missing_file(world: World) -> None:
    config = [CONFIGS / "trian.yaml"]
    world.attempt = lambda: load_config(config[0], TrainConfig)
    world.by_hand = {"Did you mean 'configs/train.yaml'?": lambda: config.__setitem__(0, Path("configs/train.yaml"))}


@case(f"{LOAD}… is a folder, not a config file.")
def a_folder(world: World) -> None:
    config = [world.folder]
    world.write("mine.yaml", "seed: 3\n")
    world.attempt = lambda: read_yaml(config[0])
    there = world.folder / "mine.yaml"
    world.by_hand = {f"'{there}'": lambda: config.__setitem__(0, there)}


@case(f"{LOAD}… needs the environment variable …, which is not set.")
def no_variable(world: World) -> None:
    world.monkeypatch.delenv("MY_BUCKET", raising=False)
    world.attempt = lambda: expand({"path": "${MY_BUCKET}/x"})


@case(f"{LOAD}…: … holds a password, a signature or a token, and configs are stored and shown.")
def a_secret(world: World) -> None:
    world.overrides = ["dataset.path=https://me:hunter2@example.com/a.csv"]
    world.attempt = world.train_config

    def named() -> None:
        world.monkeypatch.setenv("REVIEWS_URL", "https://me:hunter2@example.com/a.csv")
        world.overrides = ["dataset.path=${REVIEWS_URL}"]

    world.by_hand = {"dataset.path=${REVIEWS_URL}": named}


@case("sentiment/config/watch: … is no interval of at most … days.")
def no_interval(world: World) -> None:
    span = ["1 hour"]
    world.attempt = lambda: interval(span[0])
    world.by_hand = {"--every 15m": lambda: span.__setitem__(0, "15m")}


@case("sentiment/config/retrain: …: model_name is …, … ….")
def two_names(world: World) -> None:
    world.overrides = ["model_name=films"]
    world.attempt = lambda: load_config(CONFIGS / "retrain.yaml", RetrainConfig, world.overrides)


@case("sentiment/config/retrain: …: train_changes are for the champion's config, and train names another.")
def two_configs(world: World) -> None:
    world.overrides = ["train=configs/train.yaml", "train_changes={seed: 3}"]
    world.attempt = lambda: load_config(CONFIGS / "retrain.yaml", RetrainConfig, world.overrides)
    world.by_hand = {"Leave train_changes out": world.overrides.pop}


def stack(world: World, **settings: Any) -> None:
    from sentiment.config.load import validate
    from sentiment.config.stack import StackConfig

    raw = {"name": "mine", "description": "", "components": {}, "settings": settings}
    world.attempt = lambda: validate(raw, StackConfig, "mine.yaml")
    world.by_hand = {"out of the stack file": lambda: raw.pop("settings")}


@case("sentiment/config/stack: …: ….…: the stack has no ….")
def no_component(world: World) -> None:
    stack(world, orchestrator={"cpu": 3})


def transformer(world: World, mend: str, **values: Any) -> None:
    from sentiment.config.load import validate
    from sentiment.kinds.transformer import TransformerConfig

    raw = {"kind": "transformer", "name": "mine", **values}

    def set_to(key: str, value: Any) -> None:
        *above, last = key.split(".")
        target = raw
        for part in above:
            target = target[part]
        target[last] = value

    world.attempt = lambda: validate(raw, TransformerConfig, "mine.yaml")
    world.by_hand = {
        "Set hidden_size to 16": lambda: set_to("encoder.hidden_size", 16),
        "Set one of the two, and the other to null": lambda: set_to("checkpoint", None),
        "Set unfrozen_layers to null": lambda: set_to("unfrozen_layers", None),
    }
    world.by_hand = {mend: world.by_hand[mend]}


@case("sentiment/kinds/transformer: …: hidden_size is …, which is no multiple of attention_heads, ….")
def heads(world: World) -> None:
    transformer(world, "Set hidden_size to 16", encoder={"hidden_size": 17, "attention_heads": 4})


@case(
    "sentiment/kinds/transformer: …: it needs either a checkpoint (to fine-tune) or an encoder (to train from scratch)."
)
def two_origins(world: World) -> None:
    transformer(world, "Set one of the two, and the other to null", encoder={}, checkpoint="a/b")


@case("sentiment/kinds/transformer: …: unfrozen_layers needs a checkpoint: a fresh encoder has nothing worth freezing.")
def nothing_to_freeze(world: World) -> None:
    transformer(world, "Set unfrozen_layers to null", encoder={}, unfrozen_layers=1)


def named(world: World, wrong: str, right: str, attempt: Any, said: str | None = None) -> None:
    """A name that is not there, and the one that the fix says."""
    name = [wrong]
    world.attempt = lambda: attempt(name[0])
    world.by_hand = {said or f"Did you mean {right!r}?": lambda: name.__setitem__(0, right)}


@case("sentiment/kinds/__init__: There is no kind of model ….")
def unknown_kind(world: World) -> None:
    named(world, "liner", "linear", kind_of)


@case("sentiment/kinds/__init__: There is no kind of model … to train.")
def untrainable_kind(world: World) -> None:
    from sentiment.kinds import config_class

    named(world, "linaer", "linear", config_class)


@case("sentiment/tasks/__init__: There is no task ….")
def unknown_task(world: World) -> None:
    named(world, "clases", "classes", task_of)


def module(world: World, name: str, content: str) -> Path:
    """A module of the user's own in the working folder."""
    world.monkeypatch.chdir(world.folder)
    world.monkeypatch.syspath_prepend(str(world.folder))
    return world.write(f"{name}.py", content)


RIGHT = "from sentiment.kinds import Kind\nMine = Kind('a:b')\nOther = 3\n"


def module_name(world: World) -> str:
    return f"own_kinds_{world.folder.parent.name.replace('-', '_')}_{world.folder.name}"


@case("sentiment/kinds/__init__: … is a …, not a Kind.")
def not_a_kind(world: World) -> None:
    name = module_name(world)
    module(world, name, RIGHT)
    named(world, f"{name}:Other", f"{name}:Mine", kind_of, "The one valid name is 'Mine'")


@case("sentiment/kinds/__init__: The module … has no ….")
def not_in_the_module(world: World) -> None:
    name = module_name(world)
    module(world, name, RIGHT)
    named(world, f"{name}:Mien", f"{name}:Mine", kind_of, "Did you mean 'Mine'?")


@case("sentiment/kinds/__init__: The module … fails on import: …: ….")
def module_fails(world: World) -> None:
    name = module_name(world)
    path = module(world, name, "a = 1\nb = a / 0\n")
    world.attempt = lambda: kind_of(f"{name}:Mine")
    world.by_hand = {f"Correct {path}, line 2.": lambda: path.write_text(RIGHT + "# of another size\n")}


@case("sentiment/kinds/__init__: There is no module …, which … names.")
def no_module(world: World) -> None:
    name = module_name(world)
    world.monkeypatch.chdir(world.folder)
    world.monkeypatch.syspath_prepend(str(world.folder))
    world.attempt = lambda: kind_of(f"{name}:Mine")

    def put() -> None:
        world.write(f"{name}.py", RIGHT)
        __import__("importlib").invalidate_caches()

    world.by_hand = {f"Put {name}.py beside run.py, into the working folder": put}


def stored(world: World, text: str, *, by: str) -> None:
    held = [text]
    world.attempt = lambda: Count.read(held[0], "The count")
    # What the update, the rollback or the run that wrote it leaves in its place.
    world.by_hand = dict.fromkeys((by, "Roll back to"), lambda: held.__setitem__(0, '{"rows": 3}'))


@case("sentiment/stored: … was stored by a newer version: this one does not know ….")
def newer_key(world: World) -> None:
    stored(world, '{"rows": 3, "columns": 4}', by="git pull && pip install")


@case("sentiment/stored: … was stored by a newer version (format …; this one reads …).")
def newer_format(world: World) -> None:
    stored(world, '{"rows": 3, "format": 9}', by="git pull && pip install")


@case("sentiment/stored: … cannot be read: … ….")
def wrong_type(world: World) -> None:
    stored(world, '{"rows": "many"}', by=DAMAGED)


@case("sentiment/stored: … cannot be read: it is not JSON (…).")
def not_json(world: World) -> None:
    stored(world, '{"rows": ', by=DAMAGED)


@case(f"{LOAD}…: … …. | no --set")
def stack_value(world: World) -> None:
    from sentiment.config.load import validate
    from sentiment.config.stack import StackConfig

    raw: dict[str, Any] = {"name": "mine", "description": "", "components": {}, "settings": {"runtime": "outside"}}
    world.attempt = lambda: validate(raw, StackConfig, "mine.yaml")
    world.by_hand = {"Its default: write runtime: null": lambda: raw.update(settings={"runtime": None})}


@case(f"{LOAD}…: … …. | required")
def required_key(world: World) -> None:
    from sentiment.config.load import validate
    from sentiment.config.stack import StackConfig

    raw: dict[str, Any] = {"description": "", "components": {}}
    world.attempt = lambda: validate(raw, StackConfig, "mine.yaml")
    world.by_hand = {"Give it one: write name: VALUE": lambda: raw.update(name="mine")}


@case(f"{LOAD}…. | no UTF-8")
def config_in_cp949(world: World) -> None:
    config_file(world, "name: 리뷰\n".encode("cp949"))
