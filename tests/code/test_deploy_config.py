from pathlib import Path

import pytest

from sentiment.config.deploy import DeployConfig
from sentiment.config.load import load_config
from sentiment.errors import ConfigError

SHIPPED = Path("configs/deploy.yaml")


def test_the_shipped_config_deploys_the_champion_alone() -> None:
    config = load_config(SHIPPED, DeployConfig)
    assert (config.model_name, config.traffic.mode, config.port) == ("sentiment", "off", None)
    texts = config.smoke_test.texts
    assert any("\uac00" <= character <= "\ud7a3" for text in texts for character in text)
    assert any(text.isascii() for text in texts)


def test_traffic_by_the_command_line() -> None:
    config = load_config(SHIPPED, DeployConfig, ["traffic.mode=canary", "traffic.share=0.1"])
    assert (config.traffic.mode, config.traffic.share) == ("canary", 0.1)


def test_off_may_be_written_as_yaml_reads_it() -> None:
    assert load_config(SHIPPED, DeployConfig, ["traffic.mode=off"]).traffic.mode == "off"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("traffic.mode=mirror", "traffic.mode"),
        ("traffic.share=0", "traffic.share"),
        ("traffic.share=1", "traffic.share"),
        ("port=70000", "port"),
        ("start_second=5", "start_seconds"),
        ("smoke_test.texts=[]", "smoke_test.texts"),
        ("export.min_agrement=1", "min_agreement"),
    ],
)
def test_a_wrong_value_names_its_key(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(SHIPPED, DeployConfig, [override])
