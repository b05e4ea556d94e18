#!/usr/bin/env python3
"""Goal: a restore writes only what differs, finds all that does, and leaves alone whatever is equal."""

import os
import random
import shutil
import sys
import unittest

import stack
from fuelbackup import Service, docker, inspect, run, wait_until
from listing import listing, listing_differences

STORE = os.path.join(stack.WORK, "store")
BOUND = os.path.join(stack.WORK, "bound")
PLAN = {"containers": {"names": ["fb-*"]}}
LARGE = 3 << 20
ALIVE = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


def write(path, text):
    with open(path, "w", encoding="ascii") as out:
        out.write(text)


class DifferenceTest(unittest.TestCase):
    """fb-idle and fb-other write nothing by themselves; each has a volume, fb-other a bound folder, too."""

    @classmethod
    def setUpClass(cls):
        cls.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)
        os.makedirs(BOUND)
        for name in ("idle", "other"):
            options = ["-v", f"{BOUND}:/bound"] if name == "other" else []
            docker("run", "-d", "--name", f"fb-{name}", "-v", f"fb-{name}:/data", *options, "fb-test/small",
                   "sh", "-c", ALIVE)
        cls.tree = stack.volume_path("fb-other")
        cls.fill(cls.tree)
        cls.fill(BOUND)
        cls.service = Service(STORE).start()
        cls.backup = cls.service.backup(PLAN)["id"]
        cls.before = {tree: listing(tree) for tree in (cls.tree, BOUND)}

    @classmethod
    def tearDownClass(cls):
        if sys.exc_info()[0] or os.environ.get("FB_KEEP"):
            print(cls.service.log())
        cls.service.remove()
        cls.remove()
        shutil.rmtree(stack.WORK, ignore_errors=True)

    @staticmethod
    def remove():
        docker("rm", "-f", "-v", "fb-idle", "fb-other", check=False)
        docker("volume", "rm", "-f", "fb-idle", "fb-other", check=False)

    @staticmethod
    def fill(tree):
        for folder in ("a/b", "gone", "empty", "shut", "large"):
            os.makedirs(f"{tree}/{folder}")
        for number in range(50):
            write(f"{tree}/a/{number}", f"{number} " * 500)
        for name in ("a/b/same", "a/b/other", "gone/file", "shut/file", "one", "two"):
            write(f"{tree}/{name}", f"the content of {name}\n")
        os.link(f"{tree}/one", f"{tree}/linked")
        os.link(f"{tree}/one", f"{tree}/a/linked")
        os.symlink("one", f"{tree}/link")
        os.mkfifo(f"{tree}/fifo")
        os.setxattr(f"{tree}/two", "user.colour", b"red")
        os.setxattr(f"{tree}/two", "system.posix_acl_access", bytes.fromhex(
            "0200000001000600ffffffff02000400e803000004000400ffffffff10000600ffffffff20000400ffffffff"))
        with open(f"{tree}/sparse", "wb") as out:
            out.truncate(8 << 20)
            out.seek(3 << 20)
            out.write(b"x" * 5000)
        for number in range(3):
            with open(f"{tree}/large/{number}", "wb") as out:
                out.write(random.Random(number).randbytes(LARGE))
        os.chmod(f"{tree}/shut", 0o500)

    def started(self):
        return {name: inspect(name)["State"]["StartedAt"] for name in ("fb-idle", "fb-other")}

    def restore(self):
        """Restore; the ways of the containers by name, and everything is as in the backup."""
        result = self.service.restore(self.backup)["result"]
        for tree, before in self.before.items():
            self.assertEqual([], listing_differences(before, listing(tree)))
            self.assertEqual([], [name for name in os.listdir(tree) if name.startswith(".fuel-backup")])
        return {entry["name"]: entry["way"] for entry in result["containers"]}

    def check_change(self, change):
        """What ${change} does to the volume and to the bound folder is found; fb-idle runs on."""
        started = self.started()
        for tree in (self.tree, BOUND):
            change(tree)
            self.assertNotEqual([], listing_differences(self.before[tree], listing(tree)), "no change")
        self.assertEqual({"fb-idle": "unchanged", "fb-other": "in_place"}, self.restore())
        now = self.started()
        self.assertEqual(started["fb-idle"], now["fb-idle"])
        self.assertNotEqual(started["fb-other"], now["fb-other"])

    def test_nothing_differs(self):
        started, inodes = self.started(), os.stat(self.tree + "/two").st_ino
        self.assertEqual({"fb-idle": "unchanged", "fb-other": "unchanged"}, self.restore())
        self.assertEqual(started, self.started())
        self.assertEqual(inodes, os.stat(self.tree + "/two").st_ino)

    def test_times_that_lie(self):
        """Same size, same times: the content alone tells."""
        def change(tree):
            state = os.stat(tree + "/a/b/other")
            with open(tree + "/a/b/other", "r+b") as out:
                out.write(b"THE")
            os.utime(tree + "/a/b/other", ns=(state.st_atime_ns, state.st_mtime_ns))
        inode = os.stat(self.tree + "/a/b/same").st_ino
        self.check_change(change)
        self.assertEqual(inode, os.stat(self.tree + "/a/b/same").st_ino, "what is equal was written anew")

    def test_a_hole_that_was_filled(self):
        def change(tree):
            state = os.stat(tree + "/sparse")
            with open(tree + "/sparse", "r+b") as out:
                out.seek(1 << 20)
                out.write(b"y")
            os.utime(tree + "/sparse", ns=(state.st_atime_ns, state.st_mtime_ns))
        self.check_change(change)

    def test_large_files(self):
        """A few places are written in place; where much differs it is another file; and the next one is none the worse."""
        def change(tree):
            for number, step in enumerate((LARGE // 4, 4096, LARGE // 3)):
                with open(f"{tree}/large/{number}", "r+b") as out:
                    for at in range(0, LARGE, step):
                        out.seek(at)
                        out.write(b"other")

        def inodes():
            return [os.stat(f"{self.tree}/large/{number}").st_ino for number in range(3)]
        before = inodes()
        self.check_change(change)
        self.assertEqual([True, False, True], [a == b for a, b in zip(before, inodes())])

    def test_attributes(self):
        def change(tree):
            os.setxattr(tree + "/two", "user.colour", b"blue")
            os.chown(tree + "/a/1", 12, 34)
            os.chmod(tree + "/a/b", 0o711)
        self.check_change(change)

    def test_an_acl_that_is_gone(self):
        self.check_change(lambda tree: os.removexattr(tree + "/two", "system.posix_acl_access"))

    def test_links(self):
        def change(tree):
            state = os.stat(tree + "/one")
            with open(tree + "/one", "rb") as source:
                content = source.read()
            os.unlink(tree + "/a/linked")
            with open(tree + "/a/linked", "wb") as out:
                out.write(content)
            os.utime(tree + "/a/linked", ns=(state.st_atime_ns, state.st_mtime_ns))
            os.utime(tree + "/a", ns=(0, self.before[tree][b"a"]["mtime"]))
        self.check_change(change)

    def test_files_that_became_one(self):
        def change(tree):
            os.unlink(tree + "/a/b/same")
            os.link(tree + "/a/b/other", tree + "/a/b/same")
        self.check_change(change)

    def test_the_first_of_several_links(self):
        def change(tree):
            with open(tree + "/one", "ab") as out:
                out.write(b"more")
        self.check_change(change)

    def test_kinds(self):
        def change(tree):
            shutil.rmtree(tree + "/gone")
            write(tree + "/gone", "a file")
            os.unlink(tree + "/a/2")
            os.makedirs(tree + "/a/2/deep/er")
            write(tree + "/a/2/deep/file", "x")
            os.unlink(tree + "/link")
            os.symlink("elsewhere", tree + "/link")
            os.unlink(tree + "/fifo")
        self.check_change(change)

    def test_additions_and_deletions(self):
        def change(tree):
            os.makedirs(tree + "/more/and/more")
            write(tree + "/more/and/file", "x")
            write(tree + "/shut/extra", "x")
            os.unlink(tree + "/shut/file")
            os.rmdir(tree + "/empty")
            for number in range(10, 20):
                os.unlink(f"{tree}/a/{number}")
        self.check_change(change)

    def test_everything_gone(self):
        def change(tree):
            for name in os.listdir(tree):
                path = f"{tree}/{name}"
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.check_change(change)

    def test_only_the_layer(self):
        started = self.started()
        docker("exec", "fb-other", "sh", "-c", "echo x >/srv/more; rm -r /srv/tree")
        self.assertEqual({"fb-idle": "unchanged", "fb-other": "in_place"}, self.restore())
        self.assertEqual(started["fb-idle"], self.started()["fb-idle"])
        self.assertNotIn("more", docker("exec", "fb-other", "ls", "/srv"))
        self.assertIn("tree", docker("exec", "fb-other", "ls", "/srv"))

    def test_dry_run(self):
        """It tells what the restore then does, and touches nothing."""
        def change(tree):
            write(tree + "/extra", "12345")
            write(tree + "/a/3", "changed")
            os.unlink(tree + "/a/4")
        for tree in (self.tree, BOUND):
            change(tree)
        now = {tree: listing(tree) for tree in (self.tree, BOUND)}
        ids = docker("ps", "-aq", "--no-trunc").split()
        begun, mark = docker("info", "-f", "{{.SystemTime}}").strip(), stack.WORK + "/mark"
        write(mark, "")
        result = self.service.restore(self.backup, {"dry_run": True})["result"]
        newer = run("find", self.tree, BOUND, stack.upper("fb-other"), "-newer", mark)
        events = docker("events", "--since", begun, "--until", docker("info", "-f", "{{.SystemTime}}").strip(),
                        "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}")
        self.assertEqual("", newer)
        self.assertEqual([], [line for line in events.splitlines() if line.startswith("container")
                              and ("fb-idle" in line or "fb-other" in line)])
        self.assertEqual(ids, docker("ps", "-aq", "--no-trunc").split())
        self.assertEqual(now, {tree: listing(tree) for tree in (self.tree, BOUND)})
        self.check_outlook(result)
        ways = {entry["name"]: entry["way"] for entry in result["containers"]}
        self.assertEqual(ways, self.restore())
        again = self.service.restore(self.backup, {"dry_run": True})["result"]
        self.assertEqual(([], [], 0), (again["sources"], again["entries"], again["downtime_ms"]))

    def test_dry_run_addresses(self):
        """A fixed address that another container has by now is told; one that is free is not."""
        self.addCleanup(lambda: docker("network", "rm", "fb-fixed", check=False))
        self.addCleanup(lambda: docker("rm", "-f", "fb-fixed", "fb-free", "fb-taker", check=False))
        docker("network", "create", "--subnet", "172.30.88.0/24", "fb-fixed")
        for name, last in (("fixed", 7), ("free", 8)):
            docker("run", "-d", "--name", "fb-" + name, "--network", "fb-fixed", "--ip", f"172.30.88.{last}",
                   "fb-test/small", "sh", "-c", ALIVE)
        backup = self.service.backup({"containers": {"names": ["fb-fixed", "fb-free"]}})["id"]
        docker("rm", "-f", "fb-fixed", "fb-free")
        docker("run", "-d", "--name", "fb-taker", "--network", "fb-fixed", "--ip", "172.30.88.7", "fb-test/small",
               "sh", "-c", ALIVE)
        result = self.service.restore(backup, {"dry_run": True})["result"]
        self.assertEqual([{"container": "fb-fixed", "network": "fb-fixed", "address": "172.30.88.7",
                           "taken_by": "fb-taker"}], result["addresses"])

    def check_outlook(self, result):
        self.assertTrue(result["dry_run"])
        self.assertEqual(0, result["entries_left_out"])
        found = {(entry["change"], entry["path"]) for entry in result["entries"] if not entry["folder"]}
        prefixes = ["volumes/fb-other", "binds" + BOUND]
        self.assertEqual({(change, f"{prefix}/{name}") for prefix in prefixes for change, name in
                          (("deleted", "extra"), ("changed", "a/3"), ("added", "a/4"))}, found)
        sources = {source["prefix"]: source for source in result["sources"]}
        self.assertEqual(set(prefixes), set(sources))
        self.assertEqual({"entries": 1, "bytes": 5}, sources[prefixes[0]]["deleted"])
        self.assertEqual(1, sources[prefixes[0]]["added"]["entries"])
        self.assertGreater(result["space_bytes"], 0)
        self.assertGreater(result["downtime_ms"], 0)
        for name in ("images", "volumes", "networks", "ports", "addresses"):
            self.assertEqual([], result[name])

    # ---- parts ----

    def spoil(self):
        for tree in (self.tree, BOUND):
            write(tree + "/extra", "12345")
            write(tree + "/a/3", "changed")
            write(tree + "/two", "changed")
            os.unlink(tree + "/a/4")
        return {tree: listing(tree) for tree in (self.tree, BOUND)}

    def restore_only(self, **only):
        ahead = self.service.restore(self.backup, {"only": only, "dry_run": True})["result"]
        result = self.service.restore(self.backup, {"only": only})["result"]
        ways = {entry["name"]: entry["way"] for entry in result["containers"]}
        self.assertEqual({entry["name"]: entry["way"] for entry in ahead["containers"]}, ways)
        return ways, ahead

    def test_only_a_volume(self):
        spoilt = self.spoil()
        ways, ahead = self.restore_only(volumes=["fb-other"])
        self.assertEqual({"fb-other": "restarted"}, ways)
        self.assertEqual(["volumes/fb-other"], [source["prefix"] for source in ahead["sources"]])
        self.assertEqual([], listing_differences(self.before[self.tree], listing(self.tree)))
        self.assertEqual([], listing_differences(spoilt[BOUND], listing(BOUND)))
        self.restore()

    def test_only_a_host_path(self):
        spoilt = self.spoil()
        self.assertEqual({"fb-other": "restarted"}, self.restore_only(host_paths=[BOUND])[0])
        self.assertEqual([], listing_differences(self.before[BOUND], listing(BOUND)))
        self.assertEqual([], listing_differences(spoilt[self.tree], listing(self.tree)))
        self.restore()

    def test_only_a_container(self):
        spoilt, started = self.spoil(), self.started()
        self.assertEqual({"fb-idle": "unchanged"}, self.restore_only(containers=["fb-idle"])[0])
        self.assertEqual(started, self.started())
        self.assertEqual([], listing_differences(spoilt[BOUND], listing(BOUND)))
        self.assertEqual({"fb-other": "in_place"}, self.restore_only(containers=["fb-other"])[0])
        self.restore()

    def test_only_a_container_that_is_gone(self):
        docker("rm", "-f", "fb-idle")
        docker("volume", "rm", "fb-idle")
        spoilt = self.spoil()
        self.assertEqual({"fb-idle": "created"}, self.restore_only(containers=["fb-idle"])[0])
        self.assertTrue(inspect("fb-idle")["State"]["Running"])
        self.assertEqual([], listing_differences(spoilt[self.tree], listing(self.tree)))
        self.restore()

    def test_only_files(self):
        """What is named is as in the backup; all else, also the folders above it, is as it was before."""
        self.spoil()
        shutil.rmtree(self.tree + "/gone")
        os.chmod(self.tree + "/a", 0o711)
        spoilt = listing(self.tree)
        names = ["a/3", "a/4", "gone/file", "a/b"]
        write(self.tree + "/a/b/extra", "x")
        ways, ahead = self.restore_only(files=[f"volumes/fb-other/{name}" for name in names])
        self.assertEqual({"fb-other": "restarted"}, ways)
        now, before = listing(self.tree), self.before[self.tree]
        for name in map(os.fsencode, names):
            self.assertEqual(before[name], now[name])
        self.assertNotIn(b"a/b/extra", now)
        found = {entry["path"] for entry in ahead["entries"]}
        self.assertEqual({"volumes/fb-other/" + name for name in
                          ("a/3", "a/4", "gone", "gone/file", "a/b", "a/b/extra")}, found)
        changed = {os.fsencode(name) for name in names} | {b"gone", b"."}
        self.assertEqual([], listing_differences({k: v for k, v in spoilt.items() if k not in changed},
                                                 {k: v for k, v in now.items() if k not in changed}))
        self.restore()

    def test_only_what_is_not_there(self):
        self.spoil()
        for only in ({"containers": ["fb-none"]}, {"volumes": ["fb-none"]}, {"host_paths": ["/none"]},
                     {"files": ["volumes/fb-none/x"]}, {"files": ["volumes/fb-other/none"]},
                     {"files": ["volumes/fb-other/linked"]}):
            operation = self.service.wait_operation(
                self.service.start_operation(f"/backups/{self.backup}/restore", {"only": only}))
            self.assertEqual("failed", operation["state"])
            self.assertIn("nothing was changed", operation["error"]["detail"])
        for only in ({}, [], {"names": ["x"]}, {"files": ["../x"]}, {"files": "x"}, {"host_paths": ["x"]},
                     {"volumes": []}, {"volumes": [""]}, {"volumes": ["x"] * 1001}):
            reply = self.service.api("POST", f"/backups/{self.backup}/restore", {"only": only})
            self.assertEqual(400, reply.status, only)
        self.restore()

    def test_undone_after_its_containers_wrote(self):
        """fb-writer is restored and writes to what was equal, and so was left in place; then fb-zports cannot be
        started.  What fb-writer wrote is taken back: it starts once in the old state, and never did in the new."""
        port = ["-p", "127.0.0.1:18098:1", "fb-test/small", "sh", "-c", ALIVE]
        names = ["fb-writer", "fb-zports"]
        self.addCleanup(lambda: docker("volume", "rm", "-f", "fb-writer", check=False))  # the last of these is first
        self.addCleanup(lambda: docker("rm", "-f", "-v", *names, check=False))
        docker("run", "-d", "--name", "fb-writer", "-v", "fb-writer:/data", "fb-test/small", "sh", "-c",
               "echo run >>/data/kept; mkdir -p /data/folder; echo x >/data/folder/$(date +%s%N); " + ALIVE)
        docker("run", "-d", "--name", "fb-zports", *port)
        tree = stack.volume_path("fb-writer")
        write(tree + "/other", "early")
        backup = self.service.backup({"containers": {"names": ["fb-writer", "fb-zports"]}})["id"]
        docker("rm", "-f", "fb-zports")
        write(tree + "/other", "late")
        self.assertEqual(1, len(os.listdir(tree + "/folder")))
        with self.service.port_taken_late(18098):
            operation = self.service.wait_operation(self.service.start_operation(f"/backups/{backup}/restore"))
        self.assertEqual("failed", operation["state"])
        self.assertIn("all was put back", operation["error"]["detail"])
        wait_until("it runs again", lambda: inspect("fb-writer")["State"]["Running"])
        wait_until("it has written", lambda: len(os.listdir(tree + "/folder")) == 2)
        with open(tree + "/kept", encoding="ascii") as kept:
            self.assertEqual("run\nrun\n", kept.read())
        with open(tree + "/other", encoding="ascii") as other:
            self.assertEqual("late", other.read())

    def test_one_that_was_stopped(self):
        docker("stop", "-t", "5", "fb-idle")
        self.assertEqual({"fb-idle": "in_place", "fb-other": "unchanged"}, self.restore())
        self.assertTrue(inspect("fb-idle")["State"]["Running"])


if __name__ == "__main__":
    unittest.main()
