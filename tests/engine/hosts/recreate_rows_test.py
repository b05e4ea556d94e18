#!/usr/bin/env python3
"""Goal: what is made again equals what was inspected, also where it was made in an odd way, or refers to what is gone."""

import shutil
import socket

from recreate import ALIVE, Case, IMAGE, WORK, docker, inspect, json, os, unittest

ENTRY = "fb-entry"


def start(name, *options, image=IMAGE, command=("sh", "-c", ALIVE)):
    return docker("run", "-d", "--name", name, *options, image, *command).strip()


def networks(name):
    return inspect(name)["NetworkSettings"]["Networks"]


def process(name):
    return docker("exec", name, "cat", "/proc/1/cmdline")


class RowsTest(Case):
    def gone(self, *names, body=None):
        """Back up all, remove the containers and restore; the result.  Nothing is to be done the second time."""
        before = {name: inspect(name) for name in names}
        backup = self.backup(*names)
        docker("rm", "-f", *names)
        result = self.restore(backup, body)
        for name in names:
            self.assert_same(before[name], name)
        self.again(backup, names)
        self.names = backup
        return result

    def again(self, backup, names):
        ways = {c["name"]: c["way"] for c in self.restore(backup)["containers"]}
        self.assertEqual({name: "unchanged" for name in names}, ways)

    # ---- mounts ----

    def test_a_slash_at_the_end(self):
        for number, (option, place) in enumerate((("fb-v:/data/", "/data"), ("fb-v://data//", "/data"),
                                                  ("fb-v:/x/../data/./", "/data"), ("/data/", "/data"),
                                                  (f"{WORK}/bound:/data/", "/data"))):
            with self.subTest(option=option):
                name = f"fb-{number}"
                start(name, "-v", option)
                docker("exec", name, "sh", "-c", f"echo {number} >{place}/file")
                volume = inspect(name)["Mounts"][0]["Source"]
                self.gone(name)
                self.assertEqual(volume, inspect(name)["Mounts"][0]["Source"])
                self.assertEqual(f"{number}\n", docker("exec", name, "cat", place + "/file"))
                docker("rm", "-f", name)

    def test_a_slash_at_the_end_of_a_mount(self):
        start("fb-one", "--mount", "type=volume,source=fb-v,target=/data/", "--mount", "type=volume,target=/anon/",
              "--mount", "type=tmpfs,target=/scratch/", "--tmpfs", "/more/")
        docker("exec", "fb-one", "sh", "-c", "echo 1 >/data/file; echo 2 >/anon/file")
        self.gone("fb-one")
        self.assertEqual("1\n2\n", docker("exec", "fb-one", "cat", "/data/file", "/anon/file"))

    def test_own_volumes_beside_borrowed_ones(self):
        """An anonymous volume of a container that borrows others is its own."""
        start("fb-owner", "-v", "/lent")
        start("fb-borrower", "-v", "/own", "--volumes-from", "fb-owner:ro")
        docker("exec", "fb-owner", "sh", "-c", "echo lent >/lent/file")
        docker("exec", "fb-borrower", "sh", "-c", "echo own >/own/file")
        self.gone("fb-owner", "fb-borrower")
        self.assertEqual("lent\nown\n", docker("exec", "fb-borrower", "cat", "/lent/file", "/own/file"))

    def test_borrowed_by_id(self):
        """Compose writes ids, people the beginning of one."""
        owner = start("fb-owner", "-v", "/lent", "-v", "fb-v:/named")
        for number, ref in enumerate((owner, owner[:12], owner[:5] + ":ro")):
            start(f"fb-{number}", "--volumes-from", ref)
        docker("exec", "fb-owner", "sh", "-c", "echo lent >/lent/file; echo named >/named/file")
        names = ["fb-owner", "fb-0", "fb-1", "fb-2"]
        before = {name: inspect(name) for name in names}
        backup = self.backup(*names)
        docker("rm", "-f", *names)
        self.restore(backup)
        now = inspect("fb-owner")["Id"]
        for number, mode in enumerate(("", "", ":ro")):
            self.assertEqual([now + mode], inspect(f"fb-{number}")["HostConfig"]["VolumesFrom"])
            self.assertEqual("lent\nnamed\n", docker("exec", f"fb-{number}", "cat", "/lent/file", "/named/file"))
            self.assertEqual([m["RW"] for m in before[f"fb-{number}"]["Mounts"]],
                             [m["RW"] for m in inspect(f"fb-{number}")["Mounts"]])
        self.again(backup, names)

    def test_borrowed_from_one_that_is_gone(self):
        """Outside of the plan, and gone: what it lent is bound by its names."""
        os.makedirs(WORK + "/bound", exist_ok=True)
        owner = start("fb-owner", "-v", "/lent", "-v", "fb-v:/named:ro", "-v", WORK + "/bound:/bound")
        start("fb-by-id", "--volumes-from", owner)
        start("fb-by-name", "--volumes-from", "fb-owner:ro")
        docker("exec", "fb-owner", "sh", "-c", "echo lent >/lent/file; echo bound >/bound/file")
        mounts = {name: sorted((m["Destination"], m["Source"], m["RW"]) for m in inspect(name)["Mounts"])
                  for name in ("fb-by-id", "fb-by-name")}
        backup = self.backup("fb-by-*")
        docker("rm", "-f", "fb-owner", "fb-by-id", "fb-by-name")
        result = self.restore(backup)
        for name, before in mounts.items():
            self.told(result, name, "volumes-from")
            self.assertEqual(before, sorted((m["Destination"], m["Source"], m["RW"]) for m in inspect(name)["Mounts"]))
            self.assertEqual("lent\nbound\n", docker("exec", name, "cat", "/lent/file", "/bound/file"))
        self.again(backup, mounts)

    def test_borrowed_from_one_outside(self):
        """Outside of the plan, and there: it stays what it is."""
        owner = start("fb-owner", "-v", "/lent")
        start("fb-one", "--volumes-from", owner)
        self.assertEqual([], self.gone("fb-one")["warnings"])
        self.assertEqual([owner], inspect("fb-one")["HostConfig"]["VolumesFrom"])

    def test_a_colon(self):
        """It parts the fields of a bind."""
        place = WORK + "/a:b"
        os.makedirs(place, exist_ok=True)
        with open(place + "/file", "w", encoding="ascii") as out:
            out.write("kept\n")
        start("fb-one", "--mount", f"type=bind,source={place},target=/data", "--mount",
              "type=volume,target=/x:y", "--mount", "type=volume,source=fb-v,target=/named:too")
        docker("exec", "fb-one", "sh", "-c", "echo anonymous >/x:y/file; echo named >/named:too/file")
        before = inspect("fb-one")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        shutil.rmtree(place)
        self.restore(backup)
        self.assert_same(before, "fb-one")
        self.assertEqual("kept\nanonymous\nnamed\n", docker(
            "exec", "fb-one", "cat", "/data/file", "/x:y/file", "/named:too/file"))
        self.again(backup, ["fb-one"])

    def test_single_files(self):
        """As Compose's secrets and configs: an engine refuses the mount of a file that is not there."""
        folder = WORK + "/compose"
        os.makedirs(folder, exist_ok=True)
        for name in ("secret", "config"):
            with open(f"{folder}/{name}.txt", "w", encoding="ascii") as out:
                out.write(name + "\n")
        os.chmod(folder + "/secret.txt", 0o400)
        start("fb-one", "--mount", f"type=bind,source={folder}/secret.txt,target=/run/secrets/s,readonly",
              "--mount", f"type=bind,source={folder}/config.txt,target=/etc/config,readonly")
        before = inspect("fb-one")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        shutil.rmtree(folder)
        self.restore(backup)
        self.assert_same(before, "fb-one")
        self.assertEqual("secret\nconfig\n", docker("exec", "fb-one", "cat", "/run/secrets/s", "/etc/config"))
        self.assertEqual(0o400, os.stat(folder + "/secret.txt").st_mode & 0o7777)
        self.again(backup, ["fb-one"])

    def test_single_files_of_a_restore_that_fails(self):
        """Nothing is left of the files that were to hold the place."""
        path = WORK + "/secret.txt"
        with open(path, "w", encoding="ascii") as out:
            out.write("secret\n")
        start("fb-one", "--mount", f"type=bind,source={path},target=/secret", "-p", "127.0.0.1:18077:1")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        os.unlink(path)
        with self.service.port_taken_late(18077):
            self.assertIn("all was put back", self.fails(backup))
        self.assertFalse(os.path.exists(path))

    # ---- processes ----

    def test_an_entrypoint_that_was_taken_away(self):
        """The image has one of its own, and another process would run."""
        docker("build", "-t", ENTRY, "-", stdin=f"FROM {IMAGE}\nENTRYPOINT [\"sh\", \"-c\", \"sleep 12345\"]\n"
               "CMD [\"ignored\"]\n".encode())
        start("fb-none", "--entrypoint", "", image=ENTRY)
        start("fb-own", "--entrypoint", "sleep", image=ENTRY, command=["54321"])
        start("fb-image", image=ENTRY, command=[])
        start("fb-command", image=ENTRY, command=["more"])
        names = ["fb-none", "fb-own", "fb-image", "fb-command"]
        before = {name: process(name) for name in names}
        self.gone(*names)
        self.assertEqual(before, {name: process(name) for name in names})
        self.assertNotIn("12345", process("fb-none"))

    # ---- networks ----

    def test_disconnected_networks(self):
        for name in ("fb-a", "fb-b"):
            docker("network", "create", name)
        start("fb-main", "--network", "fb-a")
        docker("network", "connect", "--alias", "kept", "fb-b", "fb-main")
        docker("network", "disconnect", "fb-a", "fb-main")
        start("fb-all", "--network", "fb-a")
        docker("network", "disconnect", "fb-a", "fb-all")
        start("fb-default")
        docker("network", "disconnect", "bridge", "fb-default")
        start("fb-none", "--network", "none")
        docker("network", "disconnect", "none", "fb-none")
        docker("network", "connect", "fb-b", "fb-none")
        names = ["fb-main", "fb-all", "fb-default", "fb-none"]
        expected = {"fb-main": ["fb-b"], "fb-all": [], "fb-default": [], "fb-none": ["fb-b"]}
        self.assertEqual(expected, {name: sorted(networks(name)) for name in names})
        self.gone(*names)
        self.assertEqual(expected, {name: sorted(networks(name)) for name in names})
        self.assertIn("kept", networks("fb-main")["fb-b"]["Aliases"])
        docker("network", "connect", "fb-a", "fb-main")
        ways = {c["name"]: c["way"] for c in self.restore(self.names)["containers"]}
        self.assertEqual("replaced", ways["fb-main"])
        self.assertEqual(["fb-b"], list(networks("fb-main")))

    def test_a_network_that_is_gone(self):
        """It was disconnected from it, and the network removed since."""
        for name in ("fb-a", "fb-b"):
            docker("network", "create", name)
        start("fb-one", "--network", "fb-a")
        docker("network", "connect", "fb-b", "fb-one")
        docker("network", "disconnect", "fb-a", "fb-one")
        docker("network", "rm", "fb-a")
        self.gone("fb-one")
        self.assertEqual(["fb-b"], list(networks("fb-one")))

    def test_a_network_by_its_id(self):
        """Whole or short, running or never started."""
        network = docker("network", "create", "--subnet", "172.31.50.0/24", "fb-a").strip()
        start("fb-short", "--network", network[:12], "--network-alias", "short", "--ip", "172.31.50.7")
        start("fb-whole", "--network", network, "--network-alias", "whole")
        docker("create", "--name", "fb-created", "--network", network[:9], "--network-alias", "created", IMAGE, "true")
        backup = self.backup("fb-*")
        docker("rm", "-f", "fb-short", "fb-whole", "fb-created")
        docker("network", "rm", "fb-a")
        docker("network", "create", "fb-another")
        self.restore(backup)
        for name in ("short", "whole", "created"):
            self.assertEqual(["fb-a"], list(networks("fb-" + name)), name)
            self.assertIn(name, networks("fb-" + name)["fb-a"]["Aliases"])
        self.assertEqual("172.31.50.7", networks("fb-short")["fb-a"]["IPAddress"])
        self.again(backup, ["fb-short", "fb-whole", "fb-created"])

    def test_a_shared_network_of_one_outside(self):
        """There: mapped.  Gone: none, and told; what else there is comes back."""
        owner = start("fb-owner")
        start("fb-side", "--network", "container:fb-owner", "--ipc", "private",
              "--pid", "container:fb-owner")
        self.assertEqual([], self.gone("fb-side")["warnings"])
        self.assertEqual("container:" + owner, inspect("fb-side")["HostConfig"]["NetworkMode"])
        backup = self.names
        docker("rm", "-f", "fb-owner", "fb-side")
        result = self.restore(backup)
        self.told(result, "fb-side", "NetworkMode")
        self.told(result, "fb-side", "PidMode")
        self.assertEqual("none", inspect("fb-side")["HostConfig"]["NetworkMode"])
        self.assertTrue(inspect("fb-side")["State"]["Running"])
        self.again(backup, ["fb-side"])

    def test_one_outside_in_a_shared_network(self):
        """It is stopped and started with its owner; if that has to be made again the restore names it, and refuses."""
        start("fb-one")
        backup = self.backup("fb-one")
        docker("run", "-d", "--name", "outside", "--network", "container:fb-one", IMAGE, "sh", "-c", ALIVE)
        docker("exec", "fb-one", "touch", "/changed")
        ways = {c["name"]: c["way"] for c in self.dry_run(backup)["containers"]}
        self.assertEqual({"fb-one": "in_place", "outside": "restarted"}, ways)
        self.assertEqual(ways, {c["name"]: c["way"] for c in self.restore(backup)["containers"]})
        self.assertTrue(inspect("outside")["State"]["Running"])
        docker("rm", "-f", "outside", "fb-one")
        start("fb-one", "--env", "A=other")
        docker("run", "-d", "--name", "outside", "--network", "container:fb-one", IMAGE, "sh", "-c", ALIVE)
        owner = inspect("fb-one")["Id"]
        self.assertIn("outside", self.fails(backup))
        self.assertEqual(owner, inspect("fb-one")["Id"])

    def test_links(self):
        """To one of the backup, to one outside, to one that is gone."""
        for name in ("fb-in", "outside", "gone"):
            start(name)
            self.addCleanup(docker, "rm", "-f", name, check=False)
        start("fb-one", "--link", "fb-in:a", "--link", "outside:b", "--link", "gone:c")
        backup = self.backup("fb-*")
        docker("rm", "-f", "fb-in", "fb-one", "gone")
        self.told(self.restore(backup), "fb-one", "gone")
        self.assertEqual(["/fb-in:/fb-one/a", "/outside:/fb-one/b"], sorted(inspect("fb-one")["HostConfig"]["Links"]))
        self.again(backup, ["fb-in", "fb-one"])

    def test_the_host_s_names(self):
        start("fb-both", "--uts", "host", "--network", "host")
        start("fb-uts", "--uts", "host")
        start("fb-network", "--network", "host", "--hostname", "mine")
        start("fb-named", "--hostname", "mine", "--domainname", "example.org")
        self.gone("fb-both", "fb-uts", "fb-network", "fb-named")
        self.assertEqual("mine", inspect("fb-named")["Config"]["Hostname"])

    # ---- what this host does not have ----

    def test_a_device_that_is_gone(self):
        device = WORK + "/device"
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))
        start("fb-one", "--device", f"{device}:/dev/one", "--device", "/dev/zero:/dev/two")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        os.unlink(device)
        self.told(self.restore(backup), "fb-one", "device", device)
        self.assertEqual(["/dev/zero"], [d["PathOnHost"] for d in inspect("fb-one")["HostConfig"]["Devices"]])
        self.assertTrue(inspect("fb-one")["State"]["Running"])

    def test_a_mount_that_is_gone(self):
        """A socket, which no backup has: nothing is left in its place."""
        path = WORK + "/gone.sock"
        for option in (("--mount", f"type=bind,source={path},target=/gone.sock"), ("-v", f"{path}:/gone.sock")):
            with self.subTest(option=option[0]):
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(path)
                    start("fb-one", *option)
                    backup = self.backup()
                docker("rm", "-f", "fb-one")
                os.unlink(path)
                self.told(self.restore(backup), "fb-one", path)
                self.assertFalse(os.path.exists(path))
                self.assertTrue(inspect("fb-one")["State"]["Running"])
                docker("rm", "-f", "fb-one")

    def test_a_graphics_card(self):
        """No container starts with one where there is none; it is made, told, and the rest runs."""
        docker("create", "--name", "fb-card", "--gpus", "all", IMAGE, "sh", "-c", ALIVE)
        start("fb-other")
        self.gone("fb-card", "fb-other")
        self.assertEqual([["gpu"]], inspect("fb-card")["HostConfig"]["DeviceRequests"][0]["Capabilities"])


if __name__ == "__main__":
    unittest.main()
