#!/usr/bin/env python3
"""Goal: the service's memory does not grow with what it backs up: its resident set stays below
64 MiB through a backup of 2 GiB, a second one, a verification, a download, a restore of everything and one in
place.
"""

import os
import random
import shutil
import unittest

import stack
from fuelbackup import Service, docker, run

STORE = os.path.join(stack.WORK, "store")
LIMIT_KIB = 64 * 1024


def fill(folder):
    """2 GiB: half in large files that do not compress, half in 70 000 small ones that do a little."""
    chance = random.Random(7)
    block = chance.randbytes(4 << 20)
    with open(folder + "/large", "wb") as out:
        for i in range(256):
            out.write(i.to_bytes(8, "big") + block[8:])
            block = block[-997:] + block[:-997]
    for i in range(70):
        os.mkdir(f"{folder}/{i}")
        for k in range(1000):
            start = chance.randrange(4 << 19)
            with open(f"{folder}/{i}/{k}", "wb") as out:
                out.write(block[start:start + chance.randrange(30_000)] + b"=" * (k % 1500))


class RssTest(unittest.TestCase):
    def setUp(self):
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(stack.WORK)
        self.service = Service(STORE)
        self.tearDown()
        docker("volume", "create", "fb-rss")
        docker("run", "-d", "--name", "fb-rss", "-v", "fb-rss:/data", "fb-test/small")
        fill(stack.volume_path("fb-rss"))
        self.service.start()

    def tearDown(self):
        self.service.remove()
        docker("rm", "-f", "fb-rss", check=False)
        docker("volume", "rm", "fb-rss", check=False)
        shutil.rmtree(stack.WORK, ignore_errors=True)

    def peak_kib(self):
        with open(f"/proc/{self.service.pid()}/status", encoding="ascii") as status:
            return int(next(line.split()[1] for line in status if line.startswith("VmHWM:")))

    def test_resident_set(self):
        first = self.service.backup()
        self.assertGreater(first["size_bytes"], 2 << 30)
        peaks = {"first backup": self.peak_kib()}
        second = self.service.backup()
        peaks["second backup"] = self.peak_kib()
        self.service.operate(f"/backups/{first['id']}/verify")
        peaks["verify"] = self.peak_kib()
        run("curl", "-fsS", "-o", "/dev/null", "-H", f"Authorization: Bearer {self.service.token}",
            f"http://127.0.0.1:{self.service.port}/backups/{first['id']}/archive")
        peaks["download"] = self.peak_kib()
        tree = stack.volume_path("fb-rss")
        for name in os.listdir(tree):
            shutil.rmtree(f"{tree}/{name}") if os.path.isdir(f"{tree}/{name}") else os.unlink(f"{tree}/{name}")
        for what in ("full restore", "restore in place"):
            with open(f"/proc/{self.service.pid()}/clear_refs", "w", encoding="ascii") as out:
                out.write("5")
            self.service.restore(first["id"])
            peaks[what] = self.peak_kib()
            with open(tree + "/large", "r+b") as large:
                large.write(b"other")
        print(f"  {first['size_bytes'] >> 20} MiB in {first['duration_ms']} ms, again in "
              f"{second['duration_ms']} ms; peaks: "
              + ", ".join(f"{what} {kib / 1024:.1f} MiB" for what, kib in peaks.items()))
        self.assertLess(max(peaks.values()), LIMIT_KIB, peaks)


if __name__ == "__main__":
    unittest.main()
