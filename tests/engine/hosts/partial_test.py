#!/usr/bin/env python3
"""Goal: one odd object never stops the rest: it is left out alone and named, what ended by itself is told, and the backup
comes back as far as it goes.
"""

import os
import shutil
import subprocess
import threading
import time
import unittest

from recreate import Case, IMAGE, WORK, docker, inspect, run, wait_until

import stack


class PartialCase(Case):
    def setUp(self):
        super().setUp()
        docker("run", "-d", "--name", "fb-good", "-v", "fb-good:/data", IMAGE, "sh", "-c", "echo good >/data/f; sleep 1d")
        wait_until("it is written", lambda: os.path.exists(stack.volume_path("fb-good") + "/f"))

    def tearDown(self):
        self.clean()
        super().tearDown()

    def back_up(self, *wanted, plan=None):
        """The record of a backup that leaves out just that: (kind, name)."""
        operation = self.service.operate("/backups", plan)
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        found = sorted((one["kind"], one["name"]) for one in record["omitted"])
        self.assertEqual(sorted(wanted), found, record["omitted"])
        self.assertEqual("partial" if wanted else "complete", record["state"])
        self.assertIn("fb-good", [one["name"] for one in record["containers"]])
        return record

    def comes_back(self, record, body=None):
        """What is good is wrecked and restored; the backup verifies, and a dry run of it ends well."""
        path = "/backups/" + record["id"]
        self.service.operate(path + "/verify")
        self.service.operate(path + "/restore", {**(body or {}), "dry_run": True})
        with open(stack.volume_path("fb-good") + "/f", "w", encoding="ascii") as out:
            out.write("bad\n")
        done = self.service.restore(record["id"], body)
        with open(stack.volume_path("fb-good") + "/f", encoding="ascii") as source:
            self.assertEqual("good\n", source.read())
        for one in record["omitted"]:
            self.assertTrue(any(one["name"] in warning for warning in done["result"]["warnings"]), done)
        self.assertEqual([], [line for line in docker("ps", "-a", "--format", "{{.Names}} {{.Status}}").splitlines()
                              if "Paused" in line])

    # ---- containers as they are ----

    def test_crash_looping(self):
        """In the moment of a freeze it runs, or waits for its next start: either way it is captured."""
        docker("run", "-d", "--name", "fb-loop", "--restart", "always", IMAGE, "sh", "-c", "exit 1")
        for _ in range(3):
            record = self.back_up()
        self.assertEqual(["fb-good", "fb-loop"], sorted(one["name"] for one in record["containers"]))

    def test_short_jobs_all_the_time(self):
        ends = threading.Event()

        def job(number):
            count = 0
            while not ends.is_set():
                count += 1
                subprocess.run(["docker", "run", "--rm", "--name", f"fb-job{number}-{count}", "-v", "/anonymous", IMAGE,
                                "sh", "-c", "echo x >/anonymous/x; sleep 0.1"], capture_output=True, check=False)

        threads = [threading.Thread(target=job, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(8):
                self.back_up()
                self.assertEqual(200, self.service.api("GET", "/plan").status)
        finally:
            ends.set()
            for thread in threads:
                thread.join()
        wait_until("no job is left", lambda: not docker("ps", "-aq", "--filter", "name=fb-job").split())
        self.assertEqual(["fb-good"], docker("volume", "ls", "-q").split(), "a volume that a job took with it was made again")
        self.comes_back(self.back_up())

    def test_removed_meanwhile(self):
        docker("run", "-d", "--name", "fb-gone", "-v", "fb-big:/data", IMAGE)
        with open(stack.volume_path("fb-big") + "/noise", "wb") as out:
            out.write(os.urandom(200 << 20))
        location = self.service.start_operation("/backups")
        self.service.wait_phase(location, "live")
        docker("rm", "-f", "fb-gone")
        operation = self.service.wait_operation(location)
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual(("complete", ["fb-good"]), (record["state"], [one["name"] for one in record["containers"]]))
        self.assertTrue(any("fb-gone" in warning for warning in record["warnings"]), record["warnings"])
        self.comes_back(record)

    def test_renamed_meanwhile(self):
        docker("run", "-d", "--name", "fb-old", "-v", "fb-big:/data", IMAGE, "sh", "-c", "echo x >/written; sleep 1d")
        with open(stack.volume_path("fb-big") + "/noise", "wb") as out:
            out.write(os.urandom(200 << 20))
        location = self.service.start_operation("/backups")
        self.service.wait_phase(location, "live")
        docker("rename", "fb-old", "fb-new")
        operation = self.service.wait_operation(location)
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertEqual("complete", record["state"], record)
        self.assertIn("fb-old", [one["name"] for one in record["containers"]])
        self.comes_back(record)

    # ---- objects ----

    def test_image_removed_under_a_stopped_container(self):
        docker("tag", IMAGE, "fb-doomed")
        with open(WORK + "/Dockerfile", "w", encoding="ascii") as out:
            out.write(f"FROM {IMAGE}\nLABEL doomed=yes\n")
        run("docker", "build", "-q", "-t", "fb-doomed", WORK)
        docker("create", "--name", "fb-orphan", "fb-doomed", "sh")
        docker("rmi", "-f", "fb-doomed")
        record = self.back_up(("image", "fb-doomed"))
        self.assertIn("fb-orphan", [one["name"] for one in record["containers"]])
        self.comes_back(record)
        docker("rm", "fb-orphan")
        done = self.service.restore(record["id"])
        self.assertTrue(any("fb-orphan" in warning for warning in done["result"]["warnings"]), done)

    def test_two_networks_of_one_name(self):
        for _ in range(2):
            run("curl", "-s", "--unix-socket", self.service.socket, "-H", "Content-Type: application/json", "-d",
                '{"Name": "fb-twins", "CheckDuplicate": false}', "http://d/v1.40/networks/create")
        ids = docker("network", "ls", "-q", "--no-trunc", "--filter", "name=fb-twins").split()
        self.assertEqual(2, len(ids))
        for name, network in zip(("fb-one", "fb-two"), ids):
            docker("run", "-d", "--name", name, IMAGE)
            docker("network", "connect", network, name)
        # with two of a name the engine itself starts none of their containers again
        self.comes_back(self.back_up(("network", "fb-twins")), {"only": {"volumes": ["fb-good"]}})

    def test_vanished_binds(self):
        places = [f"{WORK}/gone{i}" for i in range(3)]
        for i, place in enumerate(places):
            os.makedirs(place)
            docker("create", "--name", f"fb-bound{i}", "-v", place + ":/bound", IMAGE)
            shutil.rmtree(place)
        self.comes_back(self.back_up(*(("bind", place) for place in places)))

    def test_a_volume_that_cannot_be_mounted(self):
        docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={WORK}/none", "fb-none")
        docker("volume", "create", "-o", "type=ext4", "-o", "device=/dev/fb-no-such", "fb-device")
        docker("create", "--name", "fb-a", "-v", "fb-none:/data", IMAGE)
        docker("create", "--name", "fb-b", "-v", "fb-device:/data", IMAGE)
        self.comes_back(self.back_up(("volume", "fb-none"), ("volume", "fb-device")))

    def test_host_paths(self):
        os.makedirs(WORK + "/there")
        with open(WORK + "/there/f", "w", encoding="ascii") as out:
            out.write("x")
        plan = {"host_paths": [WORK + "/there", WORK + "/not-there", WORK + "/nor there, either"]}
        self.comes_back(self.back_up(("host", WORK + "/not-there"), ("host", WORK + "/nor there, either"), plan=plan))

    # ---- words of containers ----

    def test_nul_in_words(self):
        docker("run", "-d", "--name", "fb-nul", "--health-cmd", r"printf 'a\000b'", "--health-interval", "1s", IMAGE)
        body = ('{"Image": "%s", "Labels": {"a": "x\\u0000y", "k\\u0000ey": "z"}, "Env": ["E=1\\u00002"]}' % IMAGE)
        run("curl", "-s", "--unix-socket", self.service.socket, "-H", "Content-Type: application/json", "-d", body,
            "http://d/v1.40/containers/create?name=fb-label")
        wait_until("it has printed", lambda: inspect("fb-nul")["State"]["Health"]["Log"])
        self.assertIn("fb-label", docker("ps", "-a", "--format", "{{.Names}}"))
        record = self.back_up()
        self.assertEqual(200, self.service.api("GET", "/plan").status)
        self.comes_back(record)
        archive = self.service.api("GET", f"/backups/{record['id']}/archive").body
        self.assertEqual(204, self.service.api("DELETE", "/backups/" + record["id"]).status)
        reply = self.service.api("PUT", "/archives", archive, {"Content-Type": "application/zstd"})
        self.assertEqual(201, reply.status, reply)
        self.comes_back({**record, "omitted": []})

    def test_odd_and_long_names(self):
        long = "fb-" + "n" * 300
        docker("run", "-d", "--name", long, IMAGE)
        docker("run", "-d", "--name", "fb-_.-", IMAGE)
        operation = self.service.operate("/backups")
        record = self.service.api("GET", "/backups/" + operation["backup"]).json
        self.assertIn("fb-_.-", [one["name"] for one in record["containers"]])
        self.assertEqual([("container", long)], [(one["kind"], one["name"]) for one in record["omitted"]])
        self.comes_back(record)

    def test_huge_inspects(self):
        docker("create", "--name", "fb-huge", *(word for i in range(500) for word in ("-e", f"V{i}={'x' * 200}")), IMAGE)
        self.comes_back(self.back_up())

    # ---- files of layers ----

    def test_names_that_a_layer_cannot_hold(self):
        docker("run", "-d", "--name", "fb-files", IMAGE, "sh", "-c",
               "mkdir /d; touch /d/.wh.x /d/.wh..wh..opq /.wh. /d/kept; mkdir /d/.wh.dir; touch /d/.wh.dir/x; touch /ready; sleep 1d")
        wait_until("it is ready", lambda: os.path.exists(stack.upper("fb-files") + "/ready"))
        prefix = "containers/fb-files/layer/"
        record = self.back_up(*(("file", prefix + name) for name in (
            ".wh.", "d/.wh.x", "d/.wh..wh..opq", "d/.wh.dir")))
        self.comes_back(record)
        docker("rm", "-f", "fb-files")
        self.service.restore(record["id"])
        self.assertTrue(os.path.exists(stack.upper("fb-files") + "/d/kept"))

    def test_deep_folders(self):
        docker("run", "-d", "--name", "fb-deep", IMAGE, "sh", "-c",
               "cd /srv; i=0; while [ $i -lt 1100 ]; do mkdir d && cd d; i=$((i+1)); done; echo x >f; touch /ready; sleep 1d")
        wait_until("it is ready", lambda: os.path.exists(stack.upper("fb-deep") + "/ready"), 60)
        self.comes_back(self.back_up())

    # ---- all at once, and the plan that wants none of it ----

    def test_many_at_once_and_on_error_fail(self):
        places = [f"{WORK}/many{i}" for i in range(12)]
        for i, place in enumerate(places):
            os.makedirs(place)
            docker("create", "--name", f"fb-many{i}", "-v", place + ":/bound", IMAGE)
            if i % 3 == 0:
                shutil.rmtree(place)
        record = self.back_up(*(("bind", place) for i, place in enumerate(places) if i % 3 == 0))
        self.comes_back(record)
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        reply = self.service.api("POST", "/backups", {"on_error": "fail"})
        operation = self.service.wait_operation(reply.headers["Location"])
        self.assertEqual("failed", operation["state"], operation)
        self.assertIn("many", operation["error"]["detail"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
