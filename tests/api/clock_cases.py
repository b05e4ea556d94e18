# Goal: a clock that was set ahead, and then right again, stops no schedule, hides nothing and costs no backup.
"""The service's clock is one that the test sets while it runs."""

import datetime
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from fake_engine import FakeEngine
from service import Service, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
YEAR_S = 400 * 86400


def future(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=2)


@unittest.skipUnless(shutil.which("cc"), "there is no compiler")
class ClockCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fb-clock-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.mkdir(self.folder + "/data")
        with open(self.folder + "/plan.json", "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.folder + "/data"], "schedule": {"cron": "* * * * *"},
                       "keep": {"last": 2, "manual": True}}, out)
        shim = self.folder + "/shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, HERE + "/clock_shim.c"], check=True)
        # a sanitizer's library wants to be the first
        linked = subprocess.run(["ldd", Service.binary], check=True, capture_output=True, text=True).stdout
        first = re.findall(r"=> (\S*lib[at]san\S*)", linked)
        self.set_ahead(0)
        self.engine = FakeEngine(self.folder + "/engine.sock").open()
        self.addCleanup(self.engine.close)
        self.service = Service(self.folder, self.engine.path, FUEL_BACKUP_PLAN=self.folder + "/plan.json",
                               FUEL_BACKUP_OVERDUE_HOURS="24", FB_CLOCK_FILE=self.folder + "/ahead",
                               LD_PRELOAD=":".join([*first, shim]))
        self.addCleanup(self.service.clean_up)

    def set_ahead(self, seconds):
        with open(self.folder + "/ahead.new", "w", encoding="ascii") as out:
            out.write(str(seconds))
        os.rename(self.folder + "/ahead.new", self.folder + "/ahead")

    def backups(self):
        return self.service.api("GET", "/backups").json["backups"]

    def scheduled(self):
        return [b for b in self.backups() if b["origin"] == "schedule" and b["state"] == "complete"]

    def test_set_ahead_once_and_corrected(self):
        self.set_ahead(YEAR_S)
        self.service.start()
        ahead = self.service.backup()
        wait_until("the schedule's is made", self.scheduled, 70)
        self.service.finish_all()
        self.assertTrue(all(future(b["created_at"]) for b in self.backups()))
        self.assertNotIn("future", self.backups()[0])  # to the service it is now
        self.set_ahead(0)  # while it runs
        wait_until("the schedule goes on from now",
                   lambda: not future(self.service.api("GET", "/plan").json["schedule"]["next_at"]), 30)
        self.assertTrue(all(b["future"] for b in self.backups()))
        before = {b["id"] for b in self.backups()}
        new = wait_until("the schedule begins another",
                         lambda: [b for b in self.scheduled() if b["id"] not in before], 90)[0]
        self.service.finish_all()
        third = self.service.backup()
        self.service.finish_all()
        listed = self.backups()
        self.assertEqual([third, new["id"]], [b["id"] for b in listed[:2]], "the newest do not stand first")
        self.assertIn(ahead, [b["id"] for b in listed], "what was made then is gone")
        self.assertEqual(before, {b["id"] for b in listed} & before)
        reply = self.service.api("POST", "/prune", {"dry_run": True}).json
        self.assertEqual([], reply["removed"])
        self.assertEqual({"clock"}, {r for b in reply["kept"] if b["id"] in before for r in b["reasons"]} - {"manual"})
        operations = self.service.api("GET", "/operations?limit=1").json["operations"]
        self.assertEqual(third if operations[0]["kind"] == "backup" else operations[0]["backup"], operations[0]["backup"])
        self.assertFalse(future(operations[0]["created_at"]))
        self.assertEqual(self.service.end(), 0)
        self.assertIn("the clock was ahead", self.service.log())


if __name__ == "__main__":
    unittest.main()
