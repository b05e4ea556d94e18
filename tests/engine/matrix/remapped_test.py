#!/usr/bin/env python3
"""Goal: what a host with remapped users (userns-remap) has backed up comes back on one without, and the other way round:
inside of the container each owner, ACL and capability is what it was.

Run outside of the engines' name spaces, as matrix_test.py is.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from matrix_test import CACHE, IMAGES, OTHER, SAVED, make_images, socket, step, supply

REMAPPED = "trixie+userns"


class RemappedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_images()
        subprocess.run(["docker", "-H", socket("engine"), "save", "-o", SAVED, *IMAGES], check=True)
        cls.addClassCleanup(os.unlink, SAVED)
        cls.addClassCleanup(subprocess.run, [OTHER, REMAPPED, "stop"], check=False)
        os.makedirs(CACHE + "/matrix", exist_ok=True)
        try:
            supply(REMAPPED)
        except unittest.SkipTest as why:
            print(f"\n  {why}: NOTHING was tested", file=sys.stderr)
            raise

    def carried(self, source, target, base):
        archive = CACHE + "/matrix/owned"
        made = step(source, "owned", archive)
        self.assertEqual(base, made["base"] is not None, made["base"])
        self.assertIn("srv/of-1234 1234:1234 644 regular file", made["seen"])
        back = step(target, "owned_back", archive)
        self.assertEqual(made["seen"], back["seen"])
        self.assertIn("owners are translated", str(back["warnings"]))
        self.assertEqual([], [entry for entry in back["again"] if "volumes/" in str(entry)], "it differs from itself")
        self.assertEqual("proven", back["verdict"])

    def test_from_remapped(self):
        self.carried(REMAPPED, "engine", True)

    def test_to_remapped(self):
        self.carried("engine", REMAPPED, False)


if __name__ == "__main__":
    unittest.main()
