#!/usr/bin/env python3
"""measure.py: the sections of tests/bench/run; each adds rows to the table.

A round takes ours and every yardstick in turn, so that all of them meet the same neighbours, and begins
with a sync; what is shown are medians of the rounds.  In `first` the stores are emptied before each round
(long ones: at most 3 rounds); the later sections go on with the stores of its last round.  Only in
`freeze`, `growth` and `fleet` are there writers while a backup runs.
"""

import argparse
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../engine")

# pylint: disable=wrong-import-position
import stack
import peers
from fuelbackup import docker, run
from host import CHANGED, MIB, Crowd, Fleet, Host, Pages, Warm
from ours import Ours, frozen_pass
from peers import Borg, Crew, Restic, timed
from storage import Storage
from table import Table, median

LONG = 3  # rounds of what takes a minute each
CHURNED = 9  # backups after the first, with 1 % changed before each
CROWD = 1_000_000


class Bench:
    def __init__(self, options):
        self.options = options
        self.rounds = options.rounds
        self.table = Table()
        self.warm = Warm("fb-warm")
        self.ours = Ours(stack.WORK, self.warm)
        self.restic, self.borg = Restic(stack.WORK), Borg(stack.WORK)
        self.host = Host("fb-big", options.mib)
        self.tenth = Host("fb-tenth", options.mib // 10)
        self.fleet = Fleet("fb-fleet")
        self.crowds = []
        self.packed = stack.WORK + "/yardstick.tar.zst"
        self.begun = {}  # what has a first backup already
        self.yardstick = 0

    def remove(self):
        for group in (self.host, self.tenth, self.fleet, self.warm, *self.crowds):
            group.remove()
        self.ours.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def run(self):
        os.makedirs(stack.WORK)
        self.warm.make()
        sections = self.options.sections
        if set(sections) & NEED_HOST:
            seconds, _ = timed(self.host.make)
            size, entries = self.host.size()
            print(f"the host: {size >> 20} MiB in {entries} entries, made in {seconds:.0f} s", flush=True)
        for name, section in SECTIONS.items():
            if name in sections:
                begin = time.monotonic()
                section(self)
                print(f"  ({name}: {time.monotonic() - begin:.0f} s)", flush=True)

    # ---- what sections share ----

    def turn(self, action, *arguments):
        run("sync")
        return timed(action, *arguments)[0]

    def our_turn(self, plan):
        run("sync")
        return self.ours.backup(plan)

    def begin_ours(self):
        if "ours" not in self.begun:
            self.ours.begin()
            self.our_turn(self.host.plan)
            self.begun["ours"] = True

    def begin_all(self):
        """Each has a first backup of the host."""
        self.begin_ours()
        if "peers" not in self.begun:
            for peer in (self.restic, self.borg):
                peer.begin()
                peer.backup(self.host.trees())
            self.begun["peers"] = True

    # ---- the sections ----

    def first(self):
        rounds = min(self.rounds, LONG)
        trees = self.host.trees()
        times = {"ours": [], "record": [], "tar": [], "restic": [], "borg": []}
        for _ in range(rounds):
            peers.warm(trees)
            times["tar"].append(self.turn(peers.tar_zstd, trees, self.packed))
            self.ours.begin()
            self.ours.peak_reset()
            peers.warm(trees)
            seconds, record = self.our_turn(self.host.plan)
            times["ours"].append(seconds)
            times["record"].append(record["duration_ms"] / 1000)
            for name, peer in (("restic", self.restic), ("borg", self.borg)):
                peer.begin()
                peers.warm(trees)
                times[name].append(self.turn(peer.backup, trees))
        self.begun = {"ours": True, "peers": True}
        add = self.table.add
        self.table.title(f"first backup, page cache warm, no writers ({rounds} rounds)")
        add("first backup / tar | zstd -1 -T2", times["ours"], times["tar"], at_most=1.3)
        add("the same by our record", times["record"], times["tar"])
        add("first backup / restic", times["ours"], times["restic"], at_most=1 / 1.8)
        add("first backup / borg", times["ours"], times["borg"], at_most=1 / 2)
        add("store's size / restic", self.ours.size(), self.restic.size(), "B", at_most=1.03)
        add("store's size / borg", self.ours.size(), self.borg.size(), "B", at_most=1.03)
        add("store's size / tar | zstd", self.ours.size(), os.path.getsize(self.packed), "B")
        add("peak RSS, first backup", self.ours.peak_bytes(), None, "B")

    def encrypted(self):
        """First backups into an encrypted store beside those into a plain one, by turns."""
        hidden = Ours(stack.WORK, self.warm, encrypted=True)
        trees = self.host.trees()
        names = ("first backup", "backup, unchanged", "download", "verify")
        times = {(name, ours): [] for name in names for ours in (self.ours, hidden)}
        for i in range(self.rounds):
            for ours in (self.ours, hidden) if i % 2 == 0 else (hidden, self.ours):
                ours.begin()
                peers.warm(trees)
                run("sync")
                seconds, record = ours.backup(self.host.plan)
                times["first backup", ours].append(seconds)
                backup = record["id"]
                for name, action in (
                        ("backup, unchanged", lambda ours=ours: ours.backup(self.host.plan)),
                        ("download", lambda ours=ours, backup=backup: ours.download(backup)),
                        ("verify", lambda ours=ours, backup=backup: ours.operate(f"/backups/{backup}/verify"))):
                    times[name, ours].append(self.turn(action))
        hidden.remove()
        self.ours.remove()
        self.begun.pop("ours", None)
        self.table.title(f"an encrypted store beside a plain one, page cache warm ({self.rounds} rounds)")
        for name in names:
            limit = 1.15 if name == "first backup" else None
            self.table.add(f"{name}, encrypted / plain", times[name, hidden], times[name, self.ours], at_most=limit)

    def churn(self):
        self.begin_all()
        trees = self.host.trees()
        times = {"ours": [], "restic": [], "borg": [], "walk": []}
        rounds = min(CHURNED, self.options.churned)
        for _ in range(rounds):
            self.host.change()
            times["walk"].append(peers.walk(trees)[0])
            times["restic"].append(self.turn(self.restic.backup, trees))
            times["ours"].append(self.our_turn(self.host.plan)[0])
            times["borg"].append(self.turn(self.borg.backup, trees))
        add = self.table.add
        self.table.title(f"1 % changed before each backup, no writers ({rounds} backups)")
        add("backup after 1 % / restic", times["ours"], times["restic"], at_most=1 / 5)
        add("backup after 1 % / borg", times["ours"], times["borg"])
        add("backup after 1 % / plain walk", times["ours"], times["walk"])
        add(f"size after {rounds + 1} backups / restic", self.ours.size(), self.restic.size(), "B", at_most=1)
        add(f"size after {rounds + 1} backups / borg", self.ours.size(), self.borg.size(), "B", at_most=1)

    def unchanged(self):
        self.begin_all()
        trees = self.host.trees()
        self.turn(self.restic.backup, trees)
        self.our_turn(self.host.plan)
        self.turn(self.borg.backup, trees)
        times = {"ours": [], "record": [], "restic": [], "borg": [], "walk": []}
        for _ in range(self.rounds):
            times["walk"].append(peers.walk(trees)[0])
            seconds, record = self.our_turn(self.host.plan)
            times["ours"].append(seconds)
            times["record"].append(record["duration_ms"] / 1000)
            times["restic"].append(self.turn(self.restic.backup, trees))
            times["borg"].append(self.turn(self.borg.backup, trees))
        add = self.table.add
        self.table.title(f"nothing changed, no writers ({self.rounds} rounds)")
        add("unchanged / plain walk", times["ours"], times["walk"], at_most=1.5, plus=0.15)
        add("the same by our record", times["record"], times["walk"])
        add("unchanged / restic", times["ours"], times["restic"], at_most=1 / 8)
        add("unchanged / borg", times["ours"], times["borg"])

    def windows(self, group, rounds, change=None):
        """Our windows, the seconds and bytes of their passes, and windows of pause and unpause alone."""
        ours, passes, read, bare = [], [], [], []
        with Crew(group.ids()) as crew:
            for _ in range(rounds):
                if change:
                    change()
                record = self.our_turn(group.plan)[1]
                ours.append(record["freeze_ms"] / 1000)
                passes.append(frozen_pass(record)[0])
                read.append(frozen_pass(record)[1])
                bare.append(crew.window("pause", lambda: None, "unpause"))
        return ours, passes, read, bare

    def freeze(self):
        self.begin_ours()
        trees = self.host.trees()
        self.host.switch(True)
        self.our_turn(self.host.plan)
        ours, passes, read, bare = self.windows(self.host, self.rounds, self.host.change)
        paused, stopped, walked = [], [], []
        for _ in range(min(self.rounds, LONG)):
            walked.append(peers.walk(trees)[0])
            run("sync")
            with Crew(self.host.ids()) as crew:
                paused.append(crew.window("pause", lambda: peers.tar_zstd(trees, self.packed), "unpause"))
        for _ in range(min(self.rounds, LONG)):
            self.host.switch(False)
            self.host.switch(True)
            run("sync")
            with Crew(self.host.ids()) as crew:
                stopped.append(crew.window("stop", lambda: peers.tar_zstd(trees, self.packed), "start"))
        self.host.wait()
        self.host.switch(False)
        add = self.table.add
        self.table.title(f"freeze window of the host: 1 % changed, and writers at work ({self.rounds} rounds)")
        add("window / pause, tar | zstd -1, unpause", ours, paused, at_most=1 / 30)
        add("window / stop, tar | zstd -1, start", ours, stopped, at_most=1 / 60)
        add("window / pause, unpause in parallel", ours, bare, at_most=2.5, plus=0.06)
        add("its frozen pass / plain walk", passes, walked)
        add("bytes read in it / changed before the backup", read, self.host.mebibytes * MIB * CHANGED, "B")

    def growth(self):
        self.begin_ours()
        self.tenth.make()
        change = int(self.tenth.mebibytes * MIB * CHANGED)
        windows, passes, walks = [], [], []
        for host in (self.tenth, self.host):
            host.switch(True)
            self.our_turn(host.plan)
            ours, frozen, _, _ = self.windows(host, self.rounds, lambda host=host: host.change(change))
            windows.append(median(ours))
            passes.append(median(frozen))
            walks.append(median([peers.walk(host.trees())[0] for _ in range(self.rounds)]))
            host.switch(False)
        self.tenth.remove()
        add = self.table.add
        self.table.title(f"freeze window of {self.host.mebibytes} MiB beside {self.tenth.mebibytes} MiB, "
                         f"the same bytes changed ({self.rounds} rounds)")
        add("window, of all / of a tenth", windows[1], windows[0])
        add("frozen pass, of all / of a tenth", passes[1], passes[0])
        add("plain walk, of all / of a tenth", walks[1], walks[0])
        add("growth: factor of the window / of the walk", windows[1] / windows[0], walks[1] / walks[0], "×",
            at_most=1)
        add("growth: ms of the window / of the walk", windows[1] - windows[0], walks[1] - walks[0])

    def fleet_freeze(self):
        self.begin_service()
        self.fleet.make()
        self.our_turn(self.fleet.plan)
        ours, passes, read, bare = self.windows(self.fleet, self.rounds)
        trees = self.fleet.trees()
        paused = []
        for _ in range(self.rounds):
            with Crew(self.fleet.ids()) as crew:
                paused.append(crew.window("pause", lambda: peers.tar_zstd(trees, self.packed), "unpause"))
        self.fleet.remove()
        self.table.title(f"freeze window of a fleet: 11 containers, small, busy ({self.rounds} rounds)")
        self.table.add("window / pause, unpause in parallel", ours, bare, at_most=2.5, plus=0.06)
        self.table.add("window / pause, tar | zstd -1, unpause", ours, paused)
        self.table.add("its frozen pass", passes)
        self.table.add("bytes read in it", read, None, "B")

    def begin_service(self):
        if "ours" not in self.begun:
            self.ours.begin()

    def service(self):
        self.begin_ours()
        trees = self.host.trees()
        tar = [self.turn(peers.tar_zstd, trees, self.packed) for _ in range(min(self.rounds, LONG))]
        rounds = min(self.rounds, LONG)
        times, peaks = {}, {}

        def measure(name, action):
            self.ours.peak_reset(restart=True)
            times[name] = [self.turn(action) for _ in range(rounds)]
            peaks[name] = self.ours.peak_bytes()

        record = self.our_turn(self.host.plan)[1]
        since_start = self.ours.peak_bytes()
        measure("backup, unchanged", lambda: self.ours.backup(self.host.plan))
        measure("download", lambda: self.ours.download(record["id"]))
        self.ours.archive(record["id"], self.packed)
        run("zstd", "-qdf", self.packed, "-o", self.packed + ".tar")
        check = [self.turn(peers.zstd_sha256, self.packed, self.packed + ".tar") for _ in range(rounds)]
        measure("verify", lambda: self.ours.operate(f"/backups/{record['id']}/verify"))
        measure("restore", lambda: self.ours.operate(f"/backups/{record['id']}/restore"))
        self.table.title(f"the rest, beside tar | zstd -1 -T2 ({rounds} rounds)")
        for name in ("download", "verify", "restore"):
            self.table.add(name, times[name], tar)
        self.table.add("verify / zstd -t and sha256sum side by side", times["verify"], check, at_most=1.67)
        self.table.add("peak RSS after all backups so far", since_start, None, "B")
        for name, peak in peaks.items():
            self.table.add("peak RSS, " + name, peak, None, "B")

    def store(self):
        self.ours.remove()
        self.begun.pop("ours", None)
        Storage(stack.WORK).report(self.table)

    def restore(self):
        """Of data alone: containers are killed before, for how long one takes to stop is its own affair."""
        self.begin_ours()
        trees = self.host.trees()
        self.turn(peers.tar_zstd, trees, self.packed)
        self.restic.begin()
        self.restic.backup(trees)
        record = self.our_turn(self.host.plan)[1]
        path, beside = f"/backups/{record['id']}/restore", stack.WORK + "/beside"
        times = {"full": [], "tar": [], "restic": [], "changed": [], "equal": []}

        def ours(name, wreck):
            wreck()
            docker("kill", *self.host.names(), check=False)  # PostgreSQL may have ended without its files
            peers.warm(trees)  # a restore before it leaves large files out of the page cache
            times[name].append(self.turn(self.ours.operate, path))
            self.host.wait()

        def elsewhere(name, action):
            os.makedirs(f"{beside}/{name}{len(times[name])}")
            times[name].append(self.turn(action, f"{beside}/{name}{len(times[name])}"))

        def lose():
            """Nothing is deleted until all is measured: ext4 is slow to make files for minutes afterwards."""
            for tree in trees:
                trash = f"{tree}-{len(times['full'])}"  # beside _data of the volume, on its file system
                os.mkdir(trash)
                for name in os.listdir(tree):
                    os.rename(f"{tree}/{name}", f"{trash}/{name}")

        for _ in range(min(self.rounds, LONG)):
            elsewhere("tar", lambda folder: peers.untar(self.packed, folder))
            elsewhere("restic", self.restic.restore)
            ours("full", lose)
            ours("changed", self.host.change)
            ours("equal", lambda: None)
        add = self.table.add
        self.table.title(f"restore of the host ({min(self.rounds, LONG)} rounds)")
        add("full restore / zstd -dc | tar -x", times["full"], times["tar"], at_most=1 / 0.8)
        add("full restore / restic restore", times["full"], times["restic"], at_most=1 / 2)
        add("1 % differs / full", times["changed"], times["full"], at_most=1 / 5)
        add("nothing differs but the state / full", times["equal"], times["full"])

    def large(self):
        """One large file in which pages are written all the time; each backup is a first one."""
        windows, ratios = [], []
        for gibibytes in self.options.large:
            group = Pages(f"fb-pages{gibibytes}")
            self.crowds.append(group)
            path = group.make(gibibytes, self.options.pages)
            self.ours.begin()
            self.ours.peak_reset(restart=True)
            _, record = self.our_turn(group.plan)
            peak = self.ours.peak_bytes()
            passes = [f"{one['kind']} {one['duration_ms']} ms, {one['copied_bytes'] / MIB:.0f} MiB kept"
                      for one in record["passes"]]
            print(f"  {gibibytes} GiB: {record['freeze_ms']} ms; " + "; ".join(passes), flush=True)
            reads = [timed(run, "dd", f"if={path}", "of=/dev/null", "bs=1M")[0] for _ in range(3)]
            windows.append(record["freeze_ms"] / 1000)
            self.ours.operate(f"/backups/{record['id']}/verify")
            again = self.our_turn(group.plan)[1]
            ratios.append((gibibytes, windows[-1], again["freeze_ms"] / 1000, median(reads), peak))
            group.remove()
        self.table.title(f"freeze window of one large file, {self.options.pages} pages of 16 KiB written a second")
        for gibibytes, first, later, read, peak in ratios:
            self.table.add(f"{gibibytes} GiB: window of a first backup / dd", first, read)
            self.table.add(f"{gibibytes} GiB: window of the next one / dd", later, read)
            self.table.add(f"{gibibytes} GiB: peak RSS", peak, None, "B")
        self.table.add(f"growth: window of {ratios[-1][0]} GiB / of {ratios[0][0]} GiB", windows[-1], windows[0])

    def million(self):
        self.begin_service()
        results = []
        for files in (self.options.crowd // 10, self.options.crowd):
            crowd = Crowd(f"fb-crowd{files}")
            self.crowds.append(crowd)
            crowd.make(files)
            run("sync")
            self.ours.peak_reset(restart=True)
            seconds, _ = self.our_turn(crowd.plan)
            again, record = self.our_turn(crowd.plan)
            walked = median([peers.walk(crowd.trees())[0] for _ in range(3)])
            results.append((files / seconds, files / again, frozen_pass(record)[0], walked, self.ours.peak_bytes()))
            crowd.remove()
        few, many = results
        add = self.table.add
        self.table.title(f"{self.options.crowd} small files, beside a tenth of them (one round)")
        add("files a second, first backup", many[0], few[0], "/s", least=0.9)
        add("files a second, unchanged", many[1], few[1], "/s", least=0.9)
        add("peak RSS of both backups", many[4], few[4], "B")
        add("frozen pass, of all / of a tenth", many[2], few[2])
        add("frozen pass of all / plain walk", many[2], many[3])


SECTIONS = {"first": Bench.first, "churn": Bench.churn, "unchanged": Bench.unchanged, "freeze": Bench.freeze,
            "growth": Bench.growth, "service": Bench.service, "encrypted": Bench.encrypted, "fleet": Bench.fleet_freeze,
            "restore": Bench.restore, "store": Bench.store, "large": Bench.large, "million": Bench.million}
NEED_HOST = set(SECTIONS) - {"fleet", "store", "large", "million"}


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="What a backup costs, beside others.")
    parser.add_argument("sections", nargs="*", metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}; all but large and million if none is named")
    parser.add_argument("--mib", type=int, default=2048, help="size of the host's data (default 2048)")
    parser.add_argument("--rounds", type=int, default=5, help=f"of each measure (default 5; long ones {LONG})")
    parser.add_argument("--churned", type=int, default=CHURNED, help=f"backups of `churn` (default {CHURNED})")
    parser.add_argument("--crowd", type=int, default=CROWD, help=f"files of `million` (default {CROWD})")
    parser.add_argument("--large", type=lambda text: [int(part) for part in text.split(",")], default=[1, 6, 16],
                        metavar="GIB,…", help="sizes of the file of `large` (default 1,6,16)")
    parser.add_argument("--pages", type=int, default=1000, help="written a second in `large` (default 1000)")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown or options.mib < 64 or options.rounds < 1 or options.churned < 1 or options.crowd < 10:
        parser.error(f"no section {sorted(unknown)}" if unknown else "--mib is at least 64, --crowd 10, the others 1")
    options.sections = options.sections or [name for name in SECTIONS if name not in ("million", "large")]
    shutil.rmtree(stack.WORK, ignore_errors=True)
    bench = Bench(options)
    try:
        bench.run()
    finally:
        bench.table.print()
        bench.remove()


main()
