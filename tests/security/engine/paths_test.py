#!/usr/bin/env python3
"""Goal: whoever may write to a folder above or inside a source does not choose where a restore writes: links that were
put in the way are refused and named, links that were there come back, and what was beside stays as it was.
"""

import os
import unittest

from hosts import Case, as_user, both, docker, inspect, looks, read, run, write


class Paths:
    """On the host and in the container alike."""

    def user_folder(self):
        write(self.top + "/home/data/mine", "written by user 1000\n", owner=1000)
        write(self.top + "/home/conf", "the user's text\n", owner=1000)
        run("chown", "-R", "1000:1000", self.top + "/home")
        write(self.top + "/etc/passwd", "root:x:0:0\n")
        write(self.top + "/etc/shadow", "root:HASH\n", 0o600)
        self.container("fb-a", "-v", f"{self.top}/home/data:/data", "-v", f"{self.top}/home/conf:/conf")

    def test_a_folder_becomes_a_link(self):
        self.user_folder()
        backup, victim = self.backup("fb-a"), looks(self.top + "/etc")
        as_user("sh", "-c", f"cd {self.top}/home && mv data old && ln -s {self.top}/etc data")
        self.refused(backup, f"{self.top}/home/data is a link now")
        self.assertEqual(victim, looks(self.top + "/etc"))
        self.assertTrue(inspect("fb-a")["State"]["Running"])

    def test_a_file_becomes_a_link(self):
        self.user_folder()
        backup, victim = self.backup("fb-a"), looks(self.top + "/etc")
        as_user("sh", "-c", f"cd {self.top}/home && rm conf && ln -s {self.top}/etc/shadow conf")
        self.refused(backup, f"{self.top}/home/conf is a link now")
        self.assertEqual(victim, looks(self.top + "/etc"))

    def test_a_file_gets_another_name(self):
        """With fs.protected_hardlinks off, a user may put a second name of any file there."""
        self.user_folder()
        backup, victim = self.backup("fb-a"), looks(self.top + "/etc")
        os.unlink(self.top + "/home/conf")
        os.link(self.top + "/etc/shadow", self.top + "/home/conf")
        self.refused(backup, "has another name on this host now")
        self.assertEqual(victim, looks(self.top + "/etc"))

    def test_a_folder_above_becomes_a_link(self):
        self.user_folder()
        backup = self.backup("fb-a")
        os.rename(self.top + "/home", self.top + "/home.old")
        os.symlink(self.top + "/etc", self.top + "/home")
        write(self.top + "/etc/data/victim", "stays\n")
        victim = looks(self.top + "/etc")
        self.refused(backup, f"{self.top}/home is a link now")
        self.assertEqual(victim, looks(self.top + "/etc"))

    def test_it_is_gone_and_a_link_leads_elsewhere(self):
        """Nothing is made where a link above leads, either."""
        self.user_folder()
        backup = self.backup("fb-a")
        as_user("sh", "-c", f"cd {self.top}/home && rm -r data && ln -s {self.top}/etc/new data")
        self.refused(backup, f"{self.top}/home/data is a link now")
        self.assertFalse(os.path.lexists(self.top + "/etc/new"))

    def test_the_same_folder_behind_a_link(self):
        """Moved by its owner to another place, with a link: it is the same folder, and is restored there."""
        self.user_folder()
        backup = self.backup("fb-a")
        os.rename(self.top + "/home/data", self.top + "/moved")
        os.symlink(self.top + "/moved", self.top + "/home/data")
        write(self.top + "/moved/mine", "overwritten\n")
        self.restore(backup)
        self.assertEqual("written by user 1000\n", read(self.top + "/moved/mine"))
        self.assertEqual(self.top + "/moved", os.readlink(self.top + "/home/data"))

    def releases(self):
        write(self.top + "/app/releases/1/version", "1\n")
        write(self.top + "/app/releases/2/version", "2\n")
        write(self.top + "/app/releases/2/more", "only here\n")
        os.symlink("releases/1", self.top + "/app/live")
        self.container("fb-a", "-v", f"{self.top}/app/live:/app")
        return self.backup("fb-a"), looks(self.top + "/app")

    def test_a_link_that_is_a_source(self):
        backup, before = self.releases()
        os.unlink(self.top + "/app/live")
        os.symlink("releases/2", self.top + "/app/live")
        write(self.top + "/app/releases/1/version", "broken\n")
        dry = self.restore(backup, dry_run=True)
        self.assertIn("leads to releases/1 again", " ".join(dry["warnings"]))
        self.assertEqual("releases/2", os.readlink(self.top + "/app/live"))
        self.restore(backup)
        self.assertEqual(before, looks(self.top + "/app"))
        self.assertEqual("1\n", docker("exec", "fb-a", "cat", "/app/version"))

    def test_a_link_that_is_a_source_and_all_is_gone(self):
        backup, before = self.releases()
        docker("rm", "-f", "fb-a")
        run("rm", "-r", self.top + "/app/live", self.top + "/app/releases/1")
        self.restore(backup)
        self.assertEqual(before, looks(self.top + "/app"))

    def test_a_link_is_undone(self):
        """What is restored cannot start: the link leads where it led before."""
        write(self.top + "/app/releases/1/version", "1\n")
        write(self.top + "/app/releases/2/version", "2\n")
        os.symlink("releases/1", self.top + "/app/live")
        self.container("fb-a", "-v", f"{self.top}/app/live:/app", "-p", "127.0.0.1:19099:80")
        backup = self.backup("fb-a")
        docker("stop", "-t", "1", "fb-a")
        os.unlink(self.top + "/app/live")
        os.symlink("releases/2", self.top + "/app/live")
        before = looks(self.top + "/app")
        with self.service.port_taken_late(19099):
            done = self.try_restore(backup)
        self.assertEqual("failed", done["state"], done)
        self.assertIn("all was put back", done["error"]["detail"])
        self.assertEqual(before, looks(self.top + "/app"))

    def test_a_link_that_became_a_folder(self):
        backup, _ = self.releases()
        os.unlink(self.top + "/app/live")
        write(self.top + "/app/live/somebody", "else's\n")
        before = looks(self.top + "/app")
        self.refused(backup, f"{self.top}/app/live was a link")
        self.assertEqual(before, looks(self.top + "/app"))

    def test_folders_above_come_back_as_they_were(self):
        write(self.top + "/private/of/one/data/x", "x\n")
        os.chmod(self.top + "/private", 0o700)
        os.chmod(self.top + "/private/of", 0o2711)
        os.chown(self.top + "/private/of/one", 1000, 1001)
        self.container("fb-a", "-v", f"{self.top}/private/of/one/data:/data")
        backup, before = self.backup("fb-a"), looks(self.top)
        docker("rm", "-f", "fb-a")
        run("rm", "-r", self.top + "/private")
        self.restore(backup)
        self.assertEqual(before, looks(self.top))
        self.assertEqual(1001, os.stat(self.top + "/private/of/one").st_gid)

    def test_a_path_with_a_colon(self):
        write(self.top + "/a:b/x", "x\n")
        docker("run", "-d", "--name", "fb-a", "--mount", f"type=bind,src={self.top}/a:b,dst=/data", "fb-test/small",
               "sleep", "1000")
        backup, before = self.backup("fb-a"), looks(self.top)
        run("rm", "-r", self.top + "/a:b")
        self.restore(backup, only={"host_paths": [self.top + "/a:b"]})
        self.assertEqual(before, looks(self.top))

    def test_a_mount_below(self):
        """All else comes back; what is mounted there stays, and the folder around it."""
        write(self.top + "/srv/a/x", "x\n")
        write(self.top + "/srv/b/y", "y\n")
        self.container("fb-a", "-v", f"{self.top}/srv:/srv")
        backup = self.backup("fb-a")
        os.makedirs(self.top + "/srv/a/mnt")
        run("mount", "-t", "tmpfs", "tmpfs", self.top + "/srv/a/mnt")
        self.addCleanup(run, "umount", self.top + "/srv/a/mnt")
        write(self.top + "/srv/a/mnt/other", "stays\n")
        self.restore(backup, dry_run=True)
        write(self.top + "/srv/a/x", "broken\n")
        write(self.top + "/srv/b/y", "broken\n")
        write(self.top + "/srv/b/z", "too much\n")
        result = self.restore(backup)
        self.assertIn("stays as it is: a/mnt", " ".join(result["warnings"]))
        self.assertEqual(("x\n", "y\n", "stays\n"), tuple(
            read(f"{self.top}/srv/{name}") for name in ("a/x", "b/y", "a/mnt/other")))
        self.assertFalse(os.path.exists(self.top + "/srv/b/z"))


class InContainer(Paths, Case):
    pass


class OnTheHost(Paths, Case):
    on_the_host = True


def load_tests(loader, _tests, _pattern):
    return both(loader, OnTheHost, InContainer, [
        "test_a_folder_becomes_a_link",
        "test_a_file_becomes_a_link",
        "test_a_link_that_is_a_source",
        "test_folders_above_come_back_as_they_were",
        "test_a_path_with_a_colon",
        "test_a_mount_below"])


if __name__ == "__main__":
    unittest.main()
