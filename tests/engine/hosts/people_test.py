#!/usr/bin/env python3
"""Goal: people are told what is so: whose host it is, what is covered, what was only looked at, and whose clock is wrong."""

import datetime
import json
import os
import re
import shutil
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
import stack
from engine_proxy import EngineProxy
from fuelbackup import Service, docker, wait_until

WORK = os.path.join(stack.WORK, "people")
IMAGE = "fb-test/small"
HOUR_S = 3600


class OtherClock(EngineProxy):
    """What the engine says is of a clock that is `ahead_s` ahead; the texts keep their length."""

    def __init__(self, path, ahead_s):
        super().__init__(path)
        self.ahead_s = ahead_s

    def shift(self, data):
        data = re.sub(rb'"time(Nano)?":(\d+)', lambda found: b'"time%s":%d' % (
            found[1] or b"", int(found[2]) + self.ahead_s * (10 ** 9 if found[1] else 1)), data)

        def hour(found):
            then = datetime.datetime.strptime(found[2].decode(), "%Y-%m-%dT%H") + datetime.timedelta(seconds=self.ahead_s)
            return found[1] + then.strftime("%Y-%m-%dT%H").encode()
        return re.sub(rb'("SystemTime":")(\d+-\d+-\d+T\d\d)', hour, data)

    def accept(self, listener):
        """As the base's, with what comes from the engine shifted."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.connections |= {client, server}
            for source, sink, change in ((client, server, lambda data: data), (server, client, self.shift)):
                threading.Thread(target=self.pump, args=(source, sink, change), daemon=True).start()

    @staticmethod
    def pump(source, sink, change):
        try:
            while data := source.recv(1 << 18):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class PeopleTest(unittest.TestCase):
    def setUp(self):
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK)
        self.addCleanup(shutil.rmtree, WORK, True)
        self.addCleanup(lambda: docker("volume", "rm", "-f", "fb-people", check=False))
        self.container("fb-web", "-v", "fb-people:/data")
        self.container("fb-left", "--label", "fuel-backup.exclude=true")

    def container(self, name, *options):
        docker("rm", "-f", "-v", name, check=False)
        docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
        self.addCleanup(docker, "rm", "-f", "-v", name, check=False)

    def serve(self, **options):
        service = Service(WORK + "/store", **options)
        self.addCleanup(service.remove)
        return service.start()

    def test_what_people_see(self):
        service = self.serve()
        host = json.loads(docker("info", "--format", "{{json .}}"))["Name"]
        health = wait_until("the host's name is known", lambda: (
            lambda told: told["host"] and told)(service.api("GET", "/health").json))
        self.assertEqual((host, 0), (health["host"], health["clock_ahead_ms"]))
        covered = service.api("GET", "/coverage").json
        self.assertEqual((1, ["fb-web"], ["fb-left"]), (covered["containers"], covered["missing"], covered["left_out"]))
        backup = service.backup()
        self.assertEqual("manual", backup["origin"])
        covered = service.api("GET", "/coverage").json
        self.assertEqual((1, [], backup["created_at"]), (covered["containers"], covered["missing"], covered["oldest_at"]))
        self.container("fb-later")
        self.assertEqual(["fb-later"], service.api("GET", "/coverage").json["missing"])
        self.refused_without_a_word(service, backup["id"])
        self.only_looked_at(service, backup["id"])

    def refused_without_a_word(self, service, backup):
        """A restore that nobody confirmed touches nothing."""
        docker("exec", "fb-web", "sh", "-c", "echo since >/data/since")
        for body in (None, {}, {"host_paths": True}, {"confirm": backup[:-1]}):
            reply = service.api("POST", f"/backups/{backup}/restore", body)
            self.assertEqual(400, reply.status, reply)
        self.assertEqual("since\n", docker("exec", "fb-web", "cat", "/data/since"))

    def only_looked_at(self, service, backup):
        """A dry run is marked wherever it is told, and changes nothing."""
        operation = service.restore(backup, {"dry_run": True})
        self.assertIs(True, operation["dry_run"])
        self.assertEqual("since\n", docker("exec", "fb-web", "cat", "/data/since"))
        metrics = service.api("GET", "/metrics").body.decode()
        self.assertRegex(metrics, r'fuel_backup_operations_total\{kind="dry-run",state="succeeded"\} 1\n')
        self.assertNotIn('kind="restore",state="succeeded"', metrics)
        self.assertIs(False, service.restore(backup)["dry_run"])
        self.assertNotIn("since", docker("exec", "fb-web", "ls", "/data"))

    def other_clock(self, hours, freezer):
        """The engine's clock is another: told, and no backup fails for it."""
        proxy = self.enterContext(OtherClock(WORK + "/engine.sock", hours * HOUR_S))
        service = self.serve(socket=proxy.path, environment={"FUEL_BACKUP_FREEZER": freezer})
        record = service.backup()
        told = [text for text in record["warnings"] if "clock" in text]
        self.assertEqual(1, len(told), record["warnings"])
        self.assertIn("ahead of" if hours > 0 else "behind", told[0])
        ahead = wait_until("it is measured", lambda: service.api("GET", "/health").json["clock_ahead_ms"])
        self.assertLess(abs(ahead - hours * HOUR_S * 1000), 20000)
        self.assertIn("the engine's clock is", service.log())
        service.remove()

    def test_the_engines_clock_is_ahead(self):
        self.other_clock(1, "docker")

    def test_the_engines_clock_is_behind(self):
        self.other_clock(-1, "docker")

    def test_the_engines_clock_is_ahead_by_cgroup(self):
        self.other_clock(1, "cgroup")


if __name__ == "__main__":
    unittest.main()
