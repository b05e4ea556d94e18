"""What a tree holds, to the nanosecond and to the byte, as values that can be compared."""

import hashlib
import os
import stat


BLOCK = 64 * 1024


def content(path):
    """A digest for each block."""
    with open(path, "rb") as data:
        return tuple(hashlib.sha256(block).hexdigest()[:32] for block in iter(lambda: data.read(BLOCK), b""))


def attributes(path):
    """xattrs, but for overlayfs's own."""
    return tuple((name, os.getxattr(path, name, follow_symlinks=False))
                 for name in sorted(os.listxattr(path, follow_symlinks=False))
                 if not name.startswith("trusted.overlay."))


def entry(path):
    state = os.lstat(path)
    found = {"kind": stat.S_IFMT(state.st_mode), "mode": oct(stat.S_IMODE(state.st_mode)),
             "owner": (state.st_uid, state.st_gid), "mtime": state.st_mtime_ns,
             "xattrs": attributes(path)}
    if stat.S_ISREG(state.st_mode):
        found.update(size=state.st_size, content=content(path))
    elif stat.S_ISLNK(state.st_mode):
        found["target"] = os.readlink(path)
    elif not stat.S_ISDIR(state.st_mode):
        found["device"] = state.st_rdev
    linked = None if stat.S_ISDIR(state.st_mode) or state.st_nlink == 1 else state.st_ino
    return found, linked


def listing(root):
    """path below root → what is there.  Names of one inode know each other by the first of them."""
    found, first = {}, {}
    root = os.fsencode(root)
    paths = [root]
    for folder, folders, files in os.walk(root):
        paths += [os.path.join(folder, name) for name in folders + files]
    for path in sorted(paths):
        name = os.path.relpath(path, root)
        found[name], inode = entry(path)
        if inode is not None:
            found[name]["linked to"] = first.setdefault(inode, name)
    return found


def difference(key, was, now):
    if key == "content" and was is not None and now is not None:
        blocks = [i for i, (one, other) in enumerate(zip(was, now)) if one != other]
        return f"content of blocks {blocks[:20]} of {len(was)}"
    return f"{key} {was!r} became {now!r}"


def listing_differences(before, after):
    lines = [f"{path!r}: {'lost' if path in before else 'new'}" for path in sorted(before.keys() ^ after.keys())]
    for path in sorted(before.keys() & after.keys()):
        was, now = before[path], after[path]
        lines += [f"{path!r}: {difference(key, was.get(key), now.get(key))}"
                  for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]
    return lines
