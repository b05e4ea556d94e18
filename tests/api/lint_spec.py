#!/usr/bin/env python3
# Goal: the contract, api-spec/openapi.yaml, is a sound OpenAPI 3.1 document.
"""lint_spec.py [FILE]: prints what is wrong with it, and fails if anything is."""

import os
import re
import sys

import jsonschema
import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import record  # noqa: E402

PATH_ITEM = {"parameters", "summary", "description"} | set(record.METHODS)
OPERATION = {"operationId", "summary", "description", "parameters", "requestBody", "responses",
             "security", "tags", "deprecated"}
RESPONSE = {"description", "headers", "content"}
KINDS = {"schemas", "responses", "parameters", "headers", "requestBodies", "securitySchemes"}


class UniqueLoader(yaml.SafeLoader):
    """YAML takes the last of equal keys silently; this one refuses them."""


def construct_unique(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice",
                                                    node.start_mark)
    return loader.construct_mapping(node, deep=True)


UniqueLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, construct_unique)


class Lint:
    def __init__(self, path):
        with open(path, encoding="utf-8") as source:
            yaml.load(source, UniqueLoader)
        self.contract = record.Contract(path)
        self.document = self.contract.document
        self.faults, self.used = [], set()

    def fault(self, where, text):
        self.faults.append(f"{where}: {text}")

    def run(self):
        self.root()
        self.references(self.document, "")
        if self.faults:  # without sound references nothing else can be judged
            return self.faults
        self.components()
        names = []
        for template, item in self.document["paths"].items():
            self.keys(template, item, PATH_ITEM)
            for method in record.METHODS:
                if method in item:
                    names.append(item[method].get("operationId"))
                    self.operation(template, item, method)
        for name in {name for name in names if names.count(name) > 1}:
            self.fault("paths", f"operationId {name} more than once")
        self.unused()
        return self.faults

    def keys(self, where, node, known, required=()):
        for key in set(node) - known:
            if not key.startswith("x-"):
                self.fault(where, f"unknown key {key!r}")
        for key in required:
            if key not in node:
                self.fault(where, f"without {key!r}")

    def root(self):
        d = self.document
        self.keys("document", d, {"openapi", "info", "jsonSchemaDialect", "servers", "paths",
                                  "components", "security", "tags", "webhooks", "externalDocs"},
                  ("openapi", "info", "paths", "components"))
        if not re.fullmatch(r"3\.1\.[0-9]+", str(d.get("openapi"))):
            self.fault("openapi", "not 3.1")
        for key in ("title", "version"):
            if not isinstance(d.get("info", {}).get(key), str):
                self.fault("info", f"{key} is no text")
        self.keys("components", d.get("components", {}), KINDS)
        for need in d.get("security", []):
            self.security("security", need)

    def references(self, node, where):
        if isinstance(node, list):
            for i, item in enumerate(node):
                self.references(item, f"{where}/{i}")
        if not isinstance(node, dict):
            return
        reference = node.get("$ref")
        if isinstance(reference, str):
            self.used.add(reference)
            try:
                record.pointer(self.document, reference)
            except (KeyError, TypeError):
                self.fault(where, f"{reference} leads nowhere")
        for key, item in node.items():
            self.references(item, f"{where}/{key}")

    def components(self):
        parts = self.document["components"]
        for name, schema in parts.get("schemas", {}).items():
            self.schema(f"schemas/{name}", schema)
        for name, response in parts.get("responses", {}).items():
            self.response(f"responses/{name}", response)
        for name, body in parts.get("requestBodies", {}).items():
            self.content(f"requestBodies/{name}", body.get("content", {}))
        for name, header in parts.get("headers", {}).items():
            self.schema(f"headers/{name}", header.get("schema"))
        for name, parameter in parts.get("parameters", {}).items():
            self.parameter(f"parameters/{name}", parameter)

    def schema(self, where, schema):
        if not isinstance(schema, dict):
            self.fault(where, "without a schema")
            return
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            self.fault(where, error.message)
            return
        self.schema_values(where, schema)

    def schema_values(self, where, node):
        """Examples and defaults, at every depth; and that what is required is described."""
        if isinstance(node, list):
            for i, item in enumerate(node):
                self.schema_values(f"{where}/{i}", item)
        if not isinstance(node, dict):
            return
        if isinstance(node.get("examples"), list):
            for value in node["examples"]:
                self.valid(where, node, value)
        if "default" in node and not isinstance(node["default"], dict):
            self.valid(where, node, node["default"])
        if isinstance(node.get("required"), list) and isinstance(node.get("properties"), dict):
            for name in set(node["required"]) - set(node["properties"]):
                self.fault(where, f"{name} is required and not described")
        for key, item in node.items():
            if key not in ("examples", "default", "enum", "const"):
                self.schema_values(f"{where}/{key}", item)

    def valid(self, where, schema, value):
        for error in self.contract.validator(schema).iter_errors(value):
            self.fault(where, f"the example {value!r}: {error.message}")

    def content(self, where, content):
        if not content:
            self.fault(where, "without content")
        for kind, media in content.items():
            self.keys(f"{where}/{kind}", media, {"schema", "example", "examples"})
            if kind.endswith("json") or kind.startswith("text/"):
                if "schema" not in media:
                    self.fault(where, f"{kind} without a schema")
                    continue
            if "schema" in media:
                self.schema(f"{where}/{kind}", media["schema"])
            for name, example in media.get("examples", {}).items():
                if "value" not in example:
                    self.fault(where, f"the example {name} has no value")
                else:
                    self.valid(f"{where}/{kind}/{name}", media["schema"], example["value"])

    def response(self, where, response):
        if "$ref" in response:
            return
        self.keys(where, response, RESPONSE, ("description",))
        for name, header in response.get("headers", {}).items():
            if "$ref" not in header:
                self.schema(f"{where}/{name}", header.get("schema"))
        if "content" in response:
            self.content(where, response["content"])

    def parameter(self, where, parameter):
        self.keys(where, parameter, {"name", "in", "required", "schema", "description"},
                  ("name", "in", "schema"))
        if parameter.get("in") not in ("path", "query", "header", "cookie"):
            self.fault(where, f"in {parameter.get('in')!r}")
        if parameter.get("in") == "path" and parameter.get("required") is not True:
            self.fault(where, "a parameter of the path must be required")
        self.schema(where, parameter.get("schema"))

    def security(self, where, need):
        for name in need:
            self.used.add("#/components/securitySchemes/" + name)
            if name not in self.document["components"].get("securitySchemes", {}):
                self.fault(where, f"no security scheme {name}")

    def operation(self, template, item, method):
        operation = item[method]
        where = f"{method.upper()} {template}"
        self.keys(where, operation, OPERATION, ("operationId", "summary", "responses"))
        given = [self.contract.resolve(parameter) for parameter in
                 item.get("parameters", []) + operation.get("parameters", [])]
        for parameter in given:
            self.parameter(where, parameter)
        places = [(parameter["in"], parameter["name"].lower()) for parameter in given]
        if len(places) != len(set(places)):
            self.fault(where, "a parameter twice")
        in_path = {name for place, name in places if place == "path"}
        if in_path != set(re.findall(r"{([^}]*)}", template)):
            self.fault(where, f"the path's parameters are not those declared: {in_path}")
        for need in operation.get("security", []):
            self.security(where, need)
        if "requestBody" in operation:
            if method in ("get", "head", "delete"):
                self.fault(where, "a body, which this method has not")
            body = self.contract.resolve(operation["requestBody"])
            self.content(where + " body", body.get("content", {}))
        self.answers(where, operation)

    def answers(self, where, operation):
        responses = operation.get("responses", {})
        secured = operation.get("security", self.document.get("security"))
        for status, response in responses.items():
            if status != "default" and not re.fullmatch("[1-5][0-9][0-9]", str(status)):
                self.fault(where, f"status {status!r}")
            self.response(f"{where} {status}", response)
            content = self.contract.resolve(response).get("content", {})
            if str(status) in ("204", "304") and content:
                self.fault(where, f"{status} has no body")
            told = where == "GET /health" and str(status) == "503"  # its answer says what is missing
            if str(status)[0] in "45d" and not told and set(content) - {"application/problem+json"}:
                self.fault(where, f"{status} is not a problem")
        if not any(str(status).startswith("2") for status in responses):
            self.fault(where, "no success is documented")
        if bool(secured) != ("401" in responses):
            self.fault(where, "401 belongs where a token is needed, and only there")

    def unused(self):
        for kind, parts in self.document["components"].items():
            for name in parts:
                if f"#/components/{kind}/{name}" not in self.used:
                    self.fault(f"components/{kind}", f"{name} is not used")


def main():
    faults = Lint(sys.argv[1] if len(sys.argv) > 1 else record.SPEC).run()
    print("\n".join(faults) if faults else "sound")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
