"""The Grafana dashboard of the serving side, written as code.

python deploy/monitoring/dashboard.py > deploy/monitoring/dashboard.json

Import the file in Grafana (11.6 or later) and choose the Prometheus that scrapes the servers.
"""

import sys

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
SERVERS = 'job="$job"'
# As serving.metrics.CANARY_STATES numbers them.
CANARY = {"0": "off", "1": "live", "2": "fallen back", "3": "shadowing"}


def build() -> Dashboard:
    """Rows from the outside in: what callers see, what the model says, what the log keeps."""
    dashboard = (
        builders.Dashboard("Sentiment")
        .uid("sentiment-serving")
        .tags(["sentiment"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(
            builders.QueryVariable("job")
            .label("Job")
            .datasource(SOURCE)
            .query("label_values(sentiment_requests_total, job)")
        )
    )
    for title, panels in (("Requests", requests()), ("Model", model()), ("Prediction log", prediction_log())):
        dashboard.with_row(builders.Row(title))
        for panel in panels:
            dashboard.with_panel(panel)
    return dashboard.build()


def requests() -> list[timeseries.Panel]:
    """Rate, errors, duration, and where requests wait."""
    return [
        graph("Requests by endpoint", "reqps", {"{{endpoint}}": rate("sentiment_requests_total", "endpoint")}),
        graph(
            "Errors",
            "percentunit",
            {
                "5xx": share('status=~"5.."'),
                "4xx": share('status=~"4.."'),
            },
        ).min(0),
        graph(
            "Time to answer /predict",
            "s",
            {
                f"p{percent}": f"histogram_quantile({percent / 100:g}, sum by (le) (rate("
                f'sentiment_request_seconds_bucket{{{SERVERS}, endpoint="/predict"}}[$__rate_interval])))'
                for percent in (50, 95, 99)
            },
        ),
        graph("Texts that wait for the model", "short", {"{{instance}}": f"sentiment_queue_depth{{{SERVERS}}}"}),
        graph("Texts scored together", "short", {"mean": mean("sentiment_batch_size")}),
    ]


def model() -> list[timeseries.Panel | stat.Panel]:
    """What is predicted, how surely, by which version, and whether people agree."""
    return [
        graph(
            "Predictions by label",
            "percentunit",
            {"{{label}}": by_share("sentiment_predictions_total", "label", 'role!="shadow"')},
        ).max(1),
        graph("Mean confidence by label", "percentunit", {"{{label}}": mean("sentiment_confidence", "label")}).max(1),
        graph(
            "Predictions by version and role",
            "reqps",
            {"{{model_version}} {{role}}": rate("sentiment_predictions_total", "model_version, role")},
        ),
        graph("Feedback", "short", {"correct: {{correct}}": increase("sentiment_feedback_total", "correct")}),
        canary_state(),
    ]


def prediction_log() -> list[timeseries.Panel]:
    """How far the database is behind."""
    return [
        graph("Age of the oldest unwritten row", "s", {"{{instance}}": f"sentiment_log_lag_seconds{{{SERVERS}}}"}),
        graph("Unwritten rows", "short", {"{{instance}}": f"sentiment_log_depth{{{SERVERS}}}"}),
        graph(
            "Rows that waited on disk, were set aside, were lost",
            "short",
            {
                "waited {{instance}}": increase("sentiment_log_spooled_total", "instance"),
                "set aside {{instance}}": increase("sentiment_log_quarantined_total", "instance"),
                "lost {{instance}}": increase("sentiment_log_dropped_total", "instance"),
            },
        ),
    ]


def graph(title: str, unit: str, queries: dict[str, str]) -> timeseries.Panel:
    """Lines over time; `queries` maps legends to expressions."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .show_points(styles.VisibilityMode.NEVER)
        .legend(common.VizLegendOptions().display_mode(styles.LegendDisplayMode.LIST).show_legend(True))
        .span(8)
        .height(8)
    )
    for letter, (legend, expression) in zip("ABC", queries.items(), strict=False):
        panel.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend))
    return panel


def canary_state() -> stat.Panel:
    """The state in words."""
    words = {number: ValueMappingResult(text=word) for number, word in CANARY.items()}
    target = prometheus.Dataquery().ref_id("A").expr(f"max by (instance) (sentiment_canary_state{{{SERVERS}}})")
    return (
        stat.Panel()
        .title("Candidate")
        .datasource(SOURCE)
        .mappings([ValueMap(options=words)])
        .thresholds(
            builders.ThresholdsConfig()
            .mode(ThresholdsMode.ABSOLUTE)
            .steps(
                [
                    Threshold(color="green", value=None),
                    Threshold(color="red", value=2),
                    Threshold(color="blue", value=3),
                ]
            )
        )
        .with_target(target.legend_format("{{instance}}"))
        .span(8)
        .height(8)
    )


def rate(metric: str, by: str, *matchers: str) -> str:
    """A counter's rate per second."""
    return f"sum by ({by}) (rate({metric}{{{', '.join((SERVERS, *matchers))}}}[$__rate_interval]))"


def increase(metric: str, by: str) -> str:
    """How much a counter grew in an hour."""
    return f"sum by ({by}) (increase({metric}{{{SERVERS}}}[1h]))"


def share(matcher: str) -> str:
    """The share of the requests that have this status."""
    metric = "sentiment_requests_total"
    rates = (
        f"rate({metric}{{{SERVERS}, {matcher}}}[$__rate_interval])",
        f"rate({metric}{{{SERVERS}}}[$__rate_interval])",
    )
    return f"(sum({rates[0]}) or vector(0)) / sum({rates[1]})"


def by_share(metric: str, by: str, *matchers: str) -> str:
    """Each label's share of a counter's rate."""
    return f"{rate(metric, by, *matchers)} / ignoring ({by}) group_left sum({rate(metric, by, *matchers)})"


def mean(histogram: str, by: str = "") -> str:
    """The mean of what a histogram observed."""
    return f"{rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)}"


if __name__ == "__main__":
    sys.stdout.write(JSONEncoder(sort_keys=True, indent=2).encode(build()) + "\n")
