#ifndef ENGINE_LAYERS_LAYER_WAYS_H
#define ENGINE_LAYERS_LAYER_WAYS_H

#include <pthread.h>

#include "engine/layers/containerd.h"
#include "engine/layers/layers.h"

/*
 * The implementations of layers_find, one a file (layer_*.c).  To add one: a file with a struct
 * layer_way, and a row of the table in layers.c, which is the order in which they are asked.
 */

/* What is known of an engine, kept from call to call. */
struct layer_memory {
	pthread_mutex_t mutex;	       /* one look at a time */
	bool in_containerd;	       /* the engine keeps its containers there */
	struct containerd *containerd; /* NULL: not found yet */
	int containerd_folder;	       /* the folder of its socket, lent; or -1 */
	char *mounts_path;	       /* where a graph driver notes its trees, or NULL, */
	int mounts_folder;	       /* and that folder, lent; or -1 */
};

/* That of engine ${g}; never NULL. */
struct layer_memory *layer_memory(struct engine *g);

/* One call of layers_find. */
struct layer_look {
	const struct layers_options *options;
	const json_t *inspects;
	struct layer *layers; /* of each inspect; those with a path are done */
	size_t count;
	json_t *info; /* the engine's /info */
	struct layer_memory *memory;
};

struct layer_way {
	const char *name;
	/* Whether this engine is one that it may know about, from what the engine tells. */
	bool (*fits)(const struct layer_look *look);
	/* Fill in the layers without a path that it knows, and of others perhaps why it does not
	 * (layer_say).  -1 only for what would fail the whole call: an engine that does not answer.
	 */
	int (*find)(struct layer_look *look, struct err *e);
};

extern const struct layer_way layer_graph;	/* what inspect says of the graph driver */
extern const struct layer_way layer_trees;	/* drivers that keep whole trees, and aufs */
extern const struct layer_way layer_containerd; /* containerd's own Snapshots/Mounts */
extern const struct layer_way layer_mounts;	/* what a lender sees mounted */

/* Why a layer is not known, in place of what was said before. */
void layer_say(struct layer *layer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The id of container ${i}, and its storage driver or snapshotter; "". */
const char *layer_id(const struct layer_look *look, size_t i);
const char *layer_driver(const struct layer_look *look, size_t i);

/* The folder that Docker keeps of container ${i}, which it makes after its layer; NULL: it tells of
 * none.  The caller's. */
char *layer_born(const struct layer_look *look, size_t i);

/* A descriptor (O_PATH) of the host's ${folder}, by a lender that ends at once; the caller's. -1
 * with ERR_UNREADABLE if the host has none. */
int layer_lend(const struct layers_options *o, const char *folder, struct err *e);

/* True if the engine keeps its containers in containerd's store. */
bool layer_in_containerd(const struct layer_look *look);

/* A text below ${object}: ${second} may be NULL; "" where there is none. */
const char *layer_text(const json_t *object, const char *first, const char *second);

#endif
