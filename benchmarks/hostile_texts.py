"""Time per character of what reads a user's text, on texts made to take time, from 1,000 to 1,000,000 characters.

    python -m benchmarks.hostile_texts

The shapes are those of the tests: derived from the patterns of the normaliser and of the masking by a seed. Each figure
is the processor time of one call, divided by the length; `ratio` is the largest length against the smallest.
"""

import argparse
import json
import statistics
from collections.abc import Callable

from sentiment.text import pii
from sentiment.text.normalise import TextNormaliser
from tests.code.hostile_texts import seconds
from tests.code.test_hostile_texts import attacks

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
READERS: dict[str, Callable[[str], object]] = {
    "normaliser": lambda text: TextNormaliser().normalise([text]),
    "mask": pii.mask,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    texts = attacks(arguments.shapes, arguments.seed)
    for name, reader in READERS.items():
        reader("warm & <up>")
        nanoseconds = [
            [1e9 * seconds(reader, attack.text(length), tries=max(3, 20_000 // length)) / length for length in LENGTHS]
            for attack in texts
        ]
        ratios = [times[-1] / times[0] for times in nanoseconds]
        figures = {
            "reader": name,
            "shapes": len(texts),
            "ns_per_character": {
                length: {"median": round(statistics.median(times), 1), "worst": round(max(times), 1)}
                for length, times in zip(LENGTHS, zip(*nanoseconds, strict=True), strict=True)
            },
            "ratio": {"median": round(statistics.median(ratios), 2), "worst": round(max(ratios), 2)},
            "worst_shape": ascii(texts[ratios.index(max(ratios))])[:80],
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
