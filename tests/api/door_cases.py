# Goal: what is no sound request, or shows no token, is answered before it costs anything.
"""The door: raw requests on a socket of the test's own."""

import json
import os
import socket
import threading
import time

from case import ServiceCase

HOST = b"Host: x\r\n"
BODY_MAX = 64 << 20  # of what the sockets' buffers hold and the service reads on: far below this


class DoorCase(ServiceCase):
    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.service.port), 30)
        self.addCleanup(connection.close)
        return connection

    def raw(self, request, connection=None):
        """Everything that is answered to these bytes, up to the end of the connection."""
        connection = connection or self.connect()
        if request:
            connection.sendall(request)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer

    def refused(self, request, status, text=""):
        answer = self.raw(request)
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 %d " % status), (request[:200], answer[:500]))
        problem = json.loads(body)
        self.assertEqual(problem["status"], status)
        self.assertIn(text, problem["detail"])
        self.assertEqual(answer.lower().count(b"x-content-type-options: nosniff"), 1, answer)
        self.assertIn(b"application/problem+json", head)

    def test_two_readers_two_meanings(self):
        token = b"Authorization: Bearer " + self.service.token.encode() + b"\r\n"
        post = b"POST /thaw HTTP/1.1\r\n" + HOST + token
        kind = b"Content-Type: application/json\r\n"
        for request, status in (
                (post + kind + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: 2, 2\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: +2\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: 00000000000000000002\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: 99999999999999999999\r\n\r\n{}", 400),
                (post + kind + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
                (post + kind + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
                (post + kind + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
                (post + kind + b"Transfer-Encoding : chunked\r\n\r\n", 400),
                (post + b"X: a\r\n b\r\n\r\n", 400), (post + b"X: a\rb\r\n\r\n", 400),
                (post + b"X: a\x00b\r\n\r\n", 400), (post + b"X: a\nY: b\r\n\r\n", 400),
                (post + b"\x00: b\r\n\r\n", 400), (post + token + b"\r\n", 400),
                (post + HOST + b"\r\n", 400), (b"POST /thaw HTTP/1.1\r\n" + token + b"\r\n", 400),
                (b"POST /thaw\r\n\r\n", 400), (b"POST /thaw HTTP/3.0\r\n" + HOST + b"\r\n", 505),
                (b"GET /health%00x HTTP/1.1\r\n" + HOST + b"\r\n", 404),
                (b"GET /backups?after=%00 HTTP/1.1\r\n" + HOST + token + b"\r\n", 400),
                (b"GET /backups?limit=%31%00 HTTP/1.1\r\n" + HOST + token + b"\r\n", 400),
                (b"GET /he\tlth HTTP/1.1\r\n" + HOST + b"\r\n", 400),
                (b"GET http://x/health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
                (b"GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
                (b"GET /health HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 200 + b"\r\n", 431),
                (b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 20000 + b"\r\n\r\n", 431),
                (b"GET /" + b"y" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400), (b"SSH-2.0-x\r\n", 400)):
            with self.subTest(request[:300]):
                self.refused(request, status)
        self.assertEqual(self.api("GET", "/operations").json["operations"], [])

    def test_sound_ones_pass(self):
        token = b"Authorization: bearer   " + self.service.token.encode() + b"\r\n"
        for request in (b"GET /backups HTTP/1.1\r\n" + HOST + token + b"\r\n",
                        b"GET /backups HTTP/1.0\r\n" + token + b"\r\n",
                        b"\r\nGET /backups HTTP/1.1\r\n" + HOST + token + b"X:\t\r\n\r\n",
                        b"GET /backups HTTP/1.1\r\nHost: [::1]:80\r\n" + token + b"\r\n",
                        b"POST /thaw HTTP/1.1\r\n" + HOST + token + b"Content-Type: application/json\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"):
            with self.subTest(request):
                self.assertTrue(self.raw(request).startswith(b"HTTP/1.1 200 "), self.raw(request))

    def test_a_head_in_pieces(self):
        connection = self.connect()
        for byte in b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.sendall(bytes([byte]))
        self.assertTrue(self.raw(b"", connection).startswith(b"HTTP/1.1 200 "))

    def test_one_request_a_connection(self):
        token = b"Authorization: Bearer " + self.service.token.encode() + b"\r\n"
        answer = self.raw((b"GET /backups HTTP/1.1\r\n" + HOST + token + b"\r\n") * 5)
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        self.assertIn(b"connection: close", answer.lower())

    def test_the_method_is_the_method(self):
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            reply = self.api("GET", "/backups", headers={name: "POST"})
            self.assertEqual(reply.status, 200)
        self.problem(self.api("GET", "/backups?_method=POST"), 400, "invalid", "_method")
        self.assertEqual(self.api("GET", "/operations").json["operations"], [])

    def test_token_before_body(self):
        """Of whom shows no token nothing is read on: the answer comes at once, and the connection ends."""
        for line in (b"POST /backups", b"PUT /archives", b"POST /nothing", b"PATCH /backups/x", b"GET /health"):
            for head in (b"Content-Length: 9000000000\r\n", b"Transfer-Encoding: chunked\r\n",
                         b"Content-Length: 9000000000\r\nExpect: 100-continue\r\n",
                         b"Content-Length: 9000000000\r\nAuthorization: Bearer " + b"f" * 64 + b"\r\n"):
                with self.subTest(line + b" " + head):
                    connection = self.connect()
                    connection.sendall(line + b" HTTP/1.1\r\n" + HOST + head + b"\r\n")
                    answer = connection.recv(65536)
                    self.assertRegex(answer, rb"^HTTP/1.1 (401|404|405|200) ")
                    self.assertNotIn(b"100 Continue", answer)
                    sent, piece = 0, b"x" * 65536
                    with self.assertRaises(OSError):
                        while sent < BODY_MAX:
                            sent += connection.send(piece)
        self.assertEqual(self.api("GET", "/operations").json["operations"], [])

    def test_an_answer_is_not_lost(self):
        """Who sends a body first and reads then still gets the answer."""
        for size in (1000, 100_000):
            reply = self.api("POST", "/backups", b"x" * size, token=None)
            self.problem(reply, 401, "denied")

    def cut(self, first, drip, seconds, results):
        """Sends a byte now and then: how it ended and after how long."""
        connection, since = self.connect(), time.monotonic()
        connection.sendall(first)
        answer = b""
        try:
            while time.monotonic() - since < seconds:
                connection.settimeout(0.5)
                try:
                    piece = connection.recv(65536)
                    answer += piece
                    if not piece:
                        break
                except TimeoutError:
                    connection.sendall(drip)
        except OSError:
            pass
        results.append((first, answer, time.monotonic() - since))

    def test_who_drips_is_cut(self):
        token = b"Authorization: Bearer " + self.service.token.encode() + b"\r\n"
        results = []
        kinds = ((b"", b""), (b"GET /health HTTP/1.1\r\nX: ", b"a"), (b"", b"G"),
                 (b"POST /thaw HTTP/1.1\r\n" + HOST + token + b"Content-Length: 1000\r\n\r\n", b" "),
                 (b"PUT /archives HTTP/1.1\r\n" + HOST + token + b"Transfer-Encoding: chunked\r\n\r\n", b""))
        clients = [threading.Thread(target=self.cut, args=(first, drip, 90, results)) for first, drip in kinds]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(len(results), len(kinds))
        for first, answer, seconds in results:
            self.assertLess(seconds, 85, first)  # 10 s for a head, 30 for what follows
            if token not in first:
                self.assertRegex(answer, rb"^HTTP/1.1 4", first)
        self.service.finish_all()

    def test_descriptors(self):
        """What ended leaves nothing behind."""
        self.service.finish_all()
        place = f"/proc/{self.service.process.pid}/fd"
        self.raw(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        before = len(os.listdir(place))
        for request in 200 * (b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n", b"nonsense\r\n\r\n"):
            connection = self.connect()
            self.raw(request, connection)
            connection.close()
        time.sleep(0.5)
        self.assertLessEqual(len(os.listdir(place)), before + 3)
