"""Roll out a Bento that cannot start, through the stack's model deployer: python -m tests.cluster.broken_version STACK

Prints the error as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.switch import sample_model
from sentiment.errors import StackError
from serving.bento import BentoModel, build_bento
from stacks.catalogue import load_stack
from stacks.ensure import use_stack
from stacks.model_deployer import active_deployer, no_check


def main(stack: str) -> None:
    with tempfile.TemporaryDirectory() as temporary, use_stack(load_stack(stack)):
        folder = Path(temporary)
        sample_model(folder / "model")
        served = {"model_name": "sentiment", "version": "13", "data_digest": "0", "git_commit": "1", "metrics": {}}
        model = BentoModel(folder / "model", "linear", {**served, "card": "# Broken"})
        bento = build_bento(folder / "bento", model, bento_version="v13-broken", labels={"model_version": "13"})
        (bento / "src/model/manifest.json").unlink()
        try:
            active_deployer().roll_out(
                bento, no_check, model_name="sentiment", model_version="13", environment={"SENTIMENT_TRAFFIC": "off"}
            )
        except StackError as error:
            print(json.dumps({"cause": error.cause, "fix": error.fix}))


if __name__ == "__main__":
    main(sys.argv[1])
