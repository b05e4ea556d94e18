#!/usr/bin/python3
# Goal: each command of the API's tour (docs/api.md) does what the page says, and prints what it shows.
"""tour_test.py FUEL-BACKUPD: the tour from top to bottom, on a service of its own; the engine is scripted.  It shows each
operation of the contract but those of the page, or the test fails."""

import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/../api", HERE + "/../lib"]
import yaml  # noqa: E402
from case import ServiceCase  # noqa: E402
from pages import ROOT, Reader, Wrong, shown  # noqa: E402
from service import Service  # noqa: E402

NOT_SHOWN = {"getPage", "getPagePart", "getButton", "getTask", "getRootFolder"}


class Tour(ServiceCase):
    def reader(self):
        return Reader("docs/api.md", {"127.0.0.1:8088": f"127.0.0.1:{self.service.port}", "/srv/shop": self.data,
                                      "/var/backup/fuel": self.service.store})

    def test_tour(self):
        """One shell for all sections: each goes on where the one before ended."""
        reader = self.reader()
        os.chdir(self.folder)
        reader.sections = {"all": [block for blocks in reader.sections.values() for block in blocks]}
        printed = reader.run("all")
        self.assertEqual(set(reader.instead), reader.used)
        text = "\n".join(printed)
        states = re.findall(r"^(succeeded|failed|cancelled|interrupted)$", text, re.M)
        self.assertEqual(["succeeded"] * 6, states, text)
        self.assertRegex(text, r"(?m)^Location: /operations/")
        self.assertIn("event" if "event:" in text else "data: {", text)
        first, second = re.findall(r"(?m)^(\d{8}-\d{6}-[0-9a-f]{8})$", text)[:2]
        self.assertEqual(first, second, "the same key gave another operation")
        self.assertEqual(self.read("text-of-monday"), self.read("text"))
        self.assertIn("known are: containers, host_paths, exclude, ", json.loads(printed[-1])["detail"])

    def test_all_is_shown(self):
        with open(os.path.join(ROOT, "api-spec/openapi.yaml"), encoding="utf-8") as source:
            spec = yaml.safe_load(source)
        with open(os.path.join(ROOT, "docs/api.md"), encoding="utf-8") as source:
            lines = [line for line in source.read().replace("$(", "\n").split("\n") if "curl " in line]
        asked = set()
        for line in lines:
            if not (address := re.search(r"\$url((?:/[^\s\"?|)]*)?)", line)):
                continue
            method = (re.search(r"-X ([A-Z]+)", line) or [None, "PUT" if " -T " in line else "HEAD" if " -I " in line else "GET"])[1]
            asked.add((method, re.sub(r"\$link", "/backups/x/archive", re.sub(r"\$(backup|operation)", "x", address[1]))))
        for path, item in spec["paths"].items():
            pattern = re.sub(r"\\\{path\\\}", ".+", re.escape(path))
            pattern = re.sub(r"\\\{(id|name)\\\}", "[^/]+", pattern)
            for method, operation in item.items():
                if not isinstance(operation, dict) or operation["operationId"] in NOT_SHOWN:
                    continue
                self.assertTrue(any(m == method.upper() and re.fullmatch(pattern, p) for m, p in asked),
                                f"{method} {path} is not shown")

    def test_a_wrong_page_is_seen(self):
        """What reads the page would find a command that fails, and an answer that is another."""
        reader = self.reader()
        for block in ("curl -fsS $url/nothing", "false | true"):
            reader.sections = {"x": [("sh", "url=http://127.0.0.1:8088\n" + block)]}
            with self.assertRaisesRegex(Wrong, "exit code"):
                reader.run("x")
        for example, value in (({"a": 1}, {}), ({"a": 1}, {"a": "1"}), ([1], []), ([{"a": 1}], [{"b": 1}]), ({}, [])):
            with self.assertRaises(Wrong):
                shown(example, value, "x")
            reader.sections = {"x": [("sh", f"echo '{json.dumps(value)}'"), ("json", json.dumps(example))]}
            with self.assertRaises(Wrong):
                reader.run("x")


if __name__ == "__main__":
    Service.binary = os.path.abspath(sys.argv.pop(1))
    unittest.main()
