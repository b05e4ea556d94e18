# Goal: a page, a token, a method, a path, a parameter or a body is answered as the contract says.
"""What does not depend on a backup: pages, tokens, methods, paths, parameters, bodies."""

import os

import record
from case import UNKNOWN, ServiceCase

CONTRACT = record.Contract()
TOO_LARGE = b'{"' + b"a" * (1 << 20) + b'": 1}'


def operations():
    """Each (METHOD, template, operation), and HEAD of each GET as well."""
    for method, template, operation in CONTRACT.operations():
        yield method, template, operation
        if method == "GET" and "head" not in CONTRACT.document["paths"][template]:
            yield "HEAD", template, operation


def secured(operation):
    return operation.get("security", CONTRACT.document["security"]) != []


class SurfaceCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ended = cls.service.operate("/backups")
        cls.ids = {"/backups": ended["backup"], "/operations": ended["id"],
                   "/tasks": ended["id"]}

    def path(self, template, of=None):
        return template.replace("/page/{path}", "/page/main.js").replace("{name}", "nowhere").replace("{id}", of or self.ids["/" + template.split("/")[1]]
                                if "{id}" in template else "")

    # The page, the contract, the service as a whole.

    def test_page(self):
        for path in ("/", "/page/main.js", "/page/page.css", "/page/icon.svg", "/fuel-backup-button.js"):
            with self.subTest(path):
                whole = self.api("GET", path, token=None)
                self.assertEqual(whole.status, 200)
                self.assertGreater(len(whole.body), 100)
                self.assertNotIn("unsafe", whole.header("Content-Security-Policy"))
                self.conditional(path, whole, None)
        for path in ("/page/", "/page/nothing.js", "/page/../token", "/page/main.js/"):
            with self.subTest(path):
                self.problem(self.api("GET", path, token=None), 404, "not-found")

    def conditional(self, path, whole, token):
        etag = whole.header("ETag")
        self.assertFalse(etag.startswith("W/"))
        for known in (etag, f'"other", {etag}', "*", "W/" + etag):
            for method in ("GET", "HEAD"):
                reply = self.api(method, path, headers={"If-None-Match": known}, token=token)
                self.assertEqual((reply.status, reply.body), (304, b""), known)
                self.assertEqual(reply.header("ETag"), etag)
        for other in ('"other"', etag[:-2] + '"', etag[1:-1]):
            reply = self.api("GET", path, headers={"If-None-Match": other}, token=token)
            self.assertEqual((reply.status, reply.body), (200, whole.body), other)
        head = self.api("HEAD", path, token=token)
        self.assertEqual(head.status, 200)
        self.assertEqual(head.header("Content-Length"), str(len(whole.body)))

    def test_api_spec(self):
        reply = self.api("GET", "/api-spec")
        self.assertEqual(reply.status, 200)
        with open(record.SPEC, "rb") as source:
            self.assertEqual(reply.body, source.read())
        self.conditional("/api-spec", reply, True)

    def test_health(self):
        health = self.api("GET", "/health", token=None).json
        self.assertEqual(health["status"], "ok")
        self.assertEqual(health["engine"], {"reachable": True, "version": "20.10.24",
                                            "api": "1.41", "error": None, "socket_dead": False})
        self.assertEqual(health["store"]["path"], self.service.store)
        self.assertGreater(health["store"]["chunks"], 0)
        self.assertIsNone(health["operation"])

    def test_plan(self):
        reply = self.api("GET", "/plan")
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.json["plan"], {"host_paths": [self.data]})
        self.assertEqual(reply.json["containers"], [])
        [source] = reply.json["sources"]
        self.assertEqual(source["path"], self.data)
        self.assertGreaterEqual(source["bytes"], len(self.noise))

    def test_thaw(self):
        for body in (None, {}):
            reply = self.api("POST", "/thaw", body)
            self.assertEqual((reply.status, reply.json), (200, {"thawed": []}))

    # Tokens.

    def test_token_needed(self):
        token = self.service.token
        wrong = "f" * len(token)
        for method, template, operation in operations():
            if not secured(operation):
                continue
            path = self.path(template)
            for headers in ({}, {"Authorization": "Bearer " + wrong}, {"Authorization": "Bearer "},
                            {"Authorization": "Bearer " + token[:-1]},
                            {"Authorization": "Bearer " + token + "0"},
                            {"Authorization": "Basic " + token}, {"Authorization": token}):
                with self.subTest(f"{method} {path}", headers=headers):
                    reply = self.api(method, path, headers=headers, token=None)
                    self.assertEqual(reply.status, 401)
                    self.assertTrue(reply.header("WWW-Authenticate").startswith("Bearer "))
                    self.assertNotIn(wrong.encode(), reply.body)
                    if method != "HEAD":
                        self.problem(reply, 401, "denied", self.service.store + "/token")
        self.assertNotIn(token, self.service.log())
        self.assertNotIn(wrong, self.service.log())

    def test_token_not_in_query(self):
        reply = self.api("GET", "/backups?token=" + "f" * 64, token=None)
        self.assertEqual(reply.status, 401)

    def test_token_scheme_in_any_case(self):
        for scheme in ("bearer", "BEARER"):
            reply = self.api("GET", "/backups", token=None,
                             headers={"Authorization": f"{scheme} {self.service.token}"})
            self.assertEqual(reply.status, 200)

    def test_a_refused_request_starts_nothing(self):
        before = self.api("GET", "/operations").json
        self.api("POST", "/backups", token=None)
        self.api("POST", "/backups", token="f" * 64)
        self.assertEqual(self.api("GET", "/operations").json, before)

    # Methods and paths.

    def test_methods(self):
        for template in CONTRACT.document["paths"]:
            path, allowed = self.path(template), CONTRACT.allow(template)
            with self.subTest(path):
                reply = self.api("OPTIONS", path, token=None)
                self.assertEqual(reply.status, 204)
                for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "ODD"} - allowed:
                    reply = self.api(method, path, token=None)
                    self.problem(reply, 405, "method", method)
                    self.assertEqual(set(reply.header("Allow").split(", ")), allowed)

    def test_head_wherever_get_is(self):
        for method, template, _ in operations():
            if method == "GET" and not template.endswith("/events"):
                path = self.path(template)
                get, head = self.api("GET", path), self.api("HEAD", path)
                self.assertEqual((head.status, head.body), (get.status, b""), path)
                self.assertEqual(head.header("Content-Type"), get.header("Content-Type"))

    def test_unknown_paths(self):
        backup = self.ids["/backups"]
        for path in ("/nothing", "/backups/", "//backups", "/backups//archive", "/Backups",
                     f"/backups/{backup}/", f"/backups/{backup}/nothing", "/page.js/x",
                     f"/backups/{backup}/archive/", f"/operations/{backup}/archive",
                     f"/backups/../backups/{backup}/archive/x", "/health/", "/api-spec.yaml"):
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                with self.subTest(f"{method} {path}"):
                    reply = self.api(method, path)
                    self.assertEqual(reply.status, 404)
                    if method != "HEAD":
                        self.problem(reply, 404, "not-found")

    def test_bad_and_unknown_ids(self):
        backup = self.ids["/backups"]
        for method, template, _ in operations():
            if "{id}" not in template:
                continue
            for bad in (UNKNOWN, "x", backup.upper()[:-1] + "G", backup + "0", backup[:-1], "0",
                        "..", backup.replace("-", "_"), "%00", "%2e%2e%2ftoken", "a" * 3000):
                with self.subTest(f"{method} {template}", id=bad):
                    reply = self.api(method, self.path(template, bad))
                    self.assertEqual(reply.status, 404)
                    if method != "HEAD":
                        self.problem(reply, 404, "not-found")

    def test_ids_are_of_their_kind(self):
        self.assertEqual(self.api("GET", "/backups/" + self.ids["/operations"]).status, 404)
        self.assertEqual(self.api("GET", "/operations/" + self.ids["/backups"]).status, 404)

    # Parameters and bodies.

    def test_unknown_parameters(self):
        before = self.api("GET", "/operations").json
        for method, template, _ in operations():
            for query in ("unknown=1", "unknown", "Limit=1", "limi=1"):
                with self.subTest(f"{method} {template}", query=query):
                    reply = self.api(method, f"{self.path(template)}?{query}")
                    self.assertEqual(reply.status, 400)
                    if method != "HEAD":
                        self.problem(reply, 400, "invalid", query.split("=")[0])
        self.assertEqual(self.api("GET", "/operations").json, before)

    def bodied(self):
        """Each (METHOD, path, whether a body has a meaning) that looks at a body."""
        for method, template, operation in CONTRACT.operations():
            if method in ("POST", "PATCH") or (method, template) in (("DELETE", "/backups/{id}"), ("DELETE", "/destinations/{name}")):
                body = operation.get("requestBody", {"$ref": "Nothing"})
                yield method, self.path(template), "$ref" not in body

    def test_bad_bodies(self):
        before = self.api("GET", "/operations").json
        kind = {"Content-Type": "application/json"}
        for method, path, meaning in self.bodied():
            with self.subTest(f"{method} {path}"):
                reply = self.api(method, path, TOO_LARGE, kind)
                self.problem(reply, 413, "too-large", "1048576")
                reply = self.api(method, path, TOO_LARGE[7:], kind)  # exactly the limit
                self.problem(reply, 400, "invalid")
                for other in ({}, {"Content-Type": "text/plain"},
                              {"Content-Type": "application/jsonx"},
                              {"Content-Type": "application/x-www-form-urlencoded"}):
                    reply = self.api(method, path, b"{}", other)
                    self.problem(reply, 415, "invalid", "application/json")
                reply = self.api(method, path, b'{\n "a": ]\n}', kind)
                self.problem(reply, 400, "invalid", "line 2")
                for text in (b"{", b"{}}", b"\xff", b'{"a": 1 "b"}', b"{'a': 1}", b"\0", b"nul"):
                    self.problem(self.api(method, path, text, kind), 400, "invalid", "line 1")
                reply = self.api(method, path, b'{"astute": true, "astute": true}', kind)
                self.problem(reply, 400, "invalid", "duplicate")
                reply = self.api(method, path, {"hostpaths": []})
                self.problem(reply, 400, "invalid", "hostpaths" if meaning else "no body")
                for value in ([], [1], "x", 1, None):
                    reply = self.api(method, path, b"null" if value is None else value, kind)
                    self.problem(reply, 400)
        self.assertEqual(self.api("GET", "/operations").json, before)
        self.assertEqual(self.api("GET", "/backups/" + self.ids["/backups"]).status, 200)

    def test_declared_with_parameters(self):
        reply = self.api("POST", "/thaw", b"{}",
                         {"Content-Type": "Application/JSON; charset=utf-8"})
        self.assertEqual(reply.status, 200)

    def test_bad_plans(self):
        before = self.api("GET", "/operations").json
        for plan, text in (
                ({"containers": {"nams": []}}, "nams"), ({"containers": []}, "containers"),
                ({"containers": {"names": "*"}}, "names"), ({"containers": {"names": [1]}}, "names"),
                ({"containers": {"labels": [""]}}, "labels"), ({"host_paths": "x"}, "host_paths"),
                ({"host_paths": ["etc"]}, "etc"), ({"host_paths": ["/"]}, "/"),
                ({"host_paths": ["/etc/"]}, "/etc/"), ({"host_paths": ["/a/../b"]}, "/a/../b"),
                ({"host_paths": ["/a//b"]}, "/a//b"), ({"host_paths": ["/a/.."]}, "/a/.."),
                ({"exclude": ["x" * 4097]}, "4096"), ({"exclude": ["x"] * 1001}, "1000"),
                ({"exclude": ["a\0b"]}, ""), ({"unreadable": "skip"}, "unreadable"),
                ({"unreadable": None}, "unreadable"), ({"on_error": "skip"}, "on_error"),
                ({"on_error": "continue", "unreadable": "fail"}, "says otherwise"), ({"host_paths": None}, "host_paths")):
            with self.subTest(str(plan)[:80]):
                self.problem(self.api("POST", "/backups", plan), 400, "invalid", text)
        self.assertEqual(self.api("GET", "/operations").json, before)

    def test_bad_restore_requests(self):
        path = f"/backups/{self.ids['/backups']}/restore"
        for body, text in (({"astute": 1}, "astute"), ({"host_paths": "yes"}, "host_paths"),
                           ({"host_paths": None}, "host_paths"), ({"Astute": True}, "Astute")):
            self.problem(self.api("POST", path, body), 400, "invalid", text)

    def test_token_file(self):
        status = os.stat(os.path.join(self.service.store, "token"))
        self.assertEqual(status.st_mode & 0o7777, 0o600)
        self.assertRegex(self.service.token, "^[0-9a-f]{64}$")
        self.assertEqual(os.stat(self.service.store).st_mode & 0o077, 0)
