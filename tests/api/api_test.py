#!/usr/bin/python3
# Goal: every answer of the API, good and bad, is the one that api-spec/openapi.yaml promises.
"""api_test.py [--records PLACE] FUEL-BACKUPD [unittest's options]: the tests of all *_cases.py here.

The program may be named by FB_BACKUPD instead.  Records go where FB_CONTRACT_RECORDS says, or into
the folder PLACE, which is emptied before.
"""

import argparse
import glob
import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from service import Service  # noqa: E402


def load_tests(loader, _tests, _pattern):
    names = sorted(os.path.basename(path)[:-3] for path in glob.glob(HERE + "/*_cases.py"))
    return unittest.TestSuite(loader.loadTestsFromName(name) for name in names)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records")
    parser.add_argument("program", nargs="?", default=os.environ.get("FB_BACKUPD"))
    options, rest = parser.parse_known_args()
    if not options.program or not os.access(options.program, os.X_OK):
        sys.exit(f"api_test: no program at {options.program}")
    Service.binary = os.path.abspath(options.program)
    if options.records and not os.environ.get("FB_CONTRACT_RECORDS"):
        shutil.rmtree(options.records, ignore_errors=True)
        os.makedirs(options.records)
        os.environ["FB_CONTRACT_RECORDS"] = options.records
    unittest.main(module=None if any(not o.startswith("-") for o in rest) else "__main__",
                  argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
