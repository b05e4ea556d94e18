#!/usr/bin/env python3
"""Goal: on a storage driver that keeps whole trees (vfs) a backup holds what changed and nothing else, a restore leaves alone
what is equal, and what is not comes back as it was, whatever state its container was in.

Run outside of the engines' name spaces; FB_TREES names the engine, as tests/engine/other has it.
"""

import os
import subprocess
import unittest

import matrix_test as matrix

KIND = os.environ.get("FB_TREES", "host+driver:vfs")


class TreesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        matrix.IMAGES = ["fuel-backup", "fb-test/small"]
        matrix.make_images()
        subprocess.run(["docker", "-H", matrix.socket("engine"), "save", "-o", matrix.SAVED, *matrix.IMAGES], check=True)
        cls.addClassCleanup(os.unlink, matrix.SAVED)
        cls.addClassCleanup(subprocess.run, [matrix.OTHER, KIND, "stop"], check=False)
        matrix.supply(KIND)
        cls.told = matrix.step(KIND, "trees")

    def test_members(self):
        """Of the layer that has everything: no file of the image that is as it was."""
        self.assertEqual(self.told["expected"], self.told["members"])

    def test_nothing_to_do(self):
        """Right after the backup, and right after the restore."""
        for when in ("unchanged", "again"):
            self.assertEqual({}, self.told[when]["sources"], when)
            self.assertEqual({"unchanged"}, set(self.told[when]["ways"].values()), when)

    def test_one_differs(self):
        self.assertEqual({"fb-all": "replaced", "fb-plain": "in_place"}, {name: way for name, way in self.told["ahead"]["ways"].items()
                                                 if way != "unchanged"})
        self.assertEqual(self.told["ahead"]["ways"], self.told["one"]["ways"])
        self.assertIn("container fb-all was made again: its storage driver keeps whole trees", str(self.told["one"]["warnings"]))
        self.assertEqual(([], "good\n"), (self.told["one"]["differences"], self.told["one"]["volume"]))

    def test_a_part_is_refused(self):
        self.assertIn("no part of a layer is restored by itself", self.told["part"])

    def test_all_gone(self):
        self.assertEqual([], self.told["all"]["differences"])
        made = {"exited": "created"}  # what had ended is there, and was never started
        self.assertEqual({name: made.get(state, state) for name, state in self.told["states"].items()},
                         self.told["all"]["states"])

    def test_second_backup(self):
        """What did not change is not read again."""
        self.assertLess(self.told["second_read"], 64 * 1024)


if __name__ == "__main__":
    unittest.main()
