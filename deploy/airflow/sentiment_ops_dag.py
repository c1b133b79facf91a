"""Airflow 3: score new reviews, then look after the champion, every hour.

Put this file (or a link to it) into Airflow's dags folder. The pipelines run on the worker, in the project's own
virtual environment: Airflow needs nothing of the project, and the project nothing of Airflow. Airflow Variables, all
optional:

    sentiment_ops_project   the project's folder        /opt/sentiment-ops
    sentiment_ops_python    its Python                  .venv/bin/python
    sentiment_ops_stack     a stack of configs/stacks   laptop
    sentiment_ops_score     arguments of score          --config configs/score.yaml
    sentiment_ops_monitor   arguments of monitor        --act

Passwords are not among them: SENTIMENT_DATABASE_URL and SENTIMENT_WEBHOOK_URL come from the worker's environment.
"""

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

GATE_REFUSED = 3  # run.py's exit code: the champion stays, which is an answer, and trying again changes nothing
DEFAULTS = {
    "project": "/opt/sentiment-ops",
    "python": ".venv/bin/python",
    "stack": "laptop",
    "score": "--config configs/score.yaml",
    "monitor": "--act",
}
# Read when a task runs: a Variable read while the file is parsed would ask Airflow's database every few seconds.
VARIABLES = {
    name: f"{{{{ var.value.get('sentiment_ops_{name}', '{default}') }}}}" for name, default in DEFAULTS.items()
}


def pipeline(name: str, trigger_rule: str = "all_success") -> BashOperator:
    """The task that runs the pipeline `name` to its end."""
    return BashOperator(
        task_id=name,
        bash_command=f'cd "$PROJECT" && exec "$PYTHON" run.py --stack "$STACK" --pipeline {name} $ARGUMENTS',
        env={
            "PROJECT": VARIABLES["project"],
            "PYTHON": VARIABLES["python"],
            "STACK": VARIABLES["stack"],
            "ARGUMENTS": VARIABLES[name],
        },
        append_env=True,
        skip_on_exit_code=GATE_REFUSED,
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=6),
        trigger_rule=trigger_rule,
    )


with DAG(
    dag_id="sentiment_ops",
    description="Score new reviews, monitor the champion, retrain it when need be.",
    schedule="41 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 - Airflow runs on older Pythons, too
    catchup=False,
    max_active_runs=1,
    tags=["sentiment-ops"],
) as dag:
    # Monitoring looks at the endpoint's traffic, too: reviews that cannot be scored are no reason not to.
    pipeline("score") >> pipeline("monitor", trigger_rule="all_done")
