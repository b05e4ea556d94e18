#ifndef ENGINE_LAYERS_LAYERS_H
#define ENGINE_LAYERS_LAYERS_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"

/*
 * Where the writable layers of containers are.  That is asked of whoever knows (layer_way below),
 * in turn and for each container by itself; no version of an engine decides it.
 */
enum layer_form {
	LAYER_UPPER, /* overlayfs's upper directory: what differs from the image */
	LAYER_NAMED, /* likewise; deletions are (or may be) marked by files .wh.NAME */
	LAYER_TREE   /* the whole tree that the container sees; ${base} is what it began with */
};

struct layer {
	enum layer_form form;
	char *path;	    /* on the host; NULL: nobody knows, and ${why} says what was tried */
	char *base;	    /* on the host; LAYER_TREE only */
	char *born;	    /* likewise: a folder made right after the tree was; NULL: not known */
	const char *teller; /* who knew: a layer_way's name; static */
	char *why;
};

struct layers_options {
	struct engine *engine;
	const struct self *self;
	const char *run_path; /* as lender_options has it: some ways want a lender */
};

/**
 * layers_find(o, inspects, ret_layers, e):
 * Of each of ${inspects} (an array, of containers in any state) the layer; as many as there are
 * inspects, free with layers_free.  That nobody knows one is no error.  What is learned about the
 * engine is kept with it (engine_memory), so that only the first call of a service costs more than
 * some questions.  Thread-safe.
 */
int layers_find(const struct layers_options *o, const json_t *inspects, struct layer **ret_layers,
	struct err *e);
void layers_free(struct layer *layers, size_t count);

#endif
