# Goal: the service begins backups by its plan's schedule, one at a time, and makes up what it missed.
"""Schedules of the default plan, and the scrub in slices: services of the tests' own."""

import contextlib
import datetime
import json
import os
import sqlite3
import tempfile
import time

from case import ServiceCase
from service import Service, wait_until

HOUR_NS = 3600 * 10 ** 9


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class ScheduleCase(ServiceCase):
    def scheduled(self, schedule=None, keep=None, **environment):
        """A service of this test's own, with this schedule; not started."""
        folder = tempfile.mkdtemp(prefix=self._testMethodName, dir=self.folder)
        plan = {"host_paths": [self.data]}
        if schedule:
            plan["schedule"] = schedule
        if keep:
            plan["keep"] = keep
        path = os.path.join(folder, "plan.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(plan, out)
        service = Service(folder, self.engine.path, FUEL_BACKUP_PLAN=path, **environment)
        self.addCleanup(self.clean_end, service)
        return service

    def clean_end(self, service):
        self.engine.release()
        code = service.end()
        self.assertEqual(code, 0, service.log()[-3000:])

    @staticmethod
    def runs(service):
        return service.api("GET", "/plan").json["schedule"]

    @staticmethod
    def miss(service, hours):
        """While the service is down: its next run was so long ago."""
        path = os.path.join(service.store, "catalogue.db")
        with contextlib.closing(sqlite3.connect(path)) as catalogue, catalogue:
            catalogue.execute("UPDATE runs SET next_ns = ?", (time.time_ns() - int(hours * HOUR_NS),))

    @staticmethod
    def backups(service):
        return service.api("GET", "/backups").json["backups"]

    def test_none(self):
        self.assertIsNone(self.runs(self.service))

    def test_next(self):
        service = self.scheduled({"cron": "15 3 * * *", "jitter": "10m"}).start()
        first = self.runs(service)
        self.assertIsNone(first["last_at"])
        ahead = at(first["next_at"]) - now()
        self.assertLess(ahead, datetime.timedelta(days=1, minutes=11))
        clock = at(first["next_at"]).strftime("%H:%M")
        self.assertTrue("03:15" <= clock <= "03:25", clock)
        service.end()
        service.start()
        self.assertEqual(self.runs(service), first)
        self.assertEqual(self.backups(service), [])

    def test_timezones(self):
        """A plan's own zone, else that of TZ, else UTC; an unknown one is an error before anything is done."""
        for schedule, environment, zone, clock in (
                ({"cron": "15 3 * * *"}, {}, "UTC", "03:15"),
                ({"cron": "15 3 * * *", "timezone": "Asia/Kolkata"}, {"TZ": "Europe/Berlin"}, "Asia/Kolkata", "21:45"),
                ({"cron": "15 3 * * *"}, {"TZ": "Asia/Tokyo"}, "Asia/Tokyo", "18:15"),
                ({"cron": "@daily", "timezone": "Asia/Kathmandu"}, {}, "Asia/Kathmandu", "18:15"),
                ({"every": "6h"}, {"TZ": "Asia/Tokyo"}, "UTC", None)):
            with self.subTest(str(schedule)):
                service = self.scheduled(schedule, **environment).start()
                runs = self.runs(service)
                self.assertEqual(zone, runs["timezone"])
                if clock:
                    self.assertEqual(clock, at(runs["next_at"]).strftime("%H:%M"))
                service.end()
        for schedule, text in (({"cron": "@daily", "timezone": "Europe/Nowhere"}, "Europe/Nowhere"),
                               ({"cron": "@dayly"}, "@daily"), ({"every": "6h", "timezone": "UTC"}, "timezone")):
            reply = self.api("POST", "/backups", {"host_paths": [self.data], "schedule": schedule})
            self.problem(reply, 400, "invalid", text)

    def test_the_clock_was_ahead(self):
        """What was noted while it was is no time to wait for; and the backup that is due then is made."""
        service = self.scheduled({"cron": "* * * * *"}).start()
        service.end()
        self.miss(service, -400 * 24)
        service.start()
        self.assertLess(at(self.runs(service)["next_at"]) - now(), datetime.timedelta(seconds=61))
        self.assertIn("the clock was ahead", service.log())
        wait_until("a backup is made", lambda: [b["state"] for b in self.backups(service)] == ["complete"], 70)

    def test_missed(self):
        """Of many that were missed one is made up, and no other until the next time."""
        service = self.scheduled({"every": "1h"}).start()
        service.end()
        self.miss(service, 50)
        service.start()
        wait_until("a backup is made", lambda: [b["state"] for b in self.backups(service)] == ["complete"])
        service.finish_all()
        runs = self.runs(service)
        self.assertLess(now() - at(runs["last_at"]), datetime.timedelta(seconds=60))
        self.assertGreater(at(runs["next_at"]), now())
        self.assertEqual(at(runs["next_at"]).strftime("%M:%S"), "00:00")
        time.sleep(1)
        service.end()
        service.start()
        self.assertEqual(self.runs(service), runs)
        self.assertEqual(len(self.backups(service)), 1)
        self.assertEqual(self.backups(service)[0]["plan"]["schedule"], {"every": "1h"})
        self.assertEqual(self.backups(service)[0]["origin"], "schedule")
        service.backup()
        self.assertEqual([b["origin"] for b in self.backups(service)], ["manual", "schedule"])

    def test_retention_is_of_the_schedule(self):
        """What the schedule made goes by the plan's rules, and is told; a manual backup stays."""
        service = self.scheduled({"every": "1h"}, keep={"last": 1}).start()
        manual = service.backup()
        made = []
        for count in (1, 2):
            service.end()
            self.miss(service, 1)
            service.start()
            wait_until("a backup is made", lambda n=count: len(self.by_schedule(service)) == n)
            service.finish_all()
            newest = self.by_schedule(service)[0]
            made.append(newest["backup"])
            self.assertEqual([one["id"] for one in newest["result"]["removed"]], made[:-1])
        self.assertEqual([b["id"] for b in self.backups(service)], [made[1], manual])
        service.backup()  # asking for one removes none of those that somebody asked for either
        self.assertEqual([b["origin"] for b in self.backups(service)], ["manual", "schedule", "manual"])

    @staticmethod
    def by_schedule(service):
        """The operations of backups that ended and have a verdict of retention, and were not asked for."""
        origin = {b["id"]: b["origin"] for b in ScheduleCase.backups(service)}
        return [o for o in service.api("GET", "/operations").json["operations"] if o["kind"] == "backup" and o["ended_at"]
                and origin.get(o["backup"], "schedule") == "schedule"]

    def test_waits_for_what_runs(self):
        """What becomes due while an operation runs begins when that has ended."""
        service = self.scheduled({"every": "1h"}).start()
        service.end()
        self.miss(service, -4 / 3600)  # due in four seconds
        service.start()
        self.engine.stall("/containers/json")
        location = service.begin("/backups", {"host_paths": [self.data]})
        self.engine.wait_held()
        time.sleep(6)
        [running] = service.api("GET", "/operations").json["operations"]
        self.assertEqual("/operations/" + running["id"], location)
        self.assertIsNone(self.store_runs(service)[0])
        self.engine.release()
        wait_until("another is made", lambda: [b["state"] for b in self.backups(service)] ==
                   ["complete", "complete"])
        self.assertNotIn("could not be started", service.log())
        self.assertIsNotNone(self.store_runs(service)[0])

    @staticmethod
    def store_runs(service):
        """(last, next) as the catalogue has them; for last None if there was none."""
        path = os.path.join(service.store, "catalogue.db")
        with contextlib.closing(sqlite3.connect(path)) as catalogue:
            last, following = catalogue.execute("SELECT last_ns, next_ns FROM runs").fetchone()
        return last or None, following

    def test_changed(self):
        """Another schedule has missed nothing."""
        service = self.scheduled({"every": "1h"}).start()
        service.end()
        self.miss(service, 50)
        with open(service.environment["FUEL_BACKUP_PLAN"], "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.data], "schedule": {"every": "2h"}}, out)
        service.start()
        runs = self.runs(service)
        self.assertIsNone(runs["last_at"])
        self.assertGreater(at(runs["next_at"]), now())
        self.assertEqual(self.backups(service), [])

    def test_engine_away(self):
        service = self.scheduled({"every": "1h"}).start()
        service.end()
        self.miss(service, 2)
        self.engine.close()
        try:
            service.start()
            wait_until("it is told", lambda: "could not be started" in service.log())
            service.end()
        finally:
            self.engine.open()
        service.start()  # and it is still due
        wait_until("a backup is made", lambda: [b["state"] for b in self.backups(service)] == ["complete"])

    def test_not_in_a_request(self):
        reply = self.api("POST", "/backups", {"host_paths": [self.data], "schedule": {"every": "1h"}})
        self.problem(reply, 400, "invalid", "FUEL_BACKUP_PLAN")
        reply = self.api("POST", "/backups", {"schedule": {"every": "1x"}})
        self.problem(reply, 400, "invalid", "every")

    def rehearsed(self, rehearse):
        service = self.scheduled()
        with open(service.environment["FUEL_BACKUP_PLAN"], "w", encoding="utf-8") as out:
            json.dump({"host_paths": [self.data], "rehearse": rehearse}, out)
        return service

    @staticmethod
    def rehearsals(service):
        found = [o for o in service.api("GET", "/operations").json["operations"] if o["kind"] == "rehearse"]
        return service.api("GET", "/plan").json["rehearsals"], found

    def gauge(self, service, name):
        lines = service.api("GET", "/metrics").body.decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"fuel_backup_rehearsal_{name}_timestamp")]
        return float(value)

    def test_rehearsals(self):
        """The newest backup of the plan is rehearsed, once for all times that were missed; it begins no backup."""
        service = self.rehearsed({"cron": "0 5 * * sun", "jitter": "5m"}).start()
        runs, found = self.rehearsals(service)
        self.assertEqual((None, []), (runs["last_at"], found))
        self.assertEqual(6, at(runs["next_at"]).weekday())
        self.assertEqual((0, int(at(runs["next_at"]).timestamp())),
                         (self.gauge(service, "last"), int(self.gauge(service, "next"))))
        self.assertIsNone(self.runs(service))
        service.backup()
        newest = service.backup()
        service.backup({"host_paths": [self.data + "/text"]})  # another plan
        service.end()
        path = service.store + "/run/rehearsals.json"
        with open(path, encoding="ascii") as note:
            known = json.load(note)
        known["next_ns"] = time.time_ns() - 50 * HOUR_NS
        with open(path, "w", encoding="ascii") as note:
            json.dump(known, note)
        service.start()
        wait_until("a rehearsal has begun", lambda: self.rehearsals(service)[1])
        wait_until("it ends", lambda: self.rehearsals(service)[1][0]["ended_at"])
        runs, [operation] = self.rehearsals(service)
        self.assertEqual(newest, operation["backup"])
        self.assertLess(now() - at(runs["last_at"]), datetime.timedelta(seconds=60))
        self.assertGreater(at(runs["next_at"]), now())
        self.assertGreater(self.gauge(service, "last"), 0)
        service.end()
        service.start()
        self.assertEqual(runs, self.rehearsals(service)[0])
        self.assertEqual(1, len(self.rehearsals(service)[1]))
        self.assertEqual(3, len(self.backups(service)))

    def test_rehearsals_without_a_backup(self):
        service = self.rehearsed({"every": "1h"}).start()
        service.end()
        path = service.store + "/run/rehearsals.json"
        with open(path, encoding="ascii") as note:
            known = json.load(note)
        with open(path, "w", encoding="ascii") as note:
            json.dump({**known, "next_ns": 1}, note)
        service.start()
        wait_until("it is told", lambda: "no complete backup of the plan yet" in service.log())
        self.assertEqual([], self.rehearsals(service)[1])

    def test_rehearsals_that_cannot_be(self):
        for rehearse, text in (({"cron": "61 * * * *"}, "rehearse"), ({}, "rehearse"), ("weekly", "after-backup"),
                               ([], "rehearse"), (True, "rehearse"), ({"every": "1h"}, "FUEL_BACKUP_PLAN")):
            reply = self.api("POST", "/backups", {"host_paths": [self.data], "rehearse": rehearse})
            self.problem(reply, 400, "invalid", text)

    def test_scrub_in_slices(self):
        service = self.scheduled(FUEL_BACKUP_SCRUB_DAYS="1").start()
        service.backup()
        service.finish_all()
        service.end()
        service.start()  # an hour's slice begins with the service

        def slices():
            return [o for o in service.api("GET", "/operations").json["operations"]
                    if o["kind"] == "scrub" and o["ended_at"]]
        found = wait_until("a slice is read", lambda: len(slices()) >= 2 and slices())
        self.assertEqual({o["state"] for o in found}, {"succeeded"})
        size = service.api("GET", "/health").json["store"]["packs_bytes"]
        self.assertGreater(found[0]["result"]["bytes"], 0)
        self.assertLess(found[0]["result"]["bytes"], size / 24 + (2 << 20))
