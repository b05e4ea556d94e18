# Goal: who asks for a recovery where nothing is left to be put right is told so, and nothing is changed.
"""GET and POST /recovery; what is left by real restores is tests/engine/hosts/recovery_test.py's."""

from case import ServiceCase


class RecoveryCase(ServiceCase):
    def test_nothing_is_pending(self):
        state = self.api("GET", "/recovery").json
        self.assertEqual((state["pending"], state["phase"], state["restore"], state["error"]), (False, "idle", None, None))
        for body in (None, {}, {"abandon": False}):
            reply = self.api("POST", "/recovery", body)
            self.assertEqual((reply.status, reply.json["pending"]), (200, False), reply)
        self.problem(self.api("POST", "/recovery", {"abandon": True}), 404, "not-found", "nothing is pending")
        self.assertIsNone(self.api("GET", "/health", token=None).json["recovery"])

    def test_bad_bodies(self):
        for body in ({"abandon": 1}, {"other": True}, []):
            self.problem(self.api("POST", "/recovery", body), 400, "invalid")
