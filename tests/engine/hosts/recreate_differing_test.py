#!/usr/bin/env python3
"""Goal: a tag, network or volume that is something else by now is told, and never changed without a word."""

from recreate import ALIVE, Case, IMAGE, docker, inspect, json, unittest
from fuelbackup import kill  # pylint: disable=wrong-import-order

TAG = "fb-app:latest"


def start(name, *options, image=IMAGE):
    return docker("run", "-d", "--name", name, *options, image, "sh", "-c", ALIVE).strip()


def image_id(name):
    return json.loads(docker("image", "inspect", name))[0]["Id"]


def tags(image):
    return sorted(json.loads(docker("image", "inspect", image))[0]["RepoTags"])


class DifferingTest(Case):
    def items(self, result, kind):
        return [item for item in result["differing"] if item["kind"] == kind]

    def make_images(self):
        """The image of the backup, and a newer one that has its tag by now; their ids."""
        docker("build", "-t", TAG, "-", stdin=f"FROM {IMAGE}\nLABEL is=old\n".encode())
        old = image_id(TAG)
        start("fb-one", image=TAG)
        backup = self.backup()
        docker("build", "-t", TAG, "-", stdin=f"FROM {IMAGE}\nLABEL is=new\n".encode())
        self.addCleanup(docker, "image", "prune", "-f", check=False)
        return backup, old, image_id(TAG)

    def check_kept(self, backup, old, new):
        expected = [{"kind": "tag", "name": TAG, "differs": ["Id"], "becomes": "kept", "recorded": old,
                     "present": new, "kept_as": TAG}]
        dry = self.dry_run(backup)
        self.assertEqual(expected, self.items(dry, "tag"))
        self.told(dry, TAG, "another image")
        self.assertEqual(new, image_id(TAG))
        result = self.restore(backup)
        self.assertEqual(expected, self.items(result, "tag"))
        self.assertEqual(new, image_id(TAG))
        self.assertEqual([TAG], tags(new))
        self.assertEqual(old, inspect("fb-one")["Image"])

    def test_a_tag_that_moved(self):
        """The row; the image of the backup is still there."""
        backup, old, new = self.make_images()
        docker("exec", "fb-one", "touch", "/changed")
        self.check_kept(backup, old, new)

    def test_a_tag_that_moved_and_an_image_that_is_gone(self):
        """Loading an image takes the names that it was saved with."""
        backup, old, new = self.make_images()
        docker("rm", "-f", "fb-one")
        docker("image", "rm", "-f", old, check=False)
        docker("image", "prune", "-f")
        self.check_kept(backup, old, new)

    def test_a_tag_back_on_request(self):
        backup, old, new = self.make_images()
        docker("rm", "-f", "fb-one")
        dry = self.dry_run(backup, tags=True)
        self.assertEqual(["replaced"], [item["becomes"] for item in self.items(dry, "tag")])
        self.assertEqual(new, image_id(TAG))
        result = self.restore(backup, {"tags": True})
        kept = self.items(result, "tag")[0]["kept_as"]
        self.assertEqual(old, image_id(TAG))
        self.assertEqual([kept], tags(new))
        self.assertEqual(TAG, inspect("fb-one")["Config"]["Image"])

    def test_a_tag_back_in_a_restore_that_fails(self):
        backup, old, new = self.make_images()
        docker("rm", "-f", "fb-one")
        start("fb-port", "-p", "127.0.0.1:18066:1")
        backup = self.backup()
        docker("rm", "-f", "fb-port")
        del backup, old
        docker("tag", IMAGE, TAG)
        older = image_id(TAG)
        start("fb-port", "-p", "127.0.0.1:18066:1", image=TAG)
        backup = self.backup()
        docker("rm", "-f", "fb-port")
        docker("tag", new, TAG)
        start("fb-taker", "-p", "127.0.0.1:18066:1")
        self.assertNotEqual(older, new)
        self.fails(backup, {"tags": True})
        self.assertEqual(new, image_id(TAG))
        self.assertEqual([TAG], tags(new))

    def test_the_service_s_own_tag(self):
        """A container of the backup was made of it, and the service has been built anew since."""
        mine = image_id("fuel-backup:latest")
        docker("tag", IMAGE, "fuel-backup:latest")
        self.addCleanup(docker, "tag", mine, "fuel-backup:latest")
        docker("run", "-d", "--name", "fb-one", "fuel-backup:latest", "sh", "-c", ALIVE)
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        docker("tag", mine, "fuel-backup:latest")
        result = self.restore(backup)
        self.assertEqual(["fuel-backup:latest"], [item["name"] for item in self.items(result, "tag")])
        self.assertEqual(mine, image_id("fuel-backup:latest"))
        self.assertEqual(image_id(IMAGE), inspect("fb-one")["Image"])

    def test_networks(self):
        docker("network", "create", "--subnet", "172.31.60.0/24", "--label", "a=1", "fb-net")
        docker("network", "create", "--subnet", "172.31.61.0/24", "fb-same")
        start("fb-one", "--network", "fb-net")
        docker("network", "connect", "fb-same", "fb-one")
        backup = self.backup()
        self.assertEqual([], self.dry_run(backup)["differing"])
        docker("rm", "-f", "fb-one")
        for options, fields in ((("--internal", "--label", "a=1", "--subnet", "172.31.60.0/24"), ["Internal"]),
                                (("--label", "a=2", "--subnet", "172.31.60.0/24"), ["Labels"]),
                                (("--label", "a=1", "--subnet", "172.31.62.0/24"), ["IPAM"]),
                                (("--label", "a=1", "--subnet", "172.31.60.0/24", "-o", "com.docker.network.driver.mtu=1400",
                                  "--attachable"), ["Attachable", "Options"])):
            docker("network", "rm", "fb-net")
            now = docker("network", "create", *options, "fb-net").strip()
            with self.subTest(fields=fields):
                expected = [{"kind": "network", "name": "fb-net", "differs": fields, "becomes": "kept"}]
                self.assertEqual(expected, self.dry_run(backup)["differing"])
                result = self.restore(backup)
                self.assertEqual(expected, result["differing"])
                self.told(result, "network fb-net", *fields)
                self.assertEqual(now, inspect("fb-one")["NetworkSettings"]["Networks"]["fb-net"]["NetworkID"])
            docker("rm", "-f", "fb-one")

    # ---- {"networks": true} ----

    def make_net(self, subnet, *options):
        docker("network", "create", "--subnet", f"172.31.{subnet}.0/24", *options, "fb-net")
        start("fb-one", "--network", "fb-net", "--ip", f"172.31.{subnet}.9")
        start("fb-two", "--network", "container:fb-one")
        docker("create", "--name", "fb-stopped", "--network", "fb-net", "--network-alias", "idle", IMAGE)
        start("fb-aside")

    def other_net(self):
        """The backup, its network being another one by now, with the same containers in it."""
        self.make_net(60, "--label", "a=1")
        docker("run", "-d", "--name", "fb-late", IMAGE, "sh", "-c", "test -e /bad && exit 1; " + ALIVE)
        backups = [self.backup()]
        docker("exec", "fb-late", "touch", "/bad")  # what this backup has fails at its next start
        backups.append(self.backup())
        docker("exec", "fb-late", "rm", "/bad")
        docker("rm", "-f", "fb-one", "fb-two", "fb-stopped", "fb-aside")
        docker("network", "rm", "fb-net")
        self.make_net(62, "--internal")
        return backups

    def check_net(self, subnet):
        net = json.loads(docker("network", "inspect", "fb-net"))[0]
        self.assertEqual(f"172.31.{subnet}.0/24", net["IPAM"]["Config"][0]["Subnet"])
        self.assertEqual(subnet == 62, net["Internal"])
        one, idle = inspect("fb-one"), inspect("fb-stopped")
        self.assertEqual((net["Id"], f"172.31.{subnet}.9"),
                         tuple(one["NetworkSettings"]["Networks"]["fb-net"][key] for key in ("NetworkID", "IPAddress")))
        self.assertEqual("container:" + one["Id"], inspect("fb-two")["HostConfig"]["NetworkMode"])
        self.assertTrue(one["State"]["Running"] and inspect("fb-two")["State"]["Running"])
        docker("start", "fb-stopped")  # it is in the network that is there
        docker("stop", "-t", "0", "fb-stopped")
        self.assertIn("idle", idle["NetworkSettings"]["Networks"]["fb-net"]["Aliases"])

    def test_a_network_as_it_was(self):
        backup, _ = self.other_net()
        aside = inspect("fb-aside")["Id"]
        expected = [{"kind": "network", "name": "fb-net", "differs": ["Internal", "Labels", "IPAM"], "becomes": "replaced"}]
        start("fb-outsider", "--network", "fb-net")
        docker("stop", "-t", "0", "fb-outsider")
        [found] = self.dry_run(backup, networks=True)["obstacles"]
        self.assertEqual(("network", "fb-net"), (found["check"], found["name"]))
        self.assertIn("fb-outsider", found["detail"])
        self.assertIn(found["detail"], self.fails(backup, {"networks": True}))
        self.check_net(62)
        docker("rm", "-f", "fb-outsider")
        dry = self.dry_run(backup, networks=True)
        self.assertEqual((expected, []), (dry["differing"], dry["obstacles"]))
        self.check_net(62)
        result = self.restore(backup, {"networks": True})
        self.assertEqual(expected, result["differing"])
        ways = {one["name"]: one["way"] for one in result["containers"]}
        self.assertEqual(("replaced", "replaced", "replaced"), tuple(ways[name] for name in ("fb-one", "fb-two", "fb-stopped")))
        self.check_net(60)
        self.assertEqual(aside, inspect("fb-aside")["Id"])
        again = self.restore(backup, {"networks": True})
        self.assertEqual([], again["differing"])

    def test_a_network_put_back(self):
        """The restore fails once its containers start: the network that was there is there again, and they are in it."""
        _, bad = self.other_net()
        self.assertIn("put back", self.fails(bad, {"networks": True}))
        self.check_net(62)

    def test_a_network_put_back_by_the_next_start(self):
        """The service is killed while the restored containers start."""
        _, bad = self.other_net()
        location = self.service.start_operation(f"/backups/{bad}/restore", {"networks": True})
        self.service.wait_phase(location, "start")
        kill(self.service.pid())
        self.service.again()
        self.service.settled()
        self.check_net(62)

    def test_volumes(self):
        docker("volume", "create", "--label", "a=1", "fb-v")
        start("fb-one", "-v", "fb-v:/data")
        docker("exec", "fb-one", "sh", "-c", "echo kept >/data/file")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        for options, fields in ((("--label", "a=2"), ["Labels"]),
                                (("--label", "a=1", "-o", "type=tmpfs", "-o", "device=tmpfs"), ["Options"])):
            docker("volume", "rm", "fb-v")
            docker("volume", "create", *options, "fb-v")
            with self.subTest(fields=fields):
                expected = [{"kind": "volume", "name": "fb-v", "differs": fields, "becomes": "kept"}]
                self.assertEqual(expected, self.dry_run(backup)["differing"])
                if fields == ["Labels"]:
                    result = self.restore(backup)
                    self.assertEqual(expected, result["differing"])
                    self.told(result, "volume fb-v", *fields)
                    self.assertEqual("kept\n", docker("exec", "fb-one", "cat", "/data/file"))
            docker("rm", "-f", "fb-one", check=False)

    def test_a_part_tells_of_its_own(self):
        """What is not restored is not told."""
        docker("network", "create", "fb-net")
        start("fb-one", "--network", "fb-net")
        start("fb-two", "-v", "fb-v:/data")
        backup = self.backup()
        docker("rm", "-f", "fb-one")
        docker("network", "rm", "fb-net")
        docker("network", "create", "--internal", "fb-net")
        self.assertEqual([], self.dry_run(backup, only={"containers": ["fb-two"]})["differing"])
        self.assertEqual(["fb-net"], [item["name"] for item in
                                      self.dry_run(backup, only={"containers": ["fb-one"]})["differing"]])


if __name__ == "__main__":
    unittest.main()
