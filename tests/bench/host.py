"""Goal: a host that is worth backing up: containers whose volumes hold what real ones hold, that write
while a backup runs if they are told to, and whose data change by a known share between two backups.

A host of M MiB: a PostgreSQL (20 %, by pgbench) and its log (6 %), 22 M small files (22 %, most of them
text), packages (17 %, do not compress), logs (30 %), a sparse file (M/4 long, 5 % of M are data).  zstd -1
makes about 0.4 of it.
"""

import os
import random
import time

import stack
from fuelbackup import docker, run, wait_until

MIB = 1 << 20
CHANGED = 0.01  # of a host's bytes, between two backups
PARTS = ("db", "files", "packages", "logs", "sparse")
DATABASE = ["-h", "/tmp", "-U", "postgres"]

# What a container does while /data/.write is there (busybox sh); otherwise it looks for that file.
WRITERS = {
    "files": "for i in 1 2 3 4 5 6 7 8; do head -c 6000 /dev/urandom >/data/live$((RANDOM % 400)); done; sleep 0.2",
    "packages": "head -c 1000000 /dev/urandom >/data/live.new; mv /data/live.new /data/live.pkg; sleep 2",
    "logs": "tail -c 262144 /data/0.log >/tmp/more; cat /tmp/more >>/data/0.log; sleep 0.25",
    "sparse": "dd if=/dev/urandom of=/data/image bs=16k count=1 seek=$((RANDOM % 1000)) conv=notrunc 2>/dev/null; sleep 0.5",
    "fleet": "dd if=/dev/urandom of=/data/busy$((RANDOM % 8)) bs=64k count=1 2>/dev/null; sleep 0.05",
}
LOOP = "while :; do if [ -e /data/.write ]; then {}; else sleep 0.5; fi; done"


class Words:
    """Text and noise by the slice; the same for the same seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        words = [self.chance.randbytes(self.chance.randrange(1, 7)).hex().encode() for _ in range(20000)]
        weights = [1 / (i + 10) for i in range(len(words))]
        self.lines = b""
        for _ in range(4):
            some = self.chance.choices(words, weights, k=1 << 18)
            self.lines += b"\n".join(b" ".join(some[i:i + 12]) for i in range(0, len(some), 12))

    def text(self, size):
        parts = []
        while size > 0:
            start = self.chance.randrange(len(self.lines) - 8192)
            parts.append(b"%08x " % self.chance.getrandbits(32) + self.lines[start:start + min(size, 8192)])
            size -= len(parts[-1])
        return b"".join(parts)

    def noise(self, size):
        return self.chance.randbytes(size)

    def mixed(self, size):
        kind = self.chance.random()
        if kind < 0.75:
            return self.text(size)
        return self.noise(size) if kind < 0.8 else self.text(size // 2) + self.noise(size // 2)

    def small_size(self):
        return min(int(self.chance.lognormvariate(8, 1.6)), MIB)


def write(path, content, mode="wb"):
    with open(path, mode) as out:
        out.write(content)


class Group:
    """Containers and volumes whose names begin with one name, and the plan that takes just them."""

    def __init__(self, name):
        self.name = name
        self.plan = {"containers": {"names": [name + "-*"]}}

    def names(self):
        return docker("ps", "-a", "--filter", f"name=^/{self.name}-", "--format", "{{.Names}}").split()

    def ids(self):
        return docker("ps", "-q", "--no-trunc", "--filter", f"name=^/{self.name}-").split()

    def volumes(self):
        return docker("volume", "ls", "-q", "--filter", f"name=^{self.name}-").split()

    def trees(self):
        """The folders of the volumes, for those who know no containers."""
        return [stack.volume_path(volume) for volume in sorted(self.volumes())]

    def run(self, part, image, *command, options=()):
        docker("run", "-d", "--name", f"{self.name}-{part}", "--network", "none",
               "-v", f"{self.name}-{part}:/data", *options, image, *command)

    def loop(self, part, what):
        self.run(part, "fb-test/small", "sh", "-c", LOOP.format(WRITERS[what]))

    def switch(self, on):
        for tree in self.trees():
            if on:
                write(tree + "/.write", b"")
            elif os.path.exists(tree + "/.write"):
                os.unlink(tree + "/.write")
        time.sleep(2.5)  # the longest turn of a loop

    def remove(self):
        names, volumes = self.names(), self.volumes()
        if names:
            docker("rm", "-f", "-v", *names)
        if volumes:
            docker("volume", "rm", "-f", *volumes)


class Warm(Group):
    """One container of each image: a backup of them puts the images into a store."""

    def make(self):
        self.run("small", "fb-test/small")
        self.run("stack", "fb-test/stack", "sleep", "infinity")
        return self


class Fleet(Group):
    """Many small containers, all busy."""

    def make(self, count=11):
        words = Words(3)
        for i in range(count):
            self.loop(str(i), "fleet")
            tree = stack.volume_path(f"{self.name}-{i}")
            for k in range(40):
                write(f"{tree}/{k}", words.mixed(words.small_size()))
        self.switch(True)
        return self


class Pages(Group):
    """One container with one large file, in which pages are written at random all the time."""

    def make(self, gibibytes, rate):
        docker("volume", "create", self.name + "-data")
        path = stack.volume_path(self.name + "-data") + "/file"
        run("sh", "-c", f"head -c {gibibytes}G /dev/urandom >{path}; sync {path}")
        self.run("data", "fb-test/small")
        docker("cp", os.environ["FB_BENCH_PAGES"], self.name + "-data:/pages")
        docker("exec", "-d", self.name + "-data", "/pages", "/data/file", str(rate))
        return path


class Crowd(Group):
    """One container with very many very small files."""

    def make(self, files):
        words = Words(5)
        docker("volume", "create", self.name + "-files")
        tree = stack.volume_path(self.name + "-files")
        block = words.text(4 * MIB)
        for number in range(files):
            if number % 1000 == 0:
                folder = f"{tree}/{number // 1000}"
                os.mkdir(folder)
            start = words.chance.randrange(len(block) - 2000)
            write(f"{folder}/{number}", b"%d" % number + block[start:start + words.chance.randrange(1200)])
        self.run("files", "fb-test/small")
        return self


class Host(Group):
    def __init__(self, name, mebibytes):
        super().__init__(name)
        self.mebibytes = mebibytes
        self.words = Words(1)
        self.files = 22 * mebibytes
        self.packages = 0
        self.folders = {}

    def tree(self, part):
        if part not in self.folders:
            self.folders[part] = stack.volume_path(f"{self.name}-{part}")
        return self.folders[part]

    # ---- making it ----

    def make(self):
        for part in PARTS[1:]:
            docker("volume", "create", f"{self.name}-{part}")
        for number in range(self.files):
            os.makedirs(os.path.dirname(self.small_file(number)), exist_ok=True)
            write(self.small_file(number), self.words.mixed(self.words.small_size()))
        self.add_packages(self.mebibytes * MIB * 17 // 100)
        logs = self.mebibytes * MIB * 30 // 100
        count = max(2, logs // (20 * MIB))
        for number in range(count):
            write(f"{self.tree('logs')}/{number}.log", self.words.text(logs // count))
        self.make_sparse()
        for part in PARTS[1:]:
            self.loop(part, part)
        self.make_database()
        run("sync")
        return self

    def small_file(self, number):
        return f"{self.tree('files')}/{number // 1500}/{number % 1500 // 40}/file-{number}"

    def add_packages(self, size):
        while size > 0:
            content = self.words.noise(self.words.chance.randrange(MIB // 4, 8 * MIB))[:max(size, 4096)]
            write(f"{self.tree('packages')}/{self.packages}.pkg", content)
            size -= len(content)
            self.packages += 1

    def make_sparse(self):
        with open(self.tree("sparse") + "/image", "wb") as out:
            out.truncate(self.mebibytes * MIB // 4)
            written = 0
            while written < self.mebibytes * MIB // 20:
                out.seek(self.words.chance.randrange(self.mebibytes * MIB // 4 // 4096 - 128) * 4096)
                written += out.write(self.words.mixed(self.words.chance.randrange(1, 128) * 4096))

    def make_database(self):
        log = max(32, self.mebibytes // 16)
        self.run("db", "fb-test/stack", "sh", "-c", f"""chown postgres /data
            {stack.AS_POSTGRES} initdb -D /data/main -A trust --no-sync --locale=C -E UTF8 >&2
            exec {stack.AS_POSTGRES} postgres -D /data/main -c listen_addresses= -c unix_socket_directories=/tmp \
            -c min_wal_size=32MB -c max_wal_size={log}MB -c autovacuum=off""",
            options=("--shm-size", "64m", "--stop-signal", "INT"))
        wait_until("PostgreSQL answers", lambda: self.sql("select 1", check=False) == "1", 60, 0.2)
        self.pgbench("-i", "-q", "-s", str(max(1, self.mebibytes // 5 // 16)))
        self.sql("checkpoint")

    def sql(self, statement, check=True):
        return docker("exec", f"{self.name}-db", "psql", *DATABASE, "-Atqc", statement, "postgres",
                      check=check).strip()

    def pgbench(self, *options, detach=()):
        docker("exec", *detach, f"{self.name}-db", "pgbench", *DATABASE, *options, "postgres")

    def wait(self):
        wait_until("PostgreSQL answers again", lambda: self.sql("select 1", check=False) == "1", 60, 0.2)

    # ---- while backups run ----

    def switch(self, on):
        if on:
            self.pgbench("-n", "-c", "2", "-R", "50", "-T", "86400", detach=["-d"])
        else:
            docker("exec", f"{self.name}-db", "pkill", "-x", "pgbench", check=False)
        super().switch(on)
        if not on:
            self.sql("checkpoint")
            run("sync")

    # ---- between backups ----

    def change(self, size=None):
        """Rewrite, replace and append 1 % of the bytes, or size bytes."""
        size = size or int(self.mebibytes * MIB * CHANGED)
        chance = self.words.chance
        with open(f"{self.tree('logs')}/1.log", "ab") as log:
            log.write(self.words.text(size * 30 // 100))
        for _ in range(size * 25 // 100 // (4 * MIB) + 1):
            packages = [name for name in os.listdir(self.tree("packages")) if name[0] != "l" and name[0] != "."]
            os.unlink(f"{self.tree('packages')}/{chance.choice(sorted(packages))}")
        self.add_packages(size * 25 // 100)
        left = size * 20 // 100
        while left > 0:
            content = self.words.mixed(self.words.small_size())
            write(self.small_file(chance.randrange(self.files)), content)
            left -= len(content)
        with open(self.tree("sparse") + "/image", "r+b") as image:
            for _ in range(size * 10 // 100 // 16384 + 1):
                image.seek(chance.randrange(self.mebibytes * MIB // 4 // 16384) * 16384)
                image.write(self.words.noise(16384))
        self.pgbench("-n", "-c", "2", "-t", str(max(10, size * 15 // 100 // 8192 // 2)))
        self.sql("checkpoint")
        run("sync")

    def size(self):
        """Bytes on disk, and entries."""
        kib = sum(int(run("du", "-sk", tree).split()[0]) for tree in self.trees())
        return kib << 10, sum(len(folders) + len(files) for tree in self.trees()
                              for _, folders, files in os.walk(tree))
