#!/usr/bin/env python3
"""Goal: an after-thaw hook that hangs keeps neither the end of the service nor its next start; what has not been
begun is run by that start."""

import os
import signal
import time
import unittest

import freeze_world as world
from fuelbackup import docker, wait_until

STOPS = 10  # seconds in which a service ends that holds nothing frozen


class HooksTest(unittest.TestCase):
    def setUp(self):
        world.set_up()
        self.service = None

    def tearDown(self):
        if self.service:
            if not self._outcome.success:
                print(self.service.log())
            self.service.remove()
        world.tear_down()

    def test_hook_hangs(self):
        world.run_container("fz-one", "--label", 'fuel-backup.after-thaw=["sleep", "100000"]', "--label",
                            "fuel-backup.hook-timeout=86400")
        world.run_container("fz-two", "--label", "fuel-backup.after-thaw=echo ran >>/ran")
        self.service = world.HostService()
        self.service.start()
        location = self.service.start_operation("/backups")
        wait_until("the hook hangs", lambda: "100000" in docker("top", "fz-one"), 60)
        wait_until("all run", world.all_run)
        begin = time.monotonic()
        self.service.process.send_signal(signal.SIGTERM)
        self.service.process.wait(STOPS)
        print(f"  SIGTERM: ended after {time.monotonic() - begin:.1f} s")
        begin = time.monotonic()
        self.service.start()
        print(f"  the next start listens after {time.monotonic() - begin:.1f} s")
        self.assertIn(self.service.wait_operation(location)["state"], ("cancelled", "failed", "interrupted"))
        self.assertEqual({"thawed": []}, self.service.api("POST", "/thaw").json)
        # Whichever came first: the one that hangs is not run again, the other was run once.
        wait_until("the other hook", lambda: docker("exec", "fz-two", "cat", "/ran", check=False), 90)
        self.assertEqual("ran\n", docker("exec", "fz-two", "cat", "/ran"))
        self.assertFalse(os.path.exists(self.service.store + "/run/hooks.json"))


if __name__ == "__main__":
    unittest.main()
