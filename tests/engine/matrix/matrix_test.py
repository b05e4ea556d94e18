#!/usr/bin/env python3
"""Goal: on every engine that there is the whole cycle goes through, and a backup of one comes back on another.

One cycle (plan, backup, damage in place, restore, remove all, restore, rehearse, verify; every file and every inspect
compared) over twelve containers (dozen.py), on each engine of FB_MATRIX: kinds as tests/engine/other has them, "engine"
is that of all tests.  Then archives are carried between each pair of FB_CARRY (default: the first two).  The table of
results is printed, and written to FB_MATRIX_TABLE if that is set.  Run outside of the engines' name spaces.
"""

import json
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE = HERE + "/../engine"
OTHER = HERE + "/../other"
CACHE = os.environ.get("FUEL_BACKUP_CACHE", "/var/cache/fuel-backup")
KINDS = os.environ.get("FB_MATRIX", "engine sid+system").split()
CARRY = os.environ.get("FB_CARRY", " ".join(KINDS[:2])).split()
IMAGES = ["fuel-backup", "fb-test/small", "fb-test/volume", "fb-test/stack"]
SAVED = f"{CACHE}/matrix-images-{os.getpid()}.tar"
WHOLE = re.compile(":(vfs|btrfs|native|fuse-overlayfs)")  # they keep other things than overlay's upper directory
STEPS = ["plan", "backup", "in place", "anew", "rehearse", "verify"]
ROWS = {}
SKIPPED = {}


def command(kind, how):
    return [ENGINE, how] if kind == "engine" else [OTHER, kind, how]


def socket(kind):
    return f"unix://{CACHE}/engine/docker.sock" if kind == "engine" else f"unix://{CACHE}/other/{kind.replace(':', '-')}/docker.sock"


def step(kind, *words, **variables):
    environment = dict(os.environ, DOCKER_HOST=socket(kind), FB_KIND=kind, **variables)
    done = subprocess.run([*command(kind, "run"), sys.executable, "-B", HERE + "/step.py", *words], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{kind} {words}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def supply(kind):
    """Start it, and give it the images of the tests' engine."""
    if kind != "engine":
        started = subprocess.run([OTHER, kind, "start"], stderr=subprocess.PIPE, text=True, check=False)
        if started.returncode == 77:
            raise unittest.SkipTest(started.stderr.strip().splitlines()[-1])
        if started.returncode != 0:
            raise AssertionError(started.stderr)
    subprocess.run(["docker", "-H", socket(kind), "load", "-q", "-i", SAVED], check=True, stdout=subprocess.DEVNULL)


def table():
    head = ["engine", "API", "storage", "cgroup", *STEPS, "freeze"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for kind, row in ROWS.items():
        cells = [str(row["cells"].get(name, "-")) + ("" if row["cells"].get(name) == "FAILED" else " s") for name in STEPS]
        lines.append("| " + " | ".join([f"{row['engine']} ({kind})", row["api"], row["driver"], row["cgroup"], *cells,
                                        f"{row['freeze_ms']} ms"]) + " |")
    lines += [f"| {kind} | skipped: {why} |" for kind, why in SKIPPED.items()]
    return "\n".join(lines) + "\n"


def make_images():
    """Those that a test took away; a moment if they are there."""
    subprocess.run([*command("engine", "with"), "/bin/bash", HERE + "/../images"], check=False, stdout=subprocess.DEVNULL)


class MatrixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_images()
        subprocess.run(["docker", "-H", socket("engine"), "save", "-o", SAVED, *IMAGES], check=True)
        cls.addClassCleanup(os.unlink, SAVED)

    @classmethod
    def tearDownClass(cls):
        for kind in set(KINDS + CARRY) - {"engine"}:
            subprocess.run([OTHER, kind, "stop"], check=False)
        make_images()
        subprocess.run(["rm", "-rf", "--one-file-system", CACHE + "/matrix"], check=False)
        print("\n" + table())
        if os.environ.get("FB_MATRIX_TABLE"):
            with open(os.environ["FB_MATRIX_TABLE"], "w", encoding="utf-8") as out:
                out.write(table())

    def test_1_cycle(self):
        faults = []
        for kind in KINDS:
            with self.subTest(kind):
                try:
                    supply(kind)
                except unittest.SkipTest as why:
                    SKIPPED[kind] = str(why)
                    print(f"\n  {kind}: {why}: NOTHING was tested with it", file=sys.stderr)
                    continue
                ROWS[kind] = step(kind, "cycle")
                faults += [f"{kind}: {fault}" for fault in ROWS[kind]["faults"]]
        self.assertEqual([], faults, "\n".join(faults[:60]))
        if not ROWS and SKIPPED:
            raise unittest.SkipTest("no engine at all")

    def test_3_root_left_mounted(self):
        """Docker 24 to 27 leaves a container's root mounted after docker export: what a restore writes is seen."""
        if "trixie" not in KINDS:
            raise unittest.SkipTest("only with FB_MATRIX that has trixie")
        supply("trixie")
        told = step("trixie", "exported")
        self.assertEqual(("good\n", "replaced"), (told["seen"], told["way"]), told)
        self.assertIn("docker export", str(told["warnings"]))

    def test_4_platforms_in_one_index(self):
        """The image keeps its id, and the digest of the configuration is that of the platform that ran."""
        if "sid+system" not in KINDS:
            raise unittest.SkipTest("only with FB_MATRIX that has sid+system")
        supply("sid+system")
        told = step("sid+system", "platforms")
        self.assertEqual([told["index"]] * 2 + ["mine\n", told["wanted"]],
                         [told["before"], told["after"], told["seen"], told["config"]], told)

    def test_2_carried(self):
        """From each engine to each other one, with nothing but the archive."""
        for source in CARRY:
            for target in CARRY:
                if source == target or {source, target} & SKIPPED.keys():
                    continue
                with self.subTest(source=source, target=target):
                    try:
                        for kind in (source, target):
                            supply(kind)
                    except unittest.SkipTest as why:
                        print(f"\n  {source} to {target}: {why}: NOTHING was tested with it", file=sys.stderr)
                        continue
                    seen = {"FB_SEEN": "yes"} if WHOLE.search(source + " " + target) else {}
                    step(source, "make", FB_PLAIN="yes")
                    step(source, "backup", f"{CACHE}/matrix/archive", **seen)
                    step(target, "wreck_images")
                    told = step(target, "restore", f"{CACHE}/matrix/archive", **seen)
                    self.assertEqual(4, len(told["missing"]), told)
                    self.assertEqual([], told["differences"], "\n".join(told["differences"][:60]))
                    step(target, "wreck")


if __name__ == "__main__":
    unittest.main()
