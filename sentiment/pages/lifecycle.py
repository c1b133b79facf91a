"""The pages of an export, a registration, a served version and a deployment."""

from sentiment.export.report import ExportReport, FormatResult
from sentiment.lifecycle.deployment import Deployment, ServedModel
from sentiment.lifecycle.registration import Registration
from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose
from sentiment.pages.html import Html


def card(markdown: str) -> Html:
    """A model card, rendered. It is a part of a page: its title is left out, and its headings are lower ones."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    if tokens and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    rendered = str(parser.renderer.render(tokens, parser.options, {}))
    # All text is escaped by now: what looks like a table is one.
    return Html(rendered.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>"))


@compose.register
def _registration(registration: Registration, figures: Figures) -> str:
    """The outcome, then the model card as it was registered."""
    return html.page(
        "Registration",
        html.paragraph(registration.summary),
        html.section("Model card", card(registration.card)),
    )


@compose.register
def _served(model: ServedModel, figures: Figures) -> str:
    """The version and its card."""
    return html.page(
        f"{model.model_name} version {model.version}, {model.role}",
        html.paragraph(f"Model digest {model.digest[:12]}, data {model.data_digest[:12]}, commit {model.git_commit}"),
        html.section("Model card", card(model.card)),
    )


@compose.register
def _deployment(deployment: Deployment, figures: Figures) -> str:
    """The summary, then the answers of the smoke test."""
    return html.page(
        "Deployment",
        html.paragraph(deployment.summary),
        html.table(
            ["Bento", "size", "time (UTC)"],
            [(deployment.bento, f"{deployment.bento_bytes / 1e6:.1f} MB", f"{deployment.time:%Y-%m-%d %H:%M:%S}")],
        ),
        html.section(
            "Smoke test",
            html.table(
                ["text", "label", "confidence", "version", "off the Python API by", "ms"],
                [
                    (a.text, a.label, a.confidence, a.model_version, f"{a.difference:.5f}", f"{a.milliseconds:.1f}")
                    for a in deployment.answers
                ],
            ),
        ),
    )


@compose.register
def _export(report: ExportReport, figures: Figures) -> str:
    """The choice, the table of formats, and what was asked of them."""
    return html.page(
        "Export",
        html.badge(report.served, ok=True),
        html.paragraph(report.summary),
        html.table(
            ["format", "same label", "macro-F1 change", "largest difference", "one text", "in a batch", "size", ""],
            [_row(result, report.served) for result in report.formats],
        ),
        html.paragraph(
            f"Asked for: the same label on at least {report.config.min_agreement:.2%} of {report.rows:,} validation "
            f"texts, and a macro-F1 loss of at most {report.config.max_macro_f1_loss:.4f} at the lower end of the "
            "95% interval. The fastest of those for one text is served."
        ),
    )


def _row(result: FormatResult, served: str) -> tuple[str | None, ...]:
    parity, performance = result.parity, result.performance
    badge = html.badge("served", ok=True) if result.name == served else ""
    return (
        result.name,
        f"{parity.agreement:.2%}" if parity else None,
        parity.change if parity else None,
        f"{parity.largest_difference:.2g}" if parity else None,
        f"{performance.latency_p50_ms:.3g} ms",
        f"{performance.texts_per_second:,.0f} texts/s",
        f"{performance.size_bytes / 1e6:.3g} MB",
        html.badge("out", ok=False) if result.failures else badge,
    )
