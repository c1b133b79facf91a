"""python run.py --pipeline score --schedule "0 * * * *" --stack kubernetes"""

from rich.markup import escape

from cli.console import Options, out, print_header, run_log
from sentiment.config.load import load_config

SCHEDULABLE = ("score", "monitor")


def run(pipeline: str, cron: str, options: Options) -> None:
    """Have the stack's orchestrator run the pipeline (one of SCHEDULABLE) at the times of `cron`."""
    with run_log("schedule") as log:
        from pipelines.monitor import schedule_monitor
        from pipelines.score import schedule_score
        from sentiment.config.monitor import MonitorConfig
        from sentiment.config.score import ScoreConfig

        print_header(f"schedule of {pipeline}", {"stack": options.stack, "times": f"{cron} (UTC)", "log": str(log)})
        if pipeline == "score":
            made = schedule_score(load_config(options.config, ScoreConfig, options.overrides), options.stack, cron)
        else:
            made = schedule_monitor(load_config(options.config, MonitorConfig, options.overrides), options.stack, cron)
    out.print(f"[bold green]Scheduled as {escape(made.name)}[/]")
    for name in made.replaced:
        out.print(f"  in place of {escape(name)}")
    if pipeline == "monitor":
        out.print("  It alerts and decides; to retrain by itself: run.py watch, or deploy/kubernetes with --act")
    out.print(f"\n[bold]Next[/]\n  zenml pipeline schedule list\n  zenml pipeline schedule delete {escape(made.name)}")
