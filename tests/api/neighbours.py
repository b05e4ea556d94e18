"""Keystone, Nailgun and a webhook's receiver, as small servers that tests tell what to answer."""

import http.server
import json
import threading
import time

IN_AN_HOUR, AN_HOUR_AGO = 3600, -3600


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + seconds))


class Server:
    """answer(method, path, headers, body) gives (status, headers, body)."""

    def __init__(self):
        self.calls, self.changed = [], threading.Condition()
        self.pause = threading.Event()
        self.pause.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.changed:
                    outer.calls.append((self.command, self.path, dict(self.headers), body))
                    outer.changed.notify_all()
                outer.pause.wait(60)
                status, headers, answer = outer.answer(self.command, self.path, self.headers, body)
                answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass

            do_POST = do_GET

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.pause.set()
        self.server.shutdown()
        self.server.server_close()

    def wait_calls(self, count, seconds=60):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.calls) >= count, seconds):
                raise AssertionError(f"{len(self.calls)} calls instead of {count}")
            return list(self.calls)


class Keystone(Server):
    """Tokens: {text: (expires in seconds, [roles])}; who asks must be an admin of these, or ask
    about itself.  The user nailgun has the password `secret`."""

    def __init__(self):
        super().__init__()
        self.tokens, self.garbage, self.status = {}, None, None

    def answer(self, method, path, headers, body):
        if self.status:
            return self.status, {}, {"error": {"code": self.status}}
        if self.garbage is not None:
            return 200, {}, self.garbage
        if method == "POST":
            return self.login(path, json.loads(body)["auth"])
        asker = headers.get("X-Auth-Token")
        if asker not in self.tokens or self.tokens[asker][0] < 0:
            return 401, {}, {"error": {"code": 401}}
        subject = (headers.get("X-Subject-Token") if path.startswith("/v3")
                   else path.removeprefix("/v2.0/tokens/"))
        if asker != subject and "admin" not in self.tokens[asker][1]:
            return 403, {}, {"error": {"code": 403}}
        if subject not in self.tokens:
            return 404, {}, {"error": {"code": 404}}
        expires, roles = self.tokens[subject]
        roles = [{"id": name, "name": name} for name in roles]
        if path == "/v3/auth/tokens":
            return 200, {"X-Subject-Token": subject}, {
                "token": {"expires_at": stamp(expires), "methods": ["password"], "roles": roles,
                          "user": {"id": "u", "name": "someone"}}}
        return 200, {}, {"access": {"token": {"id": subject, "expires": stamp(expires)},
                                    "user": {"id": "u", "name": "someone", "roles": roles}}}

    def login(self, path, auth):
        v3 = path == "/v3/auth/tokens"
        who = (auth["identity"]["password"]["user"] if v3 else auth["passwordCredentials"])
        name = who["name"] if v3 else who["username"]
        if (name, who["password"]) != ("nailgun", "secret"):
            return 401, {}, {"error": {"code": 401}}
        text = f"own{len(self.calls)}"
        self.tokens[text] = (IN_AN_HOUR, ["admin"])
        if v3:
            return 201, {"X-Subject-Token": text}, {"token": {"expires_at": stamp(IN_AN_HOUR)}}
        return 200, {}, {"access": {"token": {"id": text, "expires": stamp(IN_AN_HOUR)}}}


class Nailgun(Server):
    def __init__(self):
        super().__init__()
        self.tasks, self.status = [], 200

    def answer(self, method, path, headers, body):
        return self.status, {}, self.tasks


class Receiver(Server):
    """A webhook's: answers with the first of `statuses`, the last one for ever."""

    def __init__(self, *statuses):
        super().__init__()
        self.statuses = list(statuses) or [200]

    def answer(self, method, path, headers, body):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return status, {"Location": "/elsewhere"} if status == 302 else {}, {}

    def messages(self, count):
        return [json.loads(body) for _, _, _, body in self.wait_calls(count)]
