"""Judges replies of the service by its contract, api-spec/openapi.yaml, and keeps record of them.

FB_CONTRACT_RECORDS names the folder of the records, where each process writes a file of its own.
A record is a line of JSON: {method, path, status}, with the path's template, or null if it has none.
"""

import json
import os
import re
import urllib.parse

import jsonschema
import yaml

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../api-spec/openapi.yaml")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


class Broken(AssertionError):
    """A reply that the contract does not allow."""


def pointer(document, reference):
    """What a local reference names."""
    if not reference.startswith("#/"):
        raise KeyError(f"{reference}: not within this document")
    for part in reference[2:].split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


class Contract:
    def __init__(self, path=SPEC):
        with open(path, encoding="utf-8") as source:
            self.document = yaml.safe_load(source)

    def resolve(self, node):
        while "$ref" in node:
            node = pointer(self.document, node["$ref"])
        return node

    def validator(self, schema):
        """For a schema of the document, whose references are those of the document."""
        whole = {"components": self.document["components"], "allOf": [schema]}
        return jsonschema.Draft202012Validator(whole)

    def operations(self):
        """Each (METHOD, template, operation)."""
        for template, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield method.upper(), template, item[method]

    def template(self, path):
        """The template that a path, with or without a query, is of; or None.  A path element in
        the place of a parameter matches whatever it is, and {path} any number of them."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(path).path)
        for template in self.document["paths"]:
            expression = re.escape(template).replace(r"\{path\}", "(?s:.*)")
            expression = re.sub(r"\\{[a-z_]+\\}", "[^/]+", expression)
            if path == template or re.fullmatch(expression, path):
                return template
        return None

    def responses(self, method, template):
        """The documented responses, and whether they are those of another method (HEAD of GET)."""
        item = self.document["paths"].get(template, {})
        if method.lower() in item:
            return item[method.lower()]["responses"], False
        if method == "HEAD" and "get" in item:
            return item["get"]["responses"], True
        return None, False

    def allow(self, template):
        """The methods of a path, as `Allow` must list them."""
        methods = {m.upper() for m in METHODS if m in self.document["paths"][template]}
        return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())

    # One reply.

    def check(self, method, path, status, headers, body):
        """Raises Broken unless the contract allows this reply.  headers: (name, value) pairs."""
        where = f"{method} {path} -> {status}"
        template = self.template(path)
        headers = {name.lower(): value for name, value in headers}
        if headers.get("x-content-type-options") != "nosniff":
            raise Broken(f"{where}: without X-Content-Type-Options")
        responses, borrowed = self.responses(method, template)
        if responses is None:
            self.check_unrouted(where, template, method, status, headers, body)
            return template
        if str(status) in responses:
            response = self.resolve(responses[str(status)])
        elif "default" in responses and status >= 500:
            response = self.resolve(responses["default"])
        else:
            raise Broken(f"{where}: not documented: {body[:500]!r}")
        self.check_headers(where, response, headers)
        if method == "HEAD":
            if body:
                raise Broken(f"{where}: a body")
            if borrowed and response.get("content"):
                self.media(where, response["content"], headers)
            return template
        self.check_body(where, response, status, headers, body)
        return template

    def check_unrouted(self, where, template, method, status, headers, body):
        """What the document's description says of unknown paths and methods."""
        if template is None:
            expected = 404
        else:
            expected = {"OPTIONS": 204}.get(method, 405)
        if status != expected and not (template and "{id}" in template and status == 404):
            raise Broken(f"{where}: {expected} expected")
        if status != 404:
            allowed = {word.strip() for word in headers.get("allow", "").split(",")}
            if allowed != self.allow(template):
                raise Broken(f"{where}: Allow: {allowed} instead of {self.allow(template)}")
        if status == 204:
            if body:
                raise Broken(f"{where}: a body")
        elif method != "HEAD":
            content = self.document["components"]["responses"]["NotFound"]["content"]
            self.check_body(where, {"content": content}, status, headers, body)

    def check_headers(self, where, response, headers):
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            value = headers.get(name.lower())
            if value is None:
                if header.get("required"):
                    raise Broken(f"{where}: without {name}")
                continue
            for error in self.validator(header["schema"]).iter_errors(value):
                raise Broken(f"{where}: {name}: {error.message}")

    @staticmethod
    def media(where, content, headers):
        """The documented media type of this reply."""
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in content:
            raise Broken(f"{where}: Content-Type {kind!r} is none of {list(content)}")
        return kind

    def check_body(self, where, response, status, headers, body):
        content = response.get("content")
        if not content:
            if body:
                raise Broken(f"{where}: a body: {body[:200]!r}")
            return
        kind = self.media(where, content, headers)
        schema = content[kind].get("schema")
        if schema is None:
            return
        if kind.endswith("json"):
            value = json.loads(body, object_pairs_hook=unique)
        else:
            value = body.decode()
        for error in self.validator(schema).iter_errors(value):
            place = "/".join(str(part) for part in error.absolute_path)
            raise Broken(f"{where}: /{place}: {error.message}")
        if kind == "application/problem+json" and value["status"] != status:
            raise Broken(f"{where}: the problem says {value['status']}")


def unique(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise Broken(f"duplicate keys: {keys}")
    return dict(pairs)


# The records.


def append(method, template, status):
    """One line, in one write, so that a process that is killed leaves no half of it."""
    folder = os.environ.get("FB_CONTRACT_RECORDS")
    if not folder:
        return
    os.makedirs(folder, exist_ok=True)
    line = json.dumps({"method": method, "path": template, "status": status}) + "\n"
    path = os.path.join(folder, f"{os.getpid()}.jsonl")
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(out, line.encode())
    finally:
        os.close(out)


def read(folder):
    """The set of (METHOD, template, status) of all records."""
    seen = set()
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as source:
            for line in source:
                entry = json.loads(line)
                seen.add((entry["method"], entry["path"], entry["status"]))
    return seen


_contract = None


def reply(method, path, status, headers, body):
    """Judge one reply and record it."""
    global _contract
    _contract = _contract or Contract()
    template = _contract.check(method, path, status, headers, body)
    append(method, template, status)
