"""Alert rules and dashboard: they ask for metrics that a running server exports, and mean what they say."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sentiment.home import PROJECT
from tests.service.conftest import RunningServer

MONITORING = PROJECT / "deploy" / "monitoring"
SERIES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
# What Prometheus and the rules themselves make.
MADE_ELSEWHERE = {"job:sentiment_confidence:mean1h"}


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]:
        yield from group["rules"]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return loaded


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:job:)?sentiment_\w+(?::\w+)?", expression)) - MADE_ELSEWHERE


def test_every_series_is_one_that_a_server_exports(server: RunningServer) -> None:
    with server.client() as client:
        exported = {
            family.name + suffix: family
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for suffix in SERIES.get(family.type, [])
        }
    used = [*(rule["expr"] for rule in rules()), *dashboard_expressions()]
    asked = set().union(*map(series_in, used))
    assert len(asked) > 10
    assert asked - exported.keys() == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) == 9
    for rule in alerts:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_dashboard_is_what_its_script_writes() -> None:
    written = subprocess.run(
        [sys.executable, str(MONITORING / "dashboard.py")], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert json.loads(written.stdout) == dashboard(), "run deploy/monitoring/dashboard.py again"


def test_every_panel_has_queries_of_the_chosen_job_and_source() -> None:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    assert len(panels) == 13
    for panel in panels:
        assert panel["datasource"]["uid"] == "${source}"
        assert panel["targets"]
        for target in panel["targets"]:
            selectors = re.findall(r"sentiment_\w+\{([^}]*)\}", target["expr"])
            assert selectors
            assert all('job="$job"' in selector for selector in selectors)


@pytest.mark.promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "--lint-fatal", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
    ],
)
def test_promtool_accepts_the_rules_and_their_unit_tests(arguments: list[str]) -> None:
    checked = subprocess.run(["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.promtool
def test_promtool_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [each.replace("$__rate_interval", "5m").replace("$job", "sentiment") for each in dashboard_expressions()]
    as_rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": as_rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
