"""Goal: the yardsticks, each given the same folders as the service: tar | zstd, restic, borg, a plain
walk, and what it takes to pause and unpause containers with nothing in between.
"""

import http.client
import os
import shutil
import socket
import subprocess
import threading
import time

from fuelbackup import Failed, run


def timed(action, *arguments):
    """Seconds, and what the action returned."""
    begin = time.monotonic()
    value = action(*arguments)
    return time.monotonic() - begin, value


def tree_bytes(folder):
    return sum(os.lstat(os.path.join(path, name)).st_size
               for path, _, names in os.walk(folder) for name in names)


def warm(trees):
    """Read everything once, so that nobody waits for the disk (tar alone does not read for /dev/null)."""
    run("sh", "-c", 'tar -C / -cf - "$@" 2>/dev/null | cat >/dev/null', "sh", *trees)


def tar_zstd(trees, out):
    """What somebody does who has no tool: a sparse-aware tar through two threads of zstd -1."""
    run("sh", "-c", 'out=$1; shift; tar -P -C / -Scf - "$@" 2>/dev/null | zstd -q -1 -T2 -f -o "$out"',
        "sh", out, *trees)


def zstd_sha256(archive, plain):
    """Side by side: one checks the archive's frames, the other hashes what is in them."""
    run("sh", "-ec", 'zstd -qt "$1" & sha256sum "$2" >/dev/null; wait', "sh", archive, plain)


def untar(packed, folder):
    run("sh", "-c", 'zstd -q -dc "$1" | tar -C "$2" -xpf - --numeric-owner; sync -f "$2"', "sh", packed, folder)


def walk(trees):
    """Seconds and entries of a plain stat walk (walk.c)."""
    entries, microseconds = run(os.environ["FB_BENCH_WALK"], *trees).split()
    return int(microseconds) / 1e6, int(entries)


class Restic:
    """As it comes: version 2 of its format, automatic compression, a cache of its own."""

    def __init__(self, folder):
        self.folder, self.cache = folder + "/restic", folder + "/restic-cache"

    def command(self, *arguments):
        environment = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": self.folder,
                       "RESTIC_CACHE_DIR": self.cache}
        done = subprocess.run(["restic", "-q", *arguments], env=environment, capture_output=True, check=False)
        if done.returncode not in (0, 3):  # 3: a file went away
            raise Failed(f"restic {arguments}: {done.returncode}: {done.stderr[-2000:]}")

    def begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)
        self.command("init")

    def backup(self, trees):
        self.command("backup", *trees)

    def restore(self, folder):
        self.command("restore", "latest", "--target", folder)
        run("sync", "-f", folder)

    def size(self):
        return tree_bytes(self.folder)


class Borg:
    """-C zstd,1, no encryption."""

    def __init__(self, folder):
        self.folder, self.home = folder + "/borg", folder + "/borg-home"
        self.count = 0

    def command(self, *arguments):
        environment = {**os.environ, "BORG_BASE_DIR": self.home,
                       "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        done = subprocess.run(["borg", *arguments], env=environment, capture_output=True, check=False)
        if done.returncode not in (0, 1):  # 1: a file changed
            raise Failed(f"borg {arguments}: {done.returncode}: {done.stderr[-2000:]}")

    def begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        self.command("init", "-e", "none", self.folder)

    def backup(self, trees):
        self.count += 1
        self.command("create", "-C", "zstd,1", f"{self.folder}::{self.count}", *trees)

    def size(self):
        return tree_bytes(self.folder)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Crew:
    """A thread and an open connection to the engine for each container; all act at once."""

    def __init__(self, ids):
        path = os.environ["DOCKER_HOST"].removeprefix("unix://")
        self.connections = {one: UnixConnection(path) for one in ids}
        for connection in self.connections.values():
            connection.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections.values():
            connection.close()

    def all(self, verb):
        """POST /containers/ID/VERB for all of them, in parallel."""
        faults = []

        def one(container, connection):
            try:
                connection.request("POST", f"/containers/{container}/{verb}")
                reply = connection.getresponse()
                body = reply.read()
                if reply.status not in (204, 304):
                    faults.append(f"{verb} {container}: {reply.status} {body!r}")
            except (OSError, http.client.HTTPException) as fault:
                faults.append(f"{verb} {container}: {fault!r}")

        threads = [threading.Thread(target=one, args=pair) for pair in self.connections.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise Failed("\n".join(faults))

    def window(self, stop, between, start):
        """Seconds from the first stop to the last start."""
        def everything():
            self.all(stop)
            try:
                between()
            finally:
                self.all(start)
        return timed(everything)[0]
