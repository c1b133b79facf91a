"""Requests under load while one version takes over from another: handed over, and stopped before the next starts.

python benchmarks/switch.py [--clients 8] [--seconds 4]

The second way is the order of ZenML's BentoML deployer. Both run the same server and model (the bundled sample's).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import Load


def handed_over(first: "Server", second: "Server") -> None:
    second.start()
    with first.process.lend() as public:
        second.process.adopt(public)
    first.process.drain()
    first.process.wait_gone(30)


def stopped_before(first: "Server", second: "Server") -> None:
    first.process.stop(10)
    second.start()
    second.publish(first.port)


class Server:
    """One version's process and its state."""

    def __init__(self, folder: Path, bento: Path, port: int) -> None:
        from stacks.bentoml_local.process import ServerProcess

        self.process = ServerProcess(folder)
        self.bento = bento
        self.port = port

    def start(self) -> None:
        """Start it on a private port and wait until it is ready."""
        database = f"sqlite:///{self.process.folder.parent / 'predictions.db'}"
        url = self.process.launch(self.bento, {"SENTIMENT_DATABASE_URL": database}, 30)
        self.process.wait_ready(url, 60)

    def publish(self, port: int) -> None:
        """Bind the public port and let it accept there."""
        from stacks.bentoml_local.process import bind

        with bind("127.0.0.1", port) as public:
            self.process.adopt(public)


def measure(switch: Callable[[Server, Server], None], bentos: list[Path], clients: int, seconds: float) -> Load:
    from stacks.bentoml_local.process import bind

    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        first, second = (Server(Path(temporary) / str(n), bento, port) for n, bento in enumerate(bentos))
        try:
            first.start()
            first.publish(port)
            with Load(f"http://127.0.0.1:{port}", clients) as load:
                time.sleep(seconds / 2)
                switch(first, second)
                time.sleep(seconds / 2)
        finally:
            first.process.stop(10)
            second.process.stop(10)
    assert load.versions == {"1", "2"}
    return load


def sample_model(folder: Path) -> Path:
    from sentiment.config.load import load_config
    from sentiment.config.train import TrainConfig
    from sentiment.data.clean import clean
    from sentiment.data.read import read
    from sentiment.data.split import split
    from sentiment.kinds.linear import LinearConfig
    from sentiment.text.normalise import TextNormaliser
    from sentiment.training.linear import train_linear

    config = load_config(Path("configs/train.yaml"), TrainConfig)
    normaliser = TextNormaliser()
    splits = split(clean(read(config.dataset)[0], normaliser)[0], config.split)
    linear = LinearConfig(name="linear")
    train_linear(linear, splits.train, splits.validation, normaliser=normaliser, seed=config.seed).save(folder)
    return folder


def sample_bento(model: Path, into: Path, version: str) -> Path:
    from serving.bento import BentoModel, build_bento

    champion = BentoModel(model, "linear", {"version": version})
    return build_bento(into, champion, bento_version=f"v{version}", labels={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        model = sample_model(Path(temporary) / "model")
        bentos = [sample_bento(model, Path(temporary) / version, version) for version in ("1", "2")]
        print(f"{'switch':<16}{'requests':>10}{'failures':>10}{'slowest':>10}{'downtime':>10}")
        for name, switch in (("handed over", handed_over), ("stopped before", stopped_before)):
            load = measure(switch, bentos, arguments.clients, arguments.seconds)
            answered, failed = len(load.finished), len(load.failures)
            print(f"{name:<16}{answered:>10,}{failed:>10,}{load.slowest:>8.2f} s{load.downtime:>8.2f} s")


if __name__ == "__main__":
    main()
