#ifndef ENGINE_LAYERS_CONTAINERD_H
#define ENGINE_LAYERS_CONTAINERD_H

#include "base/buf.h"
#include "base/err.h"

/*
 * The containerd in which an engine keeps its containers and images.  A call is one gRPC request:
 * an HTTP/2 POST over its unix socket.  Thread-safe.
 * Source: containerd's api/services/{snapshots,content}/v1; the gRPC protocol over HTTP/2.
 */
struct containerd;

/* ${socket_path}: as this process sees it; ${names}: the namespace of the engine's containers
 * ("moby").  Connects to nothing yet. */
int containerd_open(const char *socket_path, const char *names, struct containerd **ret_containerd,
	struct err *e);
void containerd_close(struct containerd *c);
void containerd_close_at(struct containerd **c);

/* What has to be mounted for a snapshot to be seen; all the caller's to free. */
struct containerd_mount {
	char *type;   /* "overlay", "bind", … */
	char *source; /* of a bind the folder with all that is in it */
	char *upper;  /* of an overlay its upper directory, else NULL */
};

/**
 * containerd_mount(c, snapshotter, key, ret_mount, e):
 * The first mount of the active snapshot ${key}: a container's id.  ERR_NOT_FOUND if it has none,
 * ERR_UNREACHABLE, ERR_TIMEOUT, ERR_ENGINE.
 */
int containerd_mount(struct containerd *c, const char *snapshotter, const char *key,
	struct containerd_mount *ret_mount, struct err *e);

/**
 * containerd_view(c, snapshotter, parent, ret_mount, e):
 * The first mount of a view of the committed snapshot ${parent}.  The view itself is gone again:
 * what is mounted may be used as far as it is the snapshot's own, as that of `native` is.  Errors
 * as above.
 */
int containerd_view(struct containerd *c, const char *snapshotter, const char *parent,
	struct containerd_mount *ret_mount, struct err *e);
void containerd_mount_clear(struct containerd_mount *m);

/* The blob of ${digest} ("sha256:…"), appended to ${to}; errors as above, and ERR_TOO_LARGE. */
int containerd_blob(struct containerd *c, const char *digest, struct buf *to, struct err *e);

#endif
