"""Archives from elsewhere: a sound one, made here piece by piece, and many that must be refused.

All are made from the same few bytes, so that they are the same each time.  A piece is (TarInfo,
content); hostile() gives each bad archive with its name and a part of the reason that is told.
"""

import copy
import hashlib
import io
import json
import subprocess
import sys
import tarfile

ID = "20261101-101112-0a1b2c3d"
HEX = "c0ffee" * 10 + "abcd"
BLOCK = 512


def pack(data, *options):
    return subprocess.run(["zstd", "-qc", *options], input=data, capture_output=True,
                          check=True).stdout


def entry(path, content=b"", kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(path)
    info.type, info.size, info.mtime, info.mode = kind, len(content), 1790000000, 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def folder(path):
    return entry(path, kind=tarfile.DIRTYPE, mode=0o755)


def device(path, major=1, minor=3, kind=tarfile.CHRTYPE):
    return entry(path, kind=kind, devmajor=major, devminor=minor)


def link(path, to, kind=tarfile.LNKTYPE):
    return entry(path, kind=kind, linkname=to)


def tar(pieces, end=b"\0" * 1024):
    out = b""
    for info, content in pieces:
        out += info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        out += content + b"\0" * (-len(content) % BLOCK)
    return out + end


def image():
    """A tar of `docker save`, and the image's id."""
    config = b'{"architecture":"amd64","config":{}}'
    digest = hashlib.sha256(config).hexdigest()
    listing = json.dumps([{"Config": digest + ".json", "RepoTags": ["a:1"], "Layers": []}])
    return digest, tar([entry(digest + ".json", config), entry("manifest.json", listing.encode())])


IMAGE, IMAGE_TAR = image()


def manifest():
    return {
        "format": 1, "made_by": "fuel-backup 0.1.0", "id": ID,
        "created_at": "2026-11-01T10:11:12.345Z", "incomplete": False,
        "engine": {"host": "elsewhere", "version": "19.03.1", "api": "1.40",
                   "storage_driver": "aufs", "os": "CentOS 6", "architecture": "s390x"},
        "plan": {},
        "containers": [{"name": "web", "id": HEX, "image": "sha256:" + IMAGE, "image_name": "a:1",
                        "state": "running", "started_at": "2026-11-01T00:00:00Z", "health": ""}],
        "images": [{"id": "sha256:" + IMAGE, "tags": ["a:1"], "file": f"images/{IMAGE}.tar"}],
        "networks": ["front"],
        "volumes": [{"Name": "data", "Driver": "local"}],
        "sources": [
            {"kind": "layer", "name": "web", "path": "", "prefix": "containers/web/layer",
             "file": False},
            {"kind": "volume", "name": "data", "path": "", "prefix": "volumes/data", "file": False},
            {"kind": "bind", "name": "/srv/x", "path": "/srv/x", "prefix": "binds/srv/x",
             "file": False},
            {"kind": "host", "name": "/etc/one", "path": "/etc/one", "prefix": "host/etc/one",
             "file": True}],
        "warnings": ["a tmpfs was left out"],
    }


INSPECT = {"Id": HEX, "Name": "/web", "HostConfig": {
    "PortBindings": {"80/tcp": [{"HostIp": "10.20.0.2", "HostPort": "80"}]}}}


def pieces(head=None, inspect=None, picture=None):
    """The sound archive's."""
    head = manifest() if head is None else head
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return [
        entry("backup.json", text),
        entry("RESTORE.txt", b"by hand\n"),
        entry(f"images/{IMAGE}.tar", IMAGE_TAR if picture is None else picture),
        entry("containers/web/inspect.json",
              json.dumps(INSPECT if inspect is None else inspect).encode()),
        folder("containers/web/layer"),
        folder("containers/web/layer/etc"),
        entry("containers/web/layer/etc/.wh.gone"),
        device("containers/web/layer/null"),
        entry("networks/front.json", b'{"Name": "front"}'),
        folder("volumes/data"),
        folder("volumes/data/sub"),
        entry("volumes/data/a", b"a" * 700),
        link("volumes/data/b", "volumes/data/a"),
        link("volumes/data/out", "/etc/passwd", tarfile.SYMTYPE),
        entry("volumes/data/sub/c", bytes(range(256)) * 400),
        folder("binds/srv/x"),
        entry("binds/srv/x/y", b"y"),
        entry("host/etc/one", b"one\n"),
    ]


def sound():
    return pack(tar(pieces()))


def with_manifest(**fields):
    return tar(pieces(head={**manifest(), **fields}))


def changed(key, at, **fields):
    """With an item of one of the manifest's lists changed."""
    head = manifest()
    head[key][at].update(fields)
    return tar(pieces(head=head))


def doubled(key):
    head = manifest()
    head[key].append(copy.deepcopy(head[key][0]))
    return tar(pieces(head=head))


def put(after, *new):
    """With members behind the one of this path."""
    out = []
    for piece in pieces():
        out.append(piece)
        if piece[0].name == after:
            out.extend(new)
    return tar(out)


def without(path):
    return tar([piece for piece in pieces() if piece[0].name != path])


def replaced(path, new):
    return tar([new if piece[0].name == path else piece for piece in pieces()])


def patched(path, at, new):
    """With bytes of one member's header changed, and its checksum made right again."""
    out = b""
    for info, content in pieces():
        head = bytearray(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        if info.name == path:
            head[at:at + len(new)] = new
            head[148:156] = b" " * 8
            head[148:156] = b"%06o\0 " % sum(head[:BLOCK])
        out += bytes(head) + content + b"\0" * (-len(content) % BLOCK)
    return out + b"\0" * 1024


def pax(name, content=b"", **headers):
    return entry(name, content, pax_headers=headers)


def sparse(text, size="100"):
    """A file whose map of version 1.0 is the text."""
    data = text + b"\0" * (-len(text) % BLOCK)
    return put("volumes/data/a", pax("volumes/data/aa", data, **{
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "volumes/data/aa",
        "GNU.sparse.realsize": size}))


def frames():
    """Of what comes before the tar: (name, bytes, reason)."""
    whole, plain = sound(), tar(pieces())
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    yield "nothing", b"", "ends too early"
    yield "noise", b"this is no archive of anything" * 40, "unpacked"
    yield "a tar that is said to be packed", plain, "unpacked"
    yield "a flipped bit", bytes(flipped), ""
    yield "cut in a frame", whole[:-9], "too early"
    yield "cut in the tar", pack(plain[:-4096]), "ends"
    yield "no end marker", pack(tar(pieces(), b"")), "ends"
    yield "half an end marker", pack(tar(pieces(), b"\0" * BLOCK)), "ends"
    yield "bytes behind the last frame", whole + b"more", ""
    yield "a frame behind the tar", whole + pack(b"more"), "follows the end"
    yield "zeros without an end", whole + pack(b"\0" * (5 << 20)), "follows the end"
    yield "a window of 1 GiB", bytes.fromhex("28b52ffd 04 a0") + b"\0" * 64, "MiB of memory"
    bomb = entry("RESTORE.txt", b"\0" * (9 << 20))
    yield "a text that is a bomb", pack(replaced("RESTORE.txt", bomb), "-19"), "may have"
    yield "empty frames without an end", pack(b"") * 2000, "ends too early"


def headers():
    """Of the tar itself."""
    yield "a wrong checksum", tar(pieces()).replace(b"volumes/data/sub/c\0", b"volumes/data/sub/d\0"), ""
    yield "a size that is a lie", patched("binds/srv/x/y", 124, b"00000001777\0"), ""
    yield "a negative size", patched("binds/srv/x/y", 124, b"\xff" * 12), ""
    yield "8 EiB", patched("binds/srv/x/y", 124, b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7), ""
    yield "a huge pax header", put("volumes/data/a", pax("volumes/data/aa", comment="x" * (9 << 20))), ""
    yield "an unknown kind of member", patched("binds/srv/x/y", 156, b"V"), ""
    yield "zeros in the middle", put("volumes/data/a", (entry("x")[0], b"")).replace(
        entry("x")[0].tobuf(tarfile.PAX_FORMAT), b"\0" * BLOCK), "zeros in its middle"
    yield "a pax size that is a lie", put("volumes/data/a", pax("volumes/data/aa", b"x", size="99999999")), ""
    yield "a map out of order", sparse(b"2\n50\n10\n0\n10\n"), "sparse map"
    yield "a map past the end", sparse(b"1\n99\n10\n"), "sparse map"
    yield "a map of a billion", sparse(b"1000000000\n0\n"), "sparse map"
    yield "a map that is no number", sparse(b"-1\n"), "sparse map"


def paths():
    """Of names and links."""
    volume = "volumes/data/a"
    for path in ("/etc/passwd", "../escape", "volumes/data/../../up", "volumes/data/./dot",
                 "volumes//data", "volumes/data/" + "n" * 300):
        yield f"the path {path[:40]}", put(volume, entry(path, b"x")), "unsafe path"
    yield "a pax path with ..", put(volume, pax("x", path="volumes/data/../../../e")), "unsafe path"
    yield "a hard link to /etc/passwd", put(volume, link("volumes/data/aa", "/etc/passwd")), "links it"
    yield "a hard link with ..", put(volume, link("volumes/data/aa", "../../x")), "links it"
    yield "a hard link into another tree", put("binds/srv/x/y", link("binds/srv/x/z", volume)), "no file of the same tree"
    yield "a hard link to what comes later", put(volume, link("volumes/data/aa", "volumes/data/sub/c")), "no file of the same tree"
    yield "a hard link to a folder", put(volume, link("volumes/data/aa", "volumes/data/sub")), "no file of the same tree"
    yield "a hard link to itself", put(volume, link("volumes/data/aa", "volumes/data/aa")), "no file of the same tree"
    yield "a file below a link", put("volumes/data/out", entry("volumes/data/out/x")), "folder"
    yield "a file below a file", put(volume, entry("volumes/data/a/x")), "folder"
    yield "an empty link", put(volume, link("volumes/data/aa", "", tarfile.SYMTYPE)), "links it"
    yield "a link of 5000 bytes", put(volume, link("volumes/data/aa", "x" * 5000, tarfile.SYMTYPE)), "too long"
    yield "a member twice", put(volume, entry(volume, b"b")), "twice"
    yield "a folder twice", put("volumes/data/sub", folder("volumes/data/sub")), "twice"
    yield "a link instead of a folder", replaced("volumes/data/sub", link("volumes/data/sub", "/etc", tarfile.SYMTYPE)), ""
    yield "a root that is a link", replaced("volumes/data", link("volumes/data", "/etc", tarfile.SYMTYPE)), "should be a folder"
    yield "a host path that is a link", replaced("host/etc/one", link("host/etc/one", "/etc/shadow", tarfile.SYMTYPE)), "should be a file"
    yield "names out of order", put("volumes/data/out", entry("volumes/data/aa")), "out of order"
    yield "a folder among files", put(volume, folder("volumes/data/aa")), "out of order"
    yield "a file and a folder of one name", put("volumes/data/out", entry("volumes/data/sub")), "as well"
    yield "a name that a restore needs", put("volumes/data", folder("volumes/data/.fuel-backup-new")), "needs this name"
    yield "a tree that is not promised", put("host/etc/one", entry("host/etc/two")), "backup.json"
    yield "a member that is not promised", put("RESTORE.txt", entry("evil.sh")), "should come"
    yield "no tree", tar([p for p in pieces() if not p[0].name.startswith("binds")]), "should come"
    yield "no last tree", without("host/etc/one"), "is not in the archive"
    yield "no image", without(f"images/{IMAGE}.tar"), "should come"
    yield "the trees in another order", tar(pieces()[:-3] + pieces()[-1:] + pieces()[-3:-1]), "should come"


def special():
    """Of devices, deletions and attributes."""
    yield "a device in a volume", put("volumes/data/a", device("volumes/data/aa", 8, 0, tarfile.BLKTYPE)), "devices=true"
    yield "a device in a bind", put("binds/srv/x", device("binds/srv/x/d")), "devices=true"
    yield "a raw deletion", put("containers/web/layer/null", device("containers/web/layer/z", 0, 0)), "deletion"
    yield "a deletion of nothing", put("containers/web/layer/null", entry("containers/web/layer/.wh.")), ""
    yield "a deletion of ..", put("containers/web/layer/etc", entry("containers/web/layer/.wh...")), ""
    yield "a deletion with content", put("containers/web/layer/null", entry("containers/web/layer/.wh.z", b"x")), "marks nothing"
    yield "a folder that deletes", put("containers/web/layer/etc", folder("containers/web/layer/etc/.wh.x")), ""
    yield "overlay's attribute", put("containers/web/layer/null", pax("containers/web/layer/z", **{
        "SCHILY.xattr.trusted.overlay.redirect": "/etc"})), "overlay"
    yield "an inspect that is a link", replaced("containers/web/inspect.json", link(
        "containers/web/inspect.json", "/etc/passwd", tarfile.SYMTYPE)), "no plain file"


def promises():
    """Of backup.json, and of what does not fit it."""
    yield "no manifest", without("backup.json"), "not backup.json"
    yield "a manifest that is no JSON", tar(pieces(head=b"{")), "no JSON"
    yield "a key twice", tar(pieces(head=b'{"format": 1, "format": 1}')), "no JSON"
    yield "a manifest of nothing", tar(pieces(head=b"{}")), "\"format\" is missing"
    yield "another format", with_manifest(format=2), "another version"
    yield "an id that is a path", with_manifest(id="../../../../etc/passwd"), "no backup's id"
    yield "a time that is none", with_manifest(created_at="yesterday"), "no time"
    yield "a list that is none", with_manifest(sources={}), "should be a list"
    yield "a name with a slash", changed("containers", 0, name="../../x"), "name"
    yield "a volume with a slash", changed("volumes", 0, Name="a/../../b"), "name"
    yield "a network with a slash", with_manifest(networks=["../x"]), "name"
    yield "a container's id that is none", changed("containers", 0, id="0"), "id"
    yield "a state that is none", changed("containers", 0, state="gone"), "state"
    yield "an image that is not there", changed("containers", 0, image="sha256:" + HEX), "image is not"
    yield "an image's file elsewhere", changed("images", 0, file="/etc/passwd"), "its file"
    yield "a source elsewhere", changed("sources", 1, prefix="host/etc"), "its place"
    yield "a bind of ..", changed("sources", 2, name="/srv/../etc", path="/srv/../etc", prefix="binds/srv/../etc"), "its place"
    yield "a layer of nobody", changed("sources", 0, name="nobody", prefix="containers/nobody/layer"), ""
    for key in ("containers", "images", "networks", "volumes", "sources"):
        yield f"{key}: one twice", doubled(key), "twice"
    yield "another container's inspect", tar(pieces(inspect={**INSPECT, "Name": "/other"})), "backup.json says"
    yield "another id in the inspect", tar(pieces(inspect={**INSPECT, "Id": "0" * 64})), "backup.json says"
    yield "another network's inspect", replaced("networks/front.json", entry("networks/front.json", b'{"Name": "back"}')), "backup.json says"
    yield "an image of another hash", tar(pieces(picture=IMAGE_TAR.replace(b"amd64", b"arm64"))), "SHA-256"
    yield "an image that is not in its tar", tar(pieces(picture=tar([entry("manifest.json", b"[]")]))), "not in it"
    yield from images()
    yield "an image that is no tar", tar(pieces(picture=b"x" * 3000)), ""
    yield "an image that is cut", tar(pieces(picture=IMAGE_TAR[:-1024])), ""


def images():
    """Of the names that an engine would give what it loads: the manifest says a:1 and nothing else."""
    config, text = IMAGE + ".json", b'{"architecture":"amd64","config":{}}'

    def with_names(*members, tags=("a:1",), more=()):
        listing = [{"Config": config, "RepoTags": list(tags), "Layers": []}, *more]
        first = entry("manifest.json", json.dumps(listing).encode())
        return tar(pieces(picture=tar([entry(config, text), first, *members])))

    def index(**names):
        return entry("index.json", json.dumps({"manifests": [{"annotations": names}]}).encode())
    yield "an image with another tag", with_names(tags=["nginx:latest"]), "loaded as nginx:latest"
    yield "an image with one tag more", with_names(tags=["a:1", "docker.io/library/nginx:1"]), "loaded as docker.io"
    yield "an image with a tag that is no text", with_names(tags=[7]), "no text"
    yield "two images in a tar", with_names(more=[{"Config": config, "RepoTags": None, "Layers": []}]), "2 images"
    yield "a manifest of an image twice", with_names(entry("manifest.json", b'[{"RepoTags": ["b:1"]}]')), "loaded as b:1"
    yield "a manifest of an image that is a link", with_names(link("manifest.json", "other", tarfile.SYMTYPE)), "no plain file"
    yield "a manifest of an image elsewhere", with_names(entry("./manifest.json", b'[{"RepoTags": ["b:1"]}]')), "unsafe"
    yield "an image's old list of names", with_names(entry("repositories", b'{"nginx": {"latest": "x"}}')), "loaded as nginx:latest"
    yield "an image's index of names", with_names(index(**{"io.containerd.image.name": "docker.io/library/b:1"})), "loaded as docker.io"
    yield "an image's index of a tag", with_names(index(**{"org.opencontainers.image.ref.name": "2"})), "loaded as :2"
    yield "an image's names that are no JSON", with_names(entry("repositories", b"{")), "no JSON"


def hostile():
    """Each (name, the upload, a part of the reason)."""
    yield from frames()
    for group in (headers, paths, special, promises):
        for name, plain, reason in group():
            yield name, pack(plain), reason


def seeds(folder):
    """For the fuzz target tests/fuzz/import_fuzz.c: all of them, unpacked where they can be."""
    kinds = [group() for group in (headers, paths, special, promises)]
    plain = [tar(pieces()), *(data for kind in kinds for _, data, _ in kind)]
    files = [b"\x84" + data for data in plain if len(data) < 1 << 20]
    files += [b"\x81" + data for _, data, _ in frames()] + [b"\x81" + sound()]
    for number, data in enumerate(files):
        with open(f"{folder}/{number:03}", "wb") as out:
            out.write(data)


if __name__ == "__main__":
    seeds(sys.argv[1])
