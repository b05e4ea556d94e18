# Goal: no hostile archive makes the service write one byte outside of its store.
"""Once over the whole file system, with an overlay that catches every write and a find for what is newer, and once with
a root that is mounted read-only, where all answers have to be the same.
"""

import os
import shlex
import subprocess
import time

import hostile
from case import ServiceCase

ZSTD = {"Content-Type": "application/zstd"}
PROLOGUE = """set -e
mount -t tmpfs tmpfs {over}; mkdir {over}/upper {over}/work {over}/root
{mount}
mount --bind {folder} {over}/root{folder}
mount --rbind /proc {over}/root/proc; mount --rbind /dev {over}/root/dev
{then}
exec chroot {over}/root "$0"
"""
OVERLAY = "mount -t overlay overlay -o lowerdir=/,upperdir={over}/upper,workdir={over}/work {over}/root"


class Watched:
    """A service with another root; the test's folder alone is the real one."""

    mount, then = OVERLAY, ":"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service.end()
        cls.over = os.path.join(cls.folder, "over")
        os.mkdir(cls.over)
        words = {"over": shlex.quote(cls.over), "folder": shlex.quote(cls.folder)}
        script = PROLOGUE.format(mount=cls.mount.format(**words), then=cls.then.format(**words), **words)
        cls.service.wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        cls.service.start()
        cls.stamp = os.path.join(cls.folder, "stamp")

    def inside(self, *command, chroot=False):
        """Run it in the service's mounts, or in its root."""
        root = ["--root"] if chroot else []
        done = subprocess.run(["nsenter", "--mount", *root, "--target", str(self.service.process.pid), *command],
                              capture_output=True, text=True, errors="surrogateescape", check=False)
        vanished = "No such file or directory"  # others of this machine made and removed it meanwhile
        self.assertEqual([] if done.returncode == 0 else
                         [line for line in done.stderr.splitlines() if not line.endswith(vanished)], [])
        return done.stdout

    def refuse_all(self):
        for name, data, reason in hostile.hostile():
            with self.subTest(name):
                reply = self.api("PUT", "/archives", data, ZSTD)
                self.assertIn(reply.status, (400, 413), reply)
                self.problem(reply, reply.status, "archive-refused" if reply.status == 400 else "too-large", reason)
                self.assertNotIn("Read-only", reply.json["detail"])
        self.assertEqual([], self.api("GET", "/backups").json["backups"])
        self.assertEqual(["log", "stamp"], sorted(
            name for name in os.listdir(self.folder) if name not in ("data", "store", "plan.json", "engine.sock", "over")))


class OverlayCase(Watched, ServiceCase):
    def written(self):
        """What this service alone wrote since the stamp, but for its store: others write below it, not into its overlay."""
        places = (self.over + "/upper", self.folder)
        found = self.inside("find", *places, "-ignore_readdir_race", "-xdev", "-newercm", self.stamp).splitlines()
        return [path for path in found if not path.startswith((self.service.store, self.folder + "/log"))
                and path not in (self.folder, self.over + "/upper", self.over, self.stamp)]

    def test_nothing_is_written(self):
        with open(self.stamp, "w", encoding="ascii"):
            pass
        time.sleep(0.05)  # times of files are those of the kernel's last tick
        self.inside("touch", "/etc/control", chroot=True)
        caught = self.inside("find", self.over + "/upper", "-type", "f").split()
        self.assertEqual([self.over + "/upper/etc/control"], caught, "a write is not seen")
        self.assertIn(self.over + "/upper/etc/control", self.written())
        self.inside("rm", "/etc/control", chroot=True)
        # Below its root: there self_find makes a probe file for the engine to see, and removes it at once.
        look = ("find", self.over + "/upper", "-mindepth", "1", "-printf", "%p %s %C@\\n")
        before = self.inside(*look)
        with open(self.stamp, "w", encoding="ascii"):
            pass
        self.refuse_all()
        self.assertEqual(before, self.inside(*look))
        self.assertEqual([], self.written())


class ReadOnlyCase(Watched, ServiceCase):
    mount = "mount --bind / {over}/root"
    then = "mount -o remount,ro,bind {over}/root"

    def test_nothing_has_to_be_written(self):
        with open(self.stamp, "w", encoding="ascii"):
            pass
        with self.assertRaises(AssertionError):
            self.inside("touch", "/etc/control", chroot=True)
        self.refuse_all()
