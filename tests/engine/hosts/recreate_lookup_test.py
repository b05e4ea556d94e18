#!/usr/bin/env python3
"""Goal: a name is looked up as a name: whatever has an id that begins with it is left alone."""

from recreate import ALIVE, Case, IMAGE, docker, inspect, unittest


def create(name, *options):
    return docker("create", "--name", name, *options, IMAGE, "sh", "-c", ALIVE).strip()


def start(name, *options):
    return docker("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", ALIVE).strip()


def beginnings(make, remove, length):
    """Make two objects whose ids begin with the same ${length} digits; their ids."""
    seen = {}
    while True:
        made = make()
        if made[:length] in seen:
            keep = {made, seen[made[:length]]}
            for other in seen.values():
                if other not in keep:
                    remove(other)
            return sorted(keep)
        seen[made[:length]] = made


class LookUpTest(Case):
    def test_a_name_that_begins_an_id(self):
        """The row: the victim's short id is the name of a container of the backup, which is gone."""
        for length in (6, 12, 1, 63):
            with self.subTest(length=length):
                victim = create("fb-victim", "--label", "is=the victim")
                name = victim[:length] if length > 1 else victim[:2]
                start(name, "-v", "fb-data:/data")
                docker("exec", name, "sh", "-c", "echo 1 >/data/file; echo 1 >/file")
                before = inspect(victim)
                backup = self.backup(name)
                docker("rm", "-f", name)
                dry = self.dry_run(backup)
                self.assertEqual([{"name": name, "way": "created"}], dry["containers"])
                self.assertEqual([{"name": name, "way": "created"}], self.restore(backup)["containers"])
                self.assertEqual(before, inspect(victim))
                made = inspect(name)["Id"]
                self.assertEqual("1\n1\n", docker("exec", made, "cat", "/data/file", "/file"))
                self.assertEqual([{"name": name, "way": "unchanged"}], self.restore(backup)["containers"])
                docker("rm", "-f", made, victim)
                docker("volume", "rm", "fb-data")

    def test_a_name_that_begins_several_ids(self):
        """There the engine answers with an error of its own."""
        ids = beginnings(lambda: create("fb-" + str(len(docker("ps", "-aq").split()))),
                         lambda other: docker("rm", other), 2)
        name = ids[0][:2]
        start(name)
        backup = self.backup(name)
        docker("rm", "-f", name)
        self.assertEqual([{"name": name, "way": "created"}], self.restore(backup)["containers"])
        self.assertEqual("created", inspect(ids[0])["State"]["Status"])
        self.assertEqual("created", inspect(ids[1])["State"]["Status"])

    def test_a_name_that_is_an_id(self):
        """The whole id of another container: the engine never finds the one that is named so."""
        victim = create("fb-victim")
        named = start(victim)
        before = inspect(victim)
        backup = self.backup(victim)
        self.assertEqual([{"name": victim, "way": "unchanged"}], self.restore(backup)["containers"])
        docker("rm", "-f", named)
        self.assertEqual([{"name": victim, "way": "created"}], self.restore(backup)["containers"])
        self.assertEqual(before, inspect(victim))

    def test_a_network(self):
        """A network whose id begins with the name of one that is gone."""
        victim = docker("network", "create", "fb-victim").strip()
        name = victim[:6]
        docker("network", "create", "--label", "is=mine", name)
        start("fb-one", "--network", name, "--network-alias", "alias")
        backup = self.backup("fb-one")
        docker("rm", "-f", "fb-one")
        docker("network", "rm", docker("network", "ls", "-q", "--filter", "label=is=mine").strip())
        self.assertEqual([name], [n["name"] for n in self.dry_run(backup)["networks"] if n["change"] == "created"])
        self.restore(backup)
        endpoint = inspect("fb-one")["NetworkSettings"]["Networks"][name]
        self.assertNotEqual(victim, endpoint["NetworkID"])
        self.assertIn("alias", endpoint["Aliases"])
        self.assertEqual("{}", docker("network", "inspect", "-f", "{{json .Containers}}", victim).strip())
        self.assertEqual([{"name": "fb-one", "way": "unchanged"}], self.restore(backup)["containers"])

    def test_an_image(self):
        """An image whose short id is the name that the backup's image has lost here."""
        victim = docker("images", "-q", "--no-trunc", "fb-test/stack").strip()
        name = victim.removeprefix("sha256:")[:12]
        docker("tag", IMAGE, name)
        docker("run", "-d", "--name", "fb-one", name + ":latest", "sh", "-c", ALIVE)
        backup = self.backup("fb-one")
        docker("rm", "-f", "fb-one")
        docker("rmi", name + ":latest")
        self.restore(backup)
        self.assertEqual(inspect("fb-one")["Image"], docker("images", "-q", "--no-trunc", IMAGE).strip())
        self.assertEqual(docker("images", "-q", "--no-trunc", name + ":latest").strip(), inspect("fb-one")["Image"])
        self.assertNotEqual(victim, inspect("fb-one")["Image"])

    def test_a_part(self):
        """What a part needs is looked for by its name, too."""
        victim = create("fb-victim")
        name = victim[:6]
        start(name)
        start("fb-borrower", "--volumes-from", name)
        backup = self.backup(name, "fb-borrower")
        docker("rm", "-f", name, "fb-borrower")
        ways = {c["name"]: c["way"] for c in self.restore(backup, {"only": {"containers": ["fb-borrower"]}})["containers"]}
        self.assertEqual({name: "created", "fb-borrower": "created"}, ways)
        self.assertEqual("created", inspect(victim)["State"]["Status"])

    def test_what_was_set_aside_and_renamed(self):
        """A container that is made again, beside one whose id begins with its name."""
        victim = create("fb-victim")
        name = victim[:8]
        start(name, "--env", "A=1")
        backup = self.backup(name)
        docker("rm", "-f", name)
        start(name, "--env", "A=2")
        self.assertEqual([{"name": name, "way": "replaced"}], self.restore(backup)["containers"])
        self.assertEqual("created", inspect(victim)["State"]["Status"])
        self.assertIn("A=1", inspect(name)["Config"]["Env"])


if __name__ == "__main__":
    unittest.main()
