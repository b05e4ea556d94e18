#!/usr/bin/env python3
"""Goal: nothing outside a backup changes: not the store, the engine's data or what an archive from elsewhere names, not
the second name of a folder, not the data under a container that nobody asked about, on the host and in a container.
"""

import json
import os
import unittest

from hosts import ALIVE, IMAGE, Case, as_user, both, docker, hostile, inspect, looks, read, run, write


def archive(kind, path, name=None, files=(("evil", b"evil\n"),), volumes=(), place=None):
    """One from elsewhere, with a single source that has these files."""
    head = hostile.manifest()
    head["containers"] = head["images"] = head["networks"] = []
    head["volumes"] = list(volumes)
    prefix = {"host": "host" + path, "bind": "binds" + path, "volume": f"volumes/{name}"}[kind]
    head["sources"] = [{"kind": kind, "name": name or path, "path": path, "prefix": prefix, "file": False}]
    if place:
        head["sources"][0]["place"] = place
    pieces = [hostile.entry("backup.json", json.dumps(head).encode()), hostile.entry("RESTORE.txt", b"x"),
              hostile.folder(prefix), *(hostile.entry(f"{prefix}/{file}", text) for file, text in files)]
    return hostile.tar(pieces)


class Places:
    def forget(self, backup):
        self.service.api("DELETE", "/backups/" + backup)

    def from_elsewhere(self, *arguments, **more):
        self.forget(hostile.ID)
        self.put(archive(*arguments, **more))
        self.addCleanup(self.forget, hostile.ID)
        return hostile.ID

    def store_as_the_host_sees_it(self):
        return self.service.store

    def test_protected_places(self):
        """The store, what is below and above it, the engine's data, the kernel's: named, and nothing changes."""
        store = self.store_as_the_host_sees_it()
        self.container("fb-a")
        own = self.backup("fb-a")
        data = docker("info", "-f", "{{.DockerRootDir}}").strip()
        token = read(store + "/token")
        os.symlink(store, self.top + "/other-name")
        for path in (store, store + "/packs", store + "/new/folder", data, data + "/volumes", "/proc/sys", "/sys/new",
                     "/dev", "/dev/shm", self.top + "/other-name", self.top + "/other-name/packs"):
            with self.subTest(path=path):
                backup = self.from_elsewhere("host", path)
                self.refused(backup, "nothing is ever written there")
        self.assertEqual(token, read(store + "/token"))
        self.restore(own, dry_run=True)
        reply = self.service.api("POST", f"/backups/{own}/verify")
        self.assertEqual("succeeded", self.service.wait_operation("/operations/" + reply.json["id"])["state"])

    def test_what_holds_the_store(self):
        """It is restored around the store, whatever the archive has there."""
        store = self.store_as_the_host_sees_it()
        above = os.path.dirname(store)
        token = read(store + "/token")
        backup = self.from_elsewhere("host", above, files=(("mine", b"mine\n"),))
        result = self.restore(backup)
        self.assertIn("the store of this service", " ".join(result["warnings"]))
        self.assertEqual((token, "mine\n"), (read(store + "/token"), read(above + "/mine")))
        self.container("fb-a")
        self.restore(self.backup("fb-a"), dry_run=True)

    def test_a_backup_of_what_holds_the_store(self):
        store = self.store_as_the_host_sees_it()
        self.container("fb-a")
        backup = self.backup("fb-a", host_paths=[os.path.dirname(store)])
        record = self.service.api("GET", "/backups/" + backup).json
        self.assertIn("the store of this service", " ".join(record["warnings"]))
        files = self.service.api("GET", f"/backups/{backup}/files/host{os.path.dirname(store)}/").body.decode()
        self.assertNotIn(f'"{os.path.basename(store)}"', files)

    def test_a_name_that_is_a_pattern(self):
        """A path is compared as a path: [ab] is not a or b."""
        write(self.top + "/[ab]/x", "x\n")
        write(self.top + "/a/x", "x\n")
        self.container("fb-a", "-v", f"{self.top}/[ab]:/one", "-v", f"{self.top}/a:/two")
        backup, before = self.backup("fb-a"), looks(self.top)
        write(self.top + "/[ab]/x", "broken\n")
        write(self.top + "/a/x", "broken\n")
        self.restore(backup)
        self.assertEqual(before, looks(self.top))

    def test_a_volume_is_where_the_engine_says(self):
        write(self.top + "/victim/precious", "stays\n")
        docker("volume", "create", "fb-v")
        backup = self.from_elsewhere("volume", self.top + "/victim", "fb-v",
                                     volumes=[{"Name": "fb-v", "Driver": "local"}])
        self.restore(backup)
        self.assertEqual(["precious"], os.listdir(self.top + "/victim"))
        place = json.loads(docker("volume", "inspect", "fb-v"))[0]["Mountpoint"]
        self.assertEqual(["evil"], os.listdir(place))

    def test_a_link_that_is_not_the_sources(self):
        """An archive can have its own source's link put back, no other one."""
        write(self.top + "/mine/x", "x\n")
        write(self.top + "/etc/x", "stays\n")
        os.symlink("right", self.top + "/etc/link")
        before = looks(self.top + "/etc")
        link = {"path": self.top + "/etc/link", "to": "wrong", "itself": True}
        backup = self.from_elsewhere("host", self.top + "/mine", place={"real": self.top + "/mine", "links": [link], "above": []})
        self.refused(backup, f"{self.top}/etc/link was a link to wrong")
        backup = self.from_elsewhere("host", self.top + "/mine", place={"real": self.store_as_the_host_sees_it(), "links": [], "above": []})
        self.refused(backup, "nothing is ever written there")
        self.assertEqual(before, looks(self.top + "/etc"))

    def bound_volume(self, name, device):
        docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=" + device, name)

    def test_a_bound_volume_of_a_stopped_container(self):
        write(self.top + "/device/x", "x\n")
        self.bound_volume("fb-v", self.top + "/device")
        docker("create", "--name", "fb-a", "-v", "fb-v:/data", IMAGE, "sh", "-c", ALIVE)
        backup, before = self.backup("fb-a"), looks(self.top)
        write(self.top + "/device/x", "broken\n")
        write(self.top + "/device/y", "too much\n")
        self.restore(backup)
        self.assertEqual(before, looks(self.top))

    def test_a_bound_volume_becomes_a_link(self):
        write(self.top + "/home/device/x", "x\n", owner=1000)
        run("chown", "-R", "1000:1000", self.top + "/home")
        write(self.top + "/etc/x", "stays\n")
        self.bound_volume("fb-v", self.top + "/home/device")
        docker("create", "--name", "fb-a", "-v", "fb-v:/data", IMAGE, "sh", "-c", ALIVE)
        backup, before = self.backup("fb-a"), looks(self.top + "/etc")
        as_user("sh", "-c", f"cd {self.top}/home && mv device old && ln -s ../etc device")
        self.refused(backup, f"{self.top}/home/device is a link now")
        self.assertEqual(before, looks(self.top + "/etc"))

    def test_a_missing_device_is_made(self):
        write(self.top + "/far/device/x", "x\n")
        os.chmod(self.top + "/far", 0o700)
        self.bound_volume("fb-v", self.top + "/far/device")
        self.container("fb-a", "-v", "fb-v:/data")
        backup, before = self.backup("fb-a"), looks(self.top)
        docker("rm", "-f", "fb-a")
        docker("volume", "rm", "fb-v")
        run("rm", "-r", self.top + "/far")
        self.restore(backup, dry_run=True)
        self.restore(backup)
        self.assertEqual(before, looks(self.top))

    def test_two_volumes_are_one_folder(self):
        """And a bind of it, and one of a folder in it."""
        write(self.top + "/media/sub/x", "x\n")
        for name in ("fb-one", "fb-two"):
            self.bound_volume(name, self.top + "/media")
        self.container("fb-a", "-v", "fb-one:/data")
        self.container("fb-b", "-v", "fb-two:/data")
        self.container("fb-c", "-v", f"{self.top}/media/sub:/data")
        backup, before = self.backup("fb-a", "fb-b", "fb-c"), looks(self.top)
        write(self.top + "/media/sub/x", "broken\n")
        write(self.top + "/media/more", "too much\n")
        self.restore(backup, dry_run=True)
        started = {name: inspect(name)["State"]["StartedAt"] for name in ("fb-a", "fb-b", "fb-c")}
        self.restore(backup)
        self.assertEqual(before, looks(self.top))
        for name, then in started.items():
            self.assertNotEqual(then, inspect(name)["State"]["StartedAt"], f"{name} ran while its data changed")
        self.restore(backup, only={"volumes": ["fb-two"]})
        self.assertEqual(before, looks(self.top))

    def outside(self, *options):
        docker("volume", "create", "fb-v")
        self.container("fb-a", "-v", "fb-v:/data", command=("sh", "-c", f"echo old >/data/f; {ALIVE}"))
        run("sh", "-c", "until docker exec fb-a cat /data/f; do sleep 0.1; done")
        backup = self.backup("fb-a")
        self.container("fb-outside", *options)
        docker("exec", "fb-a", "sh", "-c", "echo new >/data/f")
        return backup, inspect("fb-outside")["State"]["StartedAt"]

    def test_a_container_outside_uses_the_volume(self):
        backup, started = self.outside("-v", "fb-v:/other", "--restart", "always")
        dry = self.restore(backup, dry_run=True)
        self.assertIn({"name": "fb-outside", "way": "restarted"}, dry["containers"])
        self.assertEqual(started, inspect("fb-outside")["State"]["StartedAt"])
        self.restore(backup)
        now = inspect("fb-outside")
        self.assertNotEqual(started, now["State"]["StartedAt"])
        self.assertTrue(now["State"]["Running"])
        self.assertEqual("always", now["HostConfig"]["RestartPolicy"]["Name"])
        self.assertEqual("old\n", docker("exec", "fb-outside", "cat", "/other/f"))

    def test_a_container_outside_binds_the_volumes_folder(self):
        backup, started = self.outside()
        docker("rm", "-f", "fb-outside")
        place = json.loads(docker("volume", "inspect", "fb-v"))[0]["Mountpoint"]
        self.container("fb-outside", "-v", f"{place}:/other:ro")
        started = inspect("fb-outside")["State"]["StartedAt"]
        self.restore(backup)
        self.assertNotEqual(started, inspect("fb-outside")["State"]["StartedAt"])

    def test_a_container_outside_in_its_network_namespace(self):
        backup, started = self.outside("--network", "container:fb-a")
        self.restore(backup)
        self.assertNotEqual(started, inspect("fb-outside")["State"]["StartedAt"])

    def test_a_container_outside_that_is_excluded(self):
        backup, started = self.outside("-v", "fb-v:/other", "--label", "fuel-backup.exclude=true")
        self.refused(backup, "fb-outside", "stop it first")
        self.assertEqual("new\n", docker("exec", "fb-a", "cat", "/data/f"))
        self.assertEqual(started, inspect("fb-outside")["State"]["StartedAt"])

    def test_a_container_outside_that_has_nothing_to_do_with_it(self):
        backup, started = self.outside("-v", f"{self.top}:/other")
        self.restore(backup)
        self.assertEqual(started, inspect("fb-outside")["State"]["StartedAt"])

    def test_beside_below_a_users_folder(self):
        write(self.top + "/data/x", "x\n")
        write(self.top + "/etc/y", "y\n")
        os.makedirs(self.top + "/home/in")
        run("chown", "-R", "1000:1000", self.top + "/home")
        self.container("fb-a", "-v", f"{self.top}/data:/data")
        backup, only = self.backup("fb-a"), {"host_paths": [self.top + "/data"]}
        self.restore(backup, only=only, **{"as": self.top + "/home/in/copy"})
        self.assertEqual("x\n", read(self.top + "/home/in/copy/x"))
        as_user("sh", "-c", f"cd {self.top}/home && rm -rf in/copy; mv in was; ln -s ../etc in")
        self.refused(backup, f"{self.top}/home/in is a link", only=only, **{"as": self.top + "/home/in/copy"})
        self.assertEqual(["y"], os.listdir(self.top + "/etc"))
        store = self.store_as_the_host_sees_it()
        self.refused(backup, "nothing is ever written there", only=only, **{"as": store + "/packs/copy"})


class InContainer(Places, Case):
    pass


class OnTheHost(Places, Case):
    on_the_host = True


def load_tests(loader, _tests, _pattern):
    return both(loader, OnTheHost, InContainer, [
        "test_protected_places",
        "test_a_bound_volume_of_a_stopped_container",
        "test_two_volumes_are_one_folder",
        "test_a_container_outside_uses_the_volume"])


if __name__ == "__main__":
    unittest.main()
