"""stores.py make|measure KIND, tell KIND KIND: what tests/bench/stores does on each engine, and what it prints.

Ten containers run, each with 2,000 small files and one of 32 MiB in its layer; the store has their image already.
"""

import json
import os
import shutil
import statistics
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)) + "/" + part for part in ("../engine", "../lib")]

# pylint: disable=wrong-import-position
from fuelbackup import Service, docker, run

WORK = os.path.join(os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup"), "stores")
PLAN = {"containers": {"names": ["fb-store-*"]}, "host_paths": []}
WARM = {"containers": {"names": ["fb-warm"]}, "host_paths": []}
FILL = """mkdir /srv/many; i=0; while [ $i -lt 2000 ]; do echo "file $i $1" >/srv/many/$i; i=$((i + 1)); done
dd if=/dev/urandom of=/srv/large bs=1M count=32 2>/dev/null"""


def make(_):
    docker("run", "-d", "--name", "fb-warm", "fb-test/small")
    for i in range(10):
        docker("run", "-d", "--name", f"fb-store-{i}", "fb-test/small")
        docker("exec", f"fb-store-{i}", "sh", "-c", FILL, "sh", str(i))


def measure(kind):
    ours = Service(f"{WORK}/{kind}/store")
    ours.remove()
    shutil.rmtree(ours.store, ignore_errors=True)
    ours.start()
    try:
        ours.backup(WARM)
        run("sync")
        first = ours.backup(PLAN)
        again = ours.backup(PLAN)
    finally:
        ours.remove()
    with open(f"{WORK}/{kind}/rounds", "a", encoding="ascii") as out:
        out.write(json.dumps([first["duration_ms"], first["freeze_ms"], again["duration_ms"], again["freeze_ms"]]) + "\n")


def medians(kind):
    with open(f"{WORK}/{kind}/rounds", encoding="ascii") as source:
        return [statistics.median(values) for values in zip(*(json.loads(line) for line in source))]


def tell(graph, containerd):
    rows = zip(("first backup", "its window", "second backup", "its window"), medians(graph), medians(containerd))
    print(f"| | {graph} | {containerd} | ratio |\n|---|---|---|---|")
    for name, one, other in rows:
        print(f"| {name} | {one:.0f} ms | {other:.0f} ms | {other / max(one, 1):.2f} |")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
