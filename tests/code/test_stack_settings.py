"""How the steps of a run are run: which place counts, what ZenML is given, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from zenml.config import DockerSettings
from zenml.config.step_configurations import StepConfigurationUpdate

from sentiment.config.stack import StackConfig
from sentiment.config.train import StepOptions
from sentiment.errors import ConfigError
from stacks.settings import check_settings, run_options, unmatched_patterns

ALL, GLOB, LATER_GLOB, EXACT = "all", "train_*", "*_linear", "train_linear"


def stack(settings: dict[str, Any], orchestrator: str = "local_docker") -> StackConfig:
    components = {"orchestrator": {"flavor": orchestrator}}
    return StackConfig.model_validate(
        {"name": "test", "description": "", "components": components, "settings": settings}
    )


def image_of(options: dict[str, Any]) -> str | None:
    return options["settings"]["docker"].parent_image


@given(places=st.sets(st.sampled_from([ALL, GLOB, LATER_GLOB, EXACT]), min_size=1))
def test_the_most_particular_place_counts(places: set[str]) -> None:
    steps = {place: {"image": place} for place in (GLOB, LATER_GLOB, EXACT) if place in places}
    settings = {**({"image": ALL} if ALL in places else {}), "steps": steps}
    options = run_options(stack(settings), ["train_linear"])["steps"]["train_linear"]
    expected = next(place for place in (EXACT, LATER_GLOB, GLOB, ALL) if place in places)
    assert image_of(options) == expected


def test_the_later_pattern_counts_and_a_name_counts_more_than_any() -> None:
    steps = {"train_linear": {"image": "name"}, "*": {"image": "any"}, "train_*": {"image": "train"}}
    options = run_options(stack({"steps": steps}), ["load_reviews", "train_linear", "train_compact"])["steps"]
    assert {name: image_of(each) for name, each in options.items()} == {
        "load_reviews": "any",
        "train_linear": "name",
        "train_compact": "train",
    }


def test_mappings_are_merged_to_the_last_level_and_null_takes_back() -> None:
    settings = {
        "resources": {"cpu_count": 1, "memory": "2GB"},
        "orchestrator": {"run_args": {"network_mode": "host", "shm_size": "1g"}},
        "retry": {"max_retries": 1},
        "steps": {
            "train_*": {"resources": {"gpu_count": 1}, "orchestrator": {"run_args": {"shm_size": "8g"}}},
            "train_linear": {"resources": {"gpu_count": None, "memory": "4GB"}, "retry": None},
        },
    }
    steps = run_options(stack(settings), ["train_linear", "train_compact"])["steps"]
    assert "retry" not in steps["train_linear"]
    assert steps["train_compact"]["retry"].max_retries == 1
    linear, compact = (steps[name]["settings"] for name in ("train_linear", "train_compact"))
    assert (linear["resources"].cpu_count, linear["resources"].gpu_count, linear["resources"].memory) == (
        1,
        None,
        "4GB",
    )
    assert (compact["resources"].gpu_count, compact["resources"].memory) == (1, "2GB")
    assert compact["orchestrator"] == {"run_args": {"network_mode": "host", "shm_size": "8g"}}


def test_a_pod_asks_for_what_its_step_asks_for() -> None:
    """ZenML's Kubernetes orchestrator ignores ResourceSettings: they must be in the settings of the pod."""
    shared = {"resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "4Gi"}}, "node_selectors": {"a": "b"}}
    settings = {
        "orchestrator": {"pod_settings": shared},
        "steps": {
            "train_*": {"resources": {"cpu_count": 2.5, "gpu_count": 2, "memory": "16GB"}},
            "train_linear": {
                "resources": {"gpu_count": None, "memory": "512MiB"},
                "orchestrator": {"pod_settings": {"node_selectors": None}},
            },
        },
    }
    config = stack(settings, "kubernetes")
    steps = run_options(config, ["load_reviews", "train_linear", "train_compact"])["steps"]
    pods = {name: each["settings"]["orchestrator"]["pod_settings"] for name, each in steps.items()}
    assert pods["load_reviews"] == shared
    assert pods["train_compact"]["resources"] == {
        "requests": {"cpu": "2.5", "memory": "15259Mi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "15259Mi", "nvidia.com/gpu": "2"},
    }
    assert pods["train_linear"] == {
        "resources": {"requests": {"cpu": "2.5", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}
    }
    assert not [name for name, each in steps.items() if "resources" in each["settings"]], "ZenML would warn of them"


@pytest.mark.parametrize("orchestrator", ["local", "local_docker", "sagemaker"])
def test_resources_that_the_orchestrator_would_ignore_are_refused(orchestrator: str) -> None:
    config = stack({"steps": {"train_*": {"resources": {"gpu_count": 1}}}}, orchestrator)
    with pytest.raises(ConfigError, match=rf"train_\*\.resources: the orchestrator '{orchestrator}' would ignore them"):
        check_settings(config)
    check_settings(stack({"steps": {"train_*": {"resources": {"gpu_count": None}}}}, orchestrator))


def test_the_pipelines_own_config_counts_most() -> None:
    settings = {"steps": {"train_*": {"retry": {"max_retries": 3, "delay": 10, "backoff": 2}}}}
    overrides = {
        "train_a": StepOptions(retries=1),
        "train_b": StepOptions(retries=0),
        "train_c": StepOptions(cache=False),
        "load_reviews": StepOptions(cache=True, retries=2),
    }
    steps = run_options(stack(settings), list(overrides), overrides)["steps"]
    assert (steps["train_a"]["retry"].max_retries, steps["train_a"]["retry"].delay) == (1, 10)
    assert "train_b" not in steps
    assert steps["train_c"]["retry"].max_retries == 3
    assert steps["train_c"]["enable_cache"] is False
    assert steps["load_reviews"]["enable_cache"] is True
    assert steps["load_reviews"]["retry"].max_retries == 2


def test_a_config_that_names_a_step_the_run_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no step 'train_liner'\.\n  fix: Did you mean 'train_linear'"):
        run_options(stack({}), ["train_linear"], {"train_liner": StepOptions(cache=False)})


def test_without_settings_zenml_is_told_nothing() -> None:
    assert run_options(stack({}), ["load_reviews"]) == {"settings": {}, "steps": {}}


def test_the_orchestrator_itself_runs_in_the_image_of_all_steps() -> None:
    options = run_options(stack({"image": "a:1", "steps": {"train_*": {"image": "b:1"}}}), ["train_linear"])
    assert options["settings"]["docker"] == DockerSettings(parent_image="a:1", skip_build=True)
    assert options["steps"]["train_linear"]["settings"]["docker"] == DockerSettings(parent_image="b:1", skip_build=True)


def test_zenml_takes_what_it_is_given() -> None:
    settings = {"steps": {"train_*": {"image": "a", "runtime": "isolated", "retry": {"max_retries": 1}}}}
    options = run_options(stack(settings), ["train_linear"])["steps"]["train_linear"]
    update = StepConfigurationUpdate.model_validate(options)
    assert update.model_fields_set == {"settings", "runtime", "retry"}


def test_a_step_operator_runs_the_steps_that_have_settings_for_it() -> None:
    components = {"orchestrator": {"flavor": "local"}, "step_operator": {"flavor": "sagemaker"}}
    settings = {
        "steps": {
            "train_*": {"step_operator": {"instance_type": "ml.g5.xlarge"}},
            "train_linear": {"step_operator": None},
        }
    }
    config = StackConfig.model_validate(
        {"name": "test", "description": "", "components": components, "settings": settings}
    )
    steps = run_options(config, ["train_linear", "train_kcbert", "load_reviews"])["steps"]
    assert steps == {
        "train_kcbert": {"step_operator": True, "settings": {"step_operator": {"instance_type": "ml.g5.xlarge"}}}
    }
    check_settings(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"immage": "a"}, "Extra inputs"),
        ({"steps": {"train_*": {"resources": {"gpus": 1}}}}, "Extra inputs"),
        ({"resources": {"memory": "16 gigabytes"}}, "must be a number of bytes"),
        ({"retry": {"max_retries": 0}}, "greater than or equal to 1"),
        ({"steps": {"train_*": {"step_operator": {"instance_type": "x"}}}}, "the stack has no step_operator"),
    ],
)
def test_settings_that_nobody_would_read_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        stack(settings)


@pytest.mark.parametrize(
    ("orchestrator", "settings", "message"),
    [
        ("local_docker", {"run_arg": {}, "synchronous": True}, r"no setting 'run_arg'(?s:.*)Did you mean 'run_args'"),
        ("local_docker", {"run_args": "host"}, "run_args: Input should be a valid dictionary"),
        ("local", {"synchronous": True}, "the component's flavor has no run settings"),
    ],
)
def test_settings_that_the_flavor_does_not_have_are_refused(
    orchestrator: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_settings(stack({"steps": {"train_*": {"orchestrator": settings}}}, orchestrator))


def test_patterns_for_other_pipelines_are_fine_and_those_for_none_are_told() -> None:
    config = stack({"steps": {"score_*": {}, "train_kcelectra": {}, "trian_*": {}}})
    assert run_options(config, ["load_reviews"]) == {"settings": {}, "steps": {}}
    assert unmatched_patterns(config, ["load_reviews", "train_*", "score_shard"]) == ["trian_*"]
