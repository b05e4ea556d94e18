#!/usr/bin/python3
# Goal: whatever clients without a token do, the service answers the others, and its backup is whole.
"""load_test.py FUEL-BACKUPD [unittest's options].  With FB_LONG=1: 1,000 connections of each kind for 60 s, and the
figures of the issue are asserted; else a short run that asserts on nothing but generous bounds."""

import os
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../api")]
import bad_clients  # noqa: E402
from case import ServiceCase  # noqa: E402
from service import Service, wait_until  # noqa: E402

LONG = bool(os.environ.get("FB_LONG"))
COUNT, SECONDS = (1000, 60) if LONG else (300, 4)
# Of a short run on a loaded machine: what hangs for good is longer.
HEALTH_SECONDS = 1 if LONG else 8
RSS_MIB = 128


class Watch(threading.Thread):
    """Asks for /health again and again, and measures."""

    def __init__(self, service):
        super().__init__()
        self.service, self.times, self.faults, self.going, self.rss = service, [], [], True, 0

    def run(self):
        while self.going:
            since = time.monotonic()
            try:
                reply = self.service.api("GET", "/health", token=None, timeout=30)
                assert reply.status == 200, reply
            except (OSError, AssertionError) as fault:
                self.faults.append(f"{fault!r} after {time.monotonic() - since:.1f} s")
            self.times.append(time.monotonic() - since)
            with open(f"/proc/{self.service.process.pid}/status", encoding="ascii") as status:
                self.rss = max(self.rss, *(int(line.split()[1]) >> 10 for line in status if line.startswith("VmRSS")))
            time.sleep(1 if LONG else 0.2)

    def end(self):
        self.going = False
        self.join()
        self.times.sort()
        return self.times[len(self.times) * 99 // 100]


class LoadCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        chunk = os.urandom(1 << 20)
        with open(os.path.join(cls.data, "big"), "wb") as out:
            for i in range(200 if LONG else 24):
                out.write(i.to_bytes(8, "big") + chunk)

    def attack(self, kind):
        hurters = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "bad_clients.py"), kind,
                                    str(self.service.port), str(COUNT), str(SECONDS)], stdout=subprocess.PIPE)
        watch = Watch(self.service)
        watch.start()
        try:
            time.sleep(0.5)
            with open(os.path.join(self.data, "text"), "ab") as out:
                out.write(kind.encode())
            ended = self.service.operate("/backups")
            # who has the token gets all else, too
            self.assertEqual(self.api("GET", "/backups", timeout=30).status, 200)
            self.assertEqual(self.api("POST", "/thaw", timeout=30).status, 200)
            made = int(hurters.communicate(timeout=SECONDS + 60)[0])
        finally:
            hurters.kill()
            hurters.wait()
            slowest = watch.end()
        print(f"{kind}: {made} connections, /health {len(watch.times)} times, p99 {slowest * 1000:.0f} ms, "
              f"RSS {watch.rss} MiB", file=sys.stderr)
        self.assertEqual(watch.faults, [])
        self.assertLess(slowest, HEALTH_SECONDS)
        if LONG and "/dev/" not in Service.binary:  # sanitizers take more
            self.assertLess(watch.rss, RSS_MIB)
        return ended

    def test_all(self):
        for kind in bad_clients.KINDS:
            with self.subTest(kind):
                ended = self.attack(kind)
                self.service.operate(f"/backups/{ended['backup']}/verify")

    def test_downloads_share_their_memory(self):
        """However many read a tar however slowly: some are served, the others asked to come again."""
        backup = self.service.backup()
        readers, statuses = [], []
        try:
            for form in 85 * ("?format=tar",) + 90 * ("",):
                reader = socket.socket()
                readers.append(reader)
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.settimeout(40)
                reader.connect(("127.0.0.1", self.service.port))
                reader.sendall(f"GET /backups/{backup}/archive{form} HTTP/1.1\r\nHost: x\r\n"
                               f"Authorization: Bearer {self.service.token}\r\n\r\n".encode())
                if len(readers) in (85, 175):
                    statuses += [reader.recv(12)[9:] for reader in readers[len(statuses):]]
            self.assertEqual([statuses[:85].count(b"200"), statuses[85:].count(b"200")], [9, 64])
            self.assertEqual(statuses.count(b"503"), 175 - 9 - 64)
            with open(f"/proc/{self.service.process.pid}/status", encoding="ascii") as status:
                rss = [int(line.split()[1]) >> 10 for line in status if line.startswith("VmRSS")][0]
            print(f"{len(readers)} downloads, {statuses.count(b'200')} served, RSS {rss} MiB", file=sys.stderr)
            if "sanitize" not in Service.binary and "/dev/" not in Service.binary:
                self.assertLess(rss, RSS_MIB)
            self.assertEqual(self.api("GET", "/backups").status, 200)
        finally:
            for reader in readers:
                reader.close()
        wait_until("there is room again", lambda: self.api(
            "HEAD", f"/backups/{backup}/archive?format=tar").status == 200)

    def test_end_with_clients_that_hang(self):
        """SIGTERM ends it within ten seconds, whoever hangs on."""
        hurters = [subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "bad_clients.py"), kind,
                                     str(self.service.port), "100", "60"], stdout=subprocess.DEVNULL)
                   for kind in ("idle", "dripping_head", "slow_reader", "big_body")]
        self.addCleanup(lambda: [h.kill() or h.wait() for h in hurters])
        time.sleep(2)
        since = time.monotonic()
        self.assertEqual(self.service.end(), 0)
        self.assertLess(time.monotonic() - since, 10)


if __name__ == "__main__":
    Service.binary = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
