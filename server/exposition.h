#ifndef SERVER_EXPOSITION_H
#define SERVER_EXPOSITION_H

#include "base/buf.h"
#include "base/histogram.h"

/*
 * The text format that Prometheus reads, version 0.0.4.
 *
 *	exposition_family(b, "fuel_backup_store_free_bytes", "gauge", "Free space of the store.");
 *	exposition_sample(b, NULL, 4096);
 *	exposition_sample(b, (const char *const[]){"plan", name, NULL}, 1);
 *
 * A name and a help text are ours and written as they are; values of labels are escaped.
 */
struct exposition {
	struct buf text;
	const char *name; /* of the present family */
};

enum { EXPOSITION_MAX = 4 * 1024 * 1024 };

#define EXPOSITION_INIT                                                                            \
	{                                                                                          \
		.text = BUF_INIT(EXPOSITION_MAX)                                                   \
	}

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Begin a family of samples; ${type}: "gauge", "counter", "histogram". ${name} stays valid until
 * the next. */
void exposition_family(struct exposition *x, const char *name, const char *type, const char *help);

/* A sample of the present family; ${labels}: name, value, …, NULL; or NULL. */
void exposition_sample(struct exposition *x, const char *const *labels, double value);

/* A family of one histogram: its buckets, which count what is below as well, its sum and count. */
void exposition_histogram(
	struct exposition *x, const char *name, const char *help, const struct histogram *h);

#endif
