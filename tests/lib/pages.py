"""The commands that a page of docs/ shows, so that tests can do what it says.

A fenced block of language `sh` is run: all of one section, in one bash that ends at the first failure.  A `json` block
behind one shows what it prints: each field shown must be there.  Blocks of other languages are not run.
"""

import json
import os
import re
import subprocess

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


class Wrong(AssertionError):
    """The page says what is not so."""


def sections(page):
    """{heading: [(language, text)]} of a page, in its order."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as source:
        text = source.read()
    found = {}
    for part in re.split(r"(?m)^(?=#{1,3} )", text):
        heading = part.split("\n", 1)[0].lstrip("# ")
        blocks = re.findall(r"(?ms)^```([a-z]+)\n(.*?)^```$", part)
        if part.count("```") != 2 * len(blocks):
            raise Wrong(f"{page}: {heading}: a block without language or end")
        if blocks:
            found[heading] = blocks
    return found


def shown(example, value, where):
    """Every field of the example is in the value, and of the same kind."""
    if isinstance(example, dict):
        if not isinstance(value, dict) or not set(example) <= set(value):
            raise Wrong(f"{where}: {sorted(example)} are not in {json.dumps(value)[:600]}")
        for key, part in example.items():
            shown(part, value[key], f"{where}.{key}")
    elif isinstance(example, list):
        if not isinstance(value, list) or len(value) < len(example[:1]):
            raise Wrong(f"{where}: {json.dumps(value)[:600]} is no such list")
        for i, part in enumerate(example[:1]):
            shown(part, value[i], f"{where}[{i}]")
    elif type(example) is not type(value) and not (isinstance(example, (int, float)) and isinstance(value, (int, float))):
        raise Wrong(f"{where}: {value!r} is not of the kind of {example!r}")


class Reader:
    """Does what a page says.  instead: {text of the page: what stands for it here}, longest first."""

    def __init__(self, page, instead, environment=None, seconds=600):
        self.page, self.sections, self.seconds = page, sections(page), seconds
        self.instead = dict(instead)
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}
        self.used = set()

    def script(self, text):
        if not self.instead:
            return text
        pattern = "|".join(re.escape(key) for key in sorted(self.instead, key=len, reverse=True))

        def put(found):
            self.used.add(found[0])
            return self.instead[found[0]]
        return re.sub(pattern, put, text)

    def run(self, heading, wrapper=()):
        """Run a section, by a wrapper; what its blocks printed."""
        blocks = self.sections[heading]
        commands = [self.script(text) for language, text in blocks if language == "sh"]
        script = "".join(f"{text}\nprintf '\\0'\n" for text in commands)
        done = subprocess.run([*wrapper, "bash", "-euo", "pipefail", "-c", script], env=self.environment,
                              capture_output=True, timeout=self.seconds, stdin=subprocess.DEVNULL, check=False)
        printed = done.stdout.decode(errors="replace").split("\0")
        if done.returncode != 0:
            failed = commands[min(len(printed), len(commands)) - 1]
            raise Wrong(f"{self.page}: {heading}: exit code {done.returncode} of\n{failed}\n{printed[-1][-2000:]}\n"
                        f"{done.stderr.decode(errors='replace')[-2000:]}")
        self.compare(heading, blocks, printed)
        return printed[:-1]

    def compare(self, heading, blocks, printed):
        at = -1
        for language, text in blocks:
            if language == "sh":
                at += 1
            elif language == "json":
                try:
                    value = json.loads(printed[at])
                except ValueError:
                    raise Wrong(f"{self.page}: {heading}: no JSON: {printed[at][:600]}") from None
                shown(json.loads(text), value, heading)
