#!/usr/bin/env python3
"""measure.py MIB: see tests/bench/run.  The tree: half large files, half small ones, half of it text;
while a backup runs a container writes 2 MiB a second into it."""

import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../engine")

import stack
from fuelbackup import Service, docker, run

STORE = os.path.join(stack.WORK, "store")


def fill(folder, mebibytes):
    chance = random.Random(11)
    noise = chance.randbytes(8 << 20)
    words = [chance.randbytes(chance.randrange(3, 9)).hex().encode() for _ in range(5000)]
    text = b" ".join(chance.choices(words, k=1 << 20))
    for i in range(mebibytes // 2 // 32):
        with open(f"{folder}/large{i}", "wb") as out:
            for _ in range(4):
                start = chance.randrange(4 << 20)
                out.write((noise if i % 2 else text)[start:start + (4 << 20)])
                out.write(chance.randbytes(4 << 20))
    written = number = 0
    while written < mebibytes << 19:
        if number % 1000 == 0:
            os.mkdir(f"{folder}/{number // 1000}")
        size = min(int(chance.paretovariate(0.9) * 900), 2 << 20)
        start = chance.randrange(4 << 20)
        with open(f"{folder}/{number // 1000}/{number}", "wb") as out:
            out.write(b"%d" % number + (noise if number % 2 else text)[start:start + size])
        written += size
        number += 1
    return number


def timed(action):
    begin = time.monotonic()
    value = action()
    return time.monotonic() - begin, value


def main():
    mebibytes = int(sys.argv[1])
    shutil.rmtree(stack.WORK, ignore_errors=True)
    os.makedirs(stack.WORK)
    service = Service(STORE)

    def clean():
        service.remove()
        docker("rm", "-f", "fb-bench", check=False)
        docker("volume", "rm", "fb-bench", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    clean()
    os.makedirs(stack.WORK)
    try:
        docker("volume", "create", "fb-bench")
        tree = stack.volume_path("fb-bench")
        files = fill(tree, mebibytes)
        run("sync")
        rows = []
        yardstick, _ = timed(lambda: run("sh", "-c", f"tar -C {tree} -cf - . | zstd -q -1 -T2 >{stack.WORK}/yardstick"))
        rows.append(("tar | zstd -1 -T2", yardstick, os.path.getsize(stack.WORK + "/yardstick")))
        docker("run", "-d", "--name", "fb-bench", "-v", "fb-bench:/data", "fb-test/small", "sh", "-c",
               "while :; do dd if=/dev/urandom of=/data/busy bs=1M count=2 2>/dev/null; sleep 1; done")
        service.start()
        freezes = []
        for name in ("first backup", "second backup", "third backup"):
            seconds, backup = timed(service.backup)
            rows.append((name, seconds, backup["stored_bytes"]))
            freezes.append(backup["freeze_ms"])
        seconds, _ = timed(lambda: run(
            "curl", "-fsS", "-o", "/dev/null", "-H", f"Authorization: Bearer {service.token}",
            f"http://127.0.0.1:{service.port}/backups/{backup['id']}/archive"))
        rows.append(("download", seconds, backup["archive_bytes"]))
        seconds, _ = timed(lambda: service.operate(f"/backups/{backup['id']}/verify"))
        rows.append(("verify", seconds, backup["archive_bytes"]))
        seconds, _ = timed(lambda: service.restore(backup["id"]))
        rows.append(("restore", seconds, backup["size_bytes"]))

        print(f"\n{mebibytes} MiB in {files} files, {backup['size_bytes'] >> 20} MiB with the images")
        print(f"{'':20}{'seconds':>9}{'ratio':>8}{'MiB':>8}")
        for name, seconds, size in rows:
            print(f"{name:20}{seconds:9.2f}{seconds / yardstick:8.2f}{size / (1 << 20):8.1f}")
        print(f"freeze windows: {', '.join(map(str, freezes))} ms")
    finally:
        clean()


main()
