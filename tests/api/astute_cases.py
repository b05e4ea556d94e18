# Goal: a restore on a Fuel master leaves /etc/fuel/astute.yaml alone unless it is asked for, and tells which settings of
# the network differ either way; passwords are never told.
"""The service here sees an /etc of the test's own, in a mount namespace of its own."""

import os

from case import ServiceCase

FILE = "/etc/fuel/astute.yaml"
OLD = ("ADMIN_NETWORK:\n  ipaddress: 10.20.0.2\n  dhcp_pool_start: 10.20.0.3\nDNS_UPSTREAM: 8.8.8.8\n"
       "NTP1: 0.pool.ntp.org\npostgres:\n  password: secret-of-then\n")
NEW = OLD.replace("10.20.0.2", "10.20.0.9").replace("NTP1: 0", "NTP1: 7").replace("-then", "-now")
DIFFERENCES = [{"key": "ADMIN_NETWORK.ipaddress", "backup": "10.20.0.2", "host": "10.20.0.9"},
               {"key": "NTP1", "backup": "0.pool.ntp.org", "host": "7.pool.ntp.org"}]


class AstuteCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.etc = cls.folder + "/etc"
        os.makedirs(cls.etc + "/fuel")
        cls.service.end()
        cls.service.wrapper = ["unshare", "--mount", "sh", "-c", f"mount --bind {cls.etc} /etc && exec \"$0\""]
        cls.service.start()

    def setUp(self):
        super().setUp()
        self.put(OLD)
        self.put("of then\n", "version.yaml")
        self.backup = self.service.backup({"host_paths": ["/etc/fuel"]})
        self.put(NEW)
        self.put("of now\n", "version.yaml")

    def put(self, text, name="astute.yaml"):
        with open(f"{self.etc}/fuel/{name}", "w", encoding="ascii") as out:
            out.write(text)

    def get(self, name="astute.yaml"):
        with open(f"{self.etc}/fuel/{name}", encoding="ascii") as source:
            return source.read()

    def restore(self, **body):
        operation = self.service.operate(f"/backups/{self.backup}/restore", body)
        self.assertNotIn("secret", str(operation))
        return operation["result"]

    def test_left_alone(self):
        for dry in (True, False):
            result = self.restore(dry_run=dry)
            self.assertEqual({"restored": False, "same": False, "settings": DIFFERENCES}, result["astute"])
            told = [warning for warning in result["warnings"] if FILE in warning]
            self.assertEqual(1, len(told))
            for text in ("stays", "ADMIN_NETWORK.ipaddress: 10.20.0.2 in the backup, 10.20.0.9 here", "NTP1"):
                self.assertIn(text, told[0])
            self.assertEqual(NEW, self.get())
            self.assertEqual("of now\n" if dry else "of then\n", self.get("version.yaml"))

    def test_asked_for(self):
        self.assertEqual({"restored": True, "same": False, "settings": DIFFERENCES},
                         self.restore(astute=True, dry_run=True)["astute"])
        self.assertEqual(NEW, self.get())
        self.assertTrue(self.restore(astute=True)["astute"]["restored"])
        self.assertEqual(OLD, self.get())
        self.assertEqual({"restored": False, "same": True, "settings": []}, self.restore()["astute"])

    def test_asked_for_by_its_name(self):
        self.assertTrue(self.restore(only={"files": ["host" + FILE]})["astute"]["restored"])
        self.assertEqual((OLD, "of now\n"), (self.get(), self.get("version.yaml")))

    def test_there_is_none(self):
        os.unlink(self.etc + "/fuel/astute.yaml")
        result = self.restore()
        self.assertFalse(os.path.exists(self.etc + "/fuel/astute.yaml"))
        self.assertEqual({None}, {setting["host"] for setting in result["astute"]["settings"]})
        self.assertIn("this host has none", str(result["warnings"]))
        self.restore(astute=True)
        self.assertEqual(OLD, self.get())

    def test_a_single_file(self):
        """A plan that names nothing but it."""
        self.put(OLD)
        self.backup = self.service.backup({"host_paths": [FILE]})
        self.put(NEW)
        self.assertEqual(DIFFERENCES, self.restore()["astute"]["settings"])
        self.assertEqual(NEW, self.get())
        self.restore(astute=True)
        self.assertEqual(OLD, self.get())

    def test_no_fuel(self):
        self.backup = self.service.backup({"host_paths": [self.data]})
        self.assertIsNone(self.restore()["astute"])
