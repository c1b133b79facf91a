"""`run.py serve` where pods serve, with a stand-in for the cluster."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from stacks.bentoml_kubernetes.service import KubernetesService
from stacks.model_deployer import Running


def test_on_a_cluster_pods_are_replaced_or_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    found = SimpleNamespace(
        metadata=SimpleNamespace(labels={"sentiment-ops/service": "u"}),
        status=SimpleNamespace(available_replicas=2),
        spec=SimpleNamespace(replicas=2),
    )
    made = datetime(2026, 11, 29, tzinfo=UTC)
    cluster = SimpleNamespace(
        deployment=lambda name: found if name == "reviews" else None,
        pods=lambda *_: [SimpleNamespace(metadata=SimpleNamespace(creation_timestamp=made))],
        restart=lambda name: done.append(f"restart {name}"),
        wait_rolled_out=lambda name, *_: done.append(f"wait {name}"),
    )
    monkeypatch.setattr("stacks.bentoml_kubernetes.service.LABEL", "sentiment-ops/service")
    service: Any = SimpleNamespace(
        cluster=cluster,
        uuid="u",
        config=SimpleNamespace(deployment="reviews", start_seconds=9),
        deployments=lambda: ["reviews"],
        start=lambda: done.append("start"),
    )
    service.running = lambda: KubernetesService.running(service)
    assert service.running() == Running("2 of 2 pods", made)
    KubernetesService.restart(service)
    assert done == ["restart reviews", "wait reviews"]
    found.status.available_replicas = None
    assert service.running() is None
    KubernetesService.restart(service)
    assert done[-1] == "start"
