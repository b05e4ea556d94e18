"""Goal: what the store costs by itself when it is large: opening, listing, sweeping (store.c does it, each
measure in a process of its own); and a page of the list as a client gets it."""

import os
import shutil

from fuelbackup import Service, run
from table import median

BACKUPS, CHUNKS, LISTED = 1000, 1_000_000, 10_000
DELETED = 60  # percent: so that each pack is mostly dead, and all that lives is moved
ROUNDS = 9


class Storage:
    def __init__(self, folder):
        self.folder = folder + "/storage"
        self.program = os.environ["FB_BENCH_STORE"]

    def measure(self, what, *arguments):
        """What the program prints, as numbers by name."""
        lines = run(self.program, what, *map(str, arguments), timeout=3600).splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines)}

    def report(self, table):
        os.makedirs(self.folder)
        try:
            self.large(table)
            self.listing(table)
        finally:
            shutil.rmtree(self.folder)

    def large(self, table):
        store = self.folder + "/large"
        self.measure("make", store, BACKUPS, CHUNKS)
        opened = [self.measure("open", store)["seconds"] for _ in range(ROUNDS)]
        rebuilt = self.measure("rebuild", store)
        self.measure("delete", store, DELETED)
        swept = self.measure("sweep", store)
        table.title(f"a store of {BACKUPS} backups and {CHUNKS} chunks (of 200 bytes)")
        table.add("opening it after a clean stop / 100 ms", opened, 0.1, at_most=1)
        table.add(f"sweep after {DELETED} % of the backups were deleted / 30 s", swept["seconds"], 30, at_most=1)
        table.add("its peak RSS / 64 MiB", swept["peak"], 64 << 20, "B", at_most=1)
        table.add("chunks that it moved", swept["moved"], None, "")
        table.add("chunks that it removed", swept["removed"], None, "")
        table.add("rebuild of its catalogue", rebuilt["seconds"])

    def listing(self, table):
        store = self.folder + "/listed"
        self.measure("list", store, LISTED)
        pages = [self.measure("page", store) for _ in range(ROUNDS)]
        table.title(f"a store of {LISTED} backups")
        table.add("page of 100, from the catalogue / 20 ms", [one["first"] for one in pages], 0.02, at_most=1)
        table.add("the slowest of all its pages", [one["slowest"] for one in pages], 0.02)
        table.add("page of 100, by HTTP / 20 ms", self.by_http(store), 0.02, at_most=1)

    def by_http(self, store):
        service, times = Service(store), []
        service.remove()
        service.start()
        try:
            for _ in range(ROUNDS):
                command = ["curl", "-fsS", "-o", "/dev/null", "-w", "%{time_total}", "-H",
                           f"Authorization: Bearer {service.token}",
                           f"http://127.0.0.1:{service.port}/backups?limit=100"]
                times.append(float(run(*command)))
        finally:
            service.remove()
        return median(times)
