"""Runs in a pod: 8 clients ask a Service until every answer has been of another version for a while.

python ask.py URL SECONDS_OF_THE_NEW_VERSION LIMIT_SECONDS
"""

import json
import sys
import time

from load import Load

CLIENTS = 8
PAUSE = 0.05


def main(url: str, settled: float, limit: float) -> None:
    end = time.monotonic() + limit
    with Load(url, CLIENTS, PAUSE) as load:
        print("asking", flush=True)
        while len(load.versions) < 2 and time.monotonic() < end:
            time.sleep(1)
        time.sleep(settled)
    seen = {"requests": len(load.finished), "failures": load.failures[:20], "versions": sorted(load.versions)}
    print(json.dumps({**seen, "slowest": round(load.slowest, 3), "downtime": round(load.downtime, 3)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
