"""Amazon's registry is asked for a token with the AWS login that is there (moto)."""

import pytest
from moto import mock_aws

from sentiment.errors import StackError
from stacks.bentoml_kubernetes.registry import ecr_credentials
from tests.stacks.servers import CREDENTIALS

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def test_a_token_comes_with_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        credentials = ecr_credentials(REGISTRY)
    assert credentials
    assert credentials[0] == "AWS"
    assert credentials[1]


def test_without_a_login_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StackError, match=f"AWS gives no token for the registry {REGISTRY}"):
        ecr_credentials(REGISTRY)


@pytest.mark.parametrize("registry", ["registry.example.com", "127.0.0.1:5000", f"{REGISTRY}.example.com"])
def test_other_registries_are_not_asked_at_amazon(registry: str) -> None:
    assert ecr_credentials(registry) is None
