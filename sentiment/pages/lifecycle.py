"""The pages of a registration, a served version and a deployment."""

from sentiment.lifecycle.deployment import Deployment, ServedModel
from sentiment.lifecycle.registration import Registration
from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose


@compose.register
def _registration(registration: Registration, figures: Figures) -> str:
    """The outcome, then the model card as it was registered."""
    return html.page(
        "Registration",
        html.paragraph(registration.summary),
        html.section("Model card", html.preformatted(registration.card)),
    )


@compose.register
def _served(model: ServedModel, figures: Figures) -> str:
    """The version and its card."""
    return html.page(
        f"{model.model_name} version {model.version}, {model.role}",
        html.paragraph(f"Model digest {model.digest[:12]}, data {model.data_digest[:12]}, commit {model.git_commit}"),
        html.section("Model card", html.preformatted(model.card)),
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
