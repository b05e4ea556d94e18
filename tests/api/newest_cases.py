# Goal: an engine that speaks API 1.44 to 1.55 only, with containers in containerd's store, is asked as it wants to be.
"""Docker 29.7 as it answers: no GraphDriver, but Storage; calls of a version below its minimum are refused.

Nobody here knows where the layer of its container is (there is no containerd): all else of it is captured, and the
backup says what it lacks.
"""

import os

from case import ServiceCase

ID = "4d2f" * 16
IMAGE = "sha256:" + "ab" * 32
VERSION = {"Version": "29.7.2", "ApiVersion": "1.55", "MinAPIVersion": "1.44", "Os": "linux", "Arch": "amd64"}
INFO = {"ID": "FAKE", "Name": "newest", "ServerVersion": "29.7.2", "Containers": 1, "Driver": "overlayfs",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "Containerd": {"Address": "/nowhere/containerd.sock", "Namespaces": {"Containers": "moby"}},
        "DockerRootDir": "/nowhere/docker", "Architecture": "x86_64", "OSType": "linux", "CgroupVersion": "2"}


def container(folder):
    return {"Id": ID, "Name": "/web", "Image": IMAGE, "Created": "2026-11-30T10:00:00Z", "Path": "sleep", "Args": [],
            "State": {"Status": "exited", "Running": False, "Paused": False, "Restarting": False, "Pid": 0, "ExitCode": 0,
                      "StartedAt": "2026-11-30T10:00:00Z", "FinishedAt": "2026-11-30T10:00:01Z"},
            "Storage": {"RootFS": {"Snapshot": {"Name": "overlayfs"}}},
            "ImageManifestDescriptor": {"digest": IMAGE, "platform": {"architecture": "amd64", "os": "linux"}},
            "Config": {"Image": "web:1", "Hostname": "web", "Labels": {}, "Env": ["A=1"]},
            "HostConfig": {"NetworkMode": "none", "Binds": ["web-data:/data"]},
            "NetworkSettings": {"Networks": {}},
            "Mounts": [{"Type": "volume", "Name": "web-data", "Source": folder, "Destination": "/data", "Driver": "local",
                        "RW": True}]}


class NewestCase(ServiceCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = os.path.join(cls.folder, "volume")
        os.mkdir(folder)
        with open(folder + "/file", "w", encoding="ascii") as out:
            out.write("of the volume\n")
        made = container(folder)
        cls.service.end()
        cls.engine.instead = {
            "/version": VERSION, "/info": INFO,
            "/containers/json": [{"Id": ID, "Names": ["/web"], "State": "exited", "Labels": {}}],
            f"/containers/{ID}/json": made, "/containers/web/json": made,
            f"/images/{IMAGE.replace(':', '%3A')}/json": {
                "Id": IMAGE, "RepoTags": ["web:1"], "Size": 1000, "Architecture": "amd64", "Os": "linux",
                "Config": {"Env": ["A=1"]}, "RootFS": {"Type": "layers", "Layers": ["sha256:" + "cd" * 32]}},
            "/images/get": b"\0" * 10240,
            "/volumes/web-data": {"Name": "web-data", "Driver": "local", "Mountpoint": folder, "Labels": {}, "Options": {}}}
        del cls.engine.calls[:]
        cls.service.start()

    def tearDown(self):
        super().tearDown()
        self.engine.instead["/version"] = VERSION

    def test_layer_left_out_alone(self):
        ended = self.service.operate("/backups", {"containers": {"names": ["web"]}})
        record = self.api("GET", "/backups/" + ended["backup"]).json
        self.assertEqual(record["state"], "partial")
        [left] = record["omitted"]
        self.assertEqual((left["kind"], left["name"]), ("layer", "web"))
        files = self.api("GET", f"/backups/{ended['backup']}/files/volumes/web-data")
        self.assertIn("file", str(files.body))
        inspect = self.api("GET", f"/backups/{ended['backup']}/files/containers/web/inspect.json")
        self.assertEqual((inspect.status, inspect.json["Storage"]["RootFS"]["Snapshot"]["Name"]), (200, "overlayfs"))

    def test_plan(self):
        reply = self.api("GET", "/plan")
        self.assertEqual(reply.status, 200, reply)

    def test_refused_in_words(self):
        """An administrator may set the minimum as high as the newest version."""
        self.engine.close()
        self.engine.instead["/version"] = {**VERSION, "MinAPIVersion": "1.52"}
        self.engine.open()
        reply = self.api("GET", "/plan")
        self.assertGreaterEqual(reply.status, 500)
        self.assertIn("1.52 and newer only", reply.json["detail"])
