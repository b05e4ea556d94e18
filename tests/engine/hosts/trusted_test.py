#!/usr/bin/env python3
"""Goal: attributes trusted.*, which only who has SYS_ADMIN sees and sets, are in the backups of the volumes, binds and layers
of containers that have it (an engine inside a container marks its layers with them), and come back; elsewhere they are told.
"""

import os
import shutil
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recreate import ALIVE, Case, IMAGE, WORK, docker, stack, unittest  # pylint: disable=wrong-import-position


def trusted(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
            if name.startswith("trusted.")}


def all_trusted(top):
    """{path: its attributes} of all below it that have any."""
    found = {".": trusted(top)}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = trusted(path)
    return {path: one for path, one in found.items() if one}


def start(name, *options):
    return docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", ALIVE).strip()


class TrustedTest(Case):
    def engine_inside(self, top):
        """What an engine inside leaves in a volume: opaque and redirected folders, deletions, a metacopy."""
        for folder in ("l1/diff/etc", "l2/diff/etc/new", "l2/diff/moved", "many"):
            os.makedirs(os.path.join(top, folder))
        os.setxattr(top + "/l2/diff/etc", "trusted.overlay.opaque", b"y")
        os.setxattr(top + "/l2/diff/moved", "trusted.overlay.redirect", b"/etc")
        os.mknod(top + "/l2/diff/gone", stat.S_IFCHR, os.makedev(0, 0))
        os.symlink("nowhere", top + "/l2/link")
        os.setxattr(top + "/l2/link", "trusted.note", b"of a link", follow_symlinks=False)
        for name, value in (("l1/diff/etc/file", b"x"), ("l2/diff/etc/new/file", bytes(range(256)) * 8)):
            with open(os.path.join(top, name), "wb") as out:
                out.write(name.encode())
            os.setxattr(os.path.join(top, name), "trusted.note", value)
        for i in range(50):
            with open(f"{top}/many/{i}", "wb") as out:
                out.write(b"plain")
        with open(top + "/large", "wb") as out:
            out.write(os.urandom(3 << 20))
        os.setxattr(top + "/large", "trusted.glusterfs.id", b"\0\1\2")
        os.setxattr(top, "trusted.root", b"")

    def told_of_trusted(self, backup):
        return [one for one in self.service.api("GET", "/backups/" + backup).json["warnings"] if "trusted." in one]

    def test_kept(self):
        folder = os.path.join(WORK, "bound")
        os.makedirs(folder)
        start("fb-dind", "--cap-add", "SYS_ADMIN", "-v", "fb-dind:/data", "-v", folder + ":/bound")
        volume = stack.volume_path("fb-dind")
        for top in (volume, folder):
            self.engine_inside(top)
        layer = stack.upper("fb-dind")
        docker("exec", "fb-dind", "sh", "-c", "mkdir /mine; echo x >/mine/file")
        os.setxattr(layer + "/mine", "trusted.note", b"folder")
        os.setxattr(layer + "/mine/file", "trusted.note", b"file")
        before = {top: all_trusted(top) for top in (volume, folder)}
        backup = self.backup()
        self.assertEqual([], self.told_of_trusted(backup))
        dry = self.dry_run(backup)
        self.assertEqual([], dry["sources"], dry)
        with self.subTest("in place"):
            os.removexattr(volume + "/l2/diff/etc", "trusted.overlay.opaque")
            os.setxattr(volume + "/l1", "trusted.overlay.opaque", b"y")  # not of the backup
            os.setxattr(volume + "/l2/diff/etc/new/file", "trusted.note", b"another")
            os.setxattr(volume + "/many/7", "trusted.more", b"1")
            os.removexattr(volume + "/l2/link", "trusted.note", follow_symlinks=False)
            with open(volume + "/large", "r+b") as out:
                out.write(b"changed")
            os.removexattr(volume + "/large", "trusted.glusterfs.id")
            os.removexattr(layer + "/mine", "trusted.note")
            self.restore(backup)
            self.assertEqual(before[volume], all_trusted(volume))
            self.assertEqual({"trusted.note": b"folder"}, {k: v for k, v in trusted(layer + "/mine").items()
                                                           if not k.startswith("trusted.overlay.")})
        with self.subTest("from nothing"):
            docker("rm", "-f", "-v", "fb-dind")
            docker("volume", "rm", "fb-dind")
            shutil.rmtree(folder)
            os.makedirs(folder)
            result = self.restore(backup)
            self.assertEqual([], [one for one in result["warnings"] if "trusted." in one])
            volume, layer = stack.volume_path("fb-dind"), stack.upper("fb-dind")
            self.assertEqual(before, {os.path.join(os.path.dirname(os.path.dirname(volume)), "fb-dind/_data"): all_trusted(volume),
                                      folder: all_trusted(folder)})
            self.assertTrue(stat.S_ISCHR(os.lstat(volume + "/l2/diff/gone").st_mode))
            self.assertEqual(b"file", os.getxattr(layer + "/mine/file", "trusted.note"))

    def test_undone(self):
        """A restore that fails leaves them as they were before it."""
        start("fb-dind", "--cap-add", "SYS_ADMIN", "-v", "fb-dind:/data")
        top = stack.volume_path("fb-dind")
        self.engine_inside(top)
        docker("run", "-d", "--name", "fb-late", IMAGE, "sh", "-c", "test -e /bad && exit 1; " + ALIVE)
        docker("exec", "fb-late", "touch", "/bad")  # what the backup has fails at its next start
        backup = self.backup()
        docker("exec", "fb-late", "rm", "/bad")
        os.setxattr(top + "/l1", "trusted.overlay.opaque", b"y")
        os.removexattr(top + "/l2/diff/etc", "trusted.overlay.opaque")
        os.chmod(top + "/l2/diff/etc", 0o711)
        os.removexattr(top + "/large", "trusted.glusterfs.id")
        with open(top + "/large", "r+b") as out:
            out.write(b"changed")
        os.setxattr(top + "/large", "trusted.other", b"z")
        before = all_trusted(top)
        self.assertIn("put back", self.fails(backup, {"confirm": backup}))
        self.assertEqual(before, all_trusted(top))

    def test_changes_are_seen(self):
        """Nothing but an attribute changes, then nothing at all."""
        start("fb-dind", "--cap-add", "SYS_ADMIN", "-v", "fb-dind:/data")
        top = stack.volume_path("fb-dind")
        self.engine_inside(top)
        backups = [self.backup()]
        os.setxattr(top + "/many/3", "trusted.late", b"1")
        states = [None, all_trusted(top)]
        backups.append(self.backup())
        backups.append(self.backup())
        self.assertIn("many/3", states[1])
        os.removexattr(top + "/many/3", "trusted.late")
        self.restore(backups[2])
        self.assertEqual(states[1], all_trusted(top))
        self.restore(backups[0])
        self.assertNotIn("many/3", all_trusted(top))

    def test_told(self):
        """Set by the host in what no container with SYS_ADMIN uses: each source is told, and nothing fails."""
        folder = os.path.join(WORK, "host")
        os.makedirs(folder)
        start("fb-a", "-v", "fb-plain:/data", "-v", folder + ":/bound")
        docker("exec", "fb-a", "sh", "-c", "echo x >/data/file; echo x >/bound/file; echo x >/file")
        for path in (stack.volume_path("fb-plain") + "/file", folder + "/file", stack.upper("fb-a") + "/file"):
            os.setxattr(path, "trusted.gfid", b"1")
        backup = self.backup()
        told = self.told_of_trusted(backup)
        self.assertEqual(3, len(told), told)
        for kind in ("volume fb-plain", "layer fb-a", "bind " + folder):
            self.assertTrue([one for one in told if one.startswith(kind + " has 1 file")], told)
        self.restore(backup)
        self.assertEqual({"trusted.gfid": b"1"}, trusted(folder + "/file"))  # it was not touched


if __name__ == "__main__":
    unittest.main()
