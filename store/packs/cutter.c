#include "store/packs/cutter.h"

#include <pthread.h>

enum { WARM_UP = 64 };

struct bounds {
	size_t min, average, max;
	unsigned bits_before, bits_behind; /* the average */
};

static const struct bounds content = {CUT_MIN, CUT_AVERAGE, CUT_MAX, 20, 16};
static const struct bounds fine = {CUT_FINE_MIN, CUT_FINE_AVERAGE, CUT_FINE_MAX, 17, 13};

static uint64_t gear[256];
static pthread_once_t gear_once = PTHREAD_ONCE_INIT;

static void
gear_fill(void)
{
	uint64_t state = 0x4655454C4241434B;

	for (int i = 0; i < 256; i++) {
		uint64_t z = (state += 0x9E3779B97F4A7C15);
		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
		gear[i] = z ^ (z >> 31);
	}
}

uint64_t
cutter_gear(unsigned char i)
{
	(void)pthread_once(&gear_once, gear_fill);
	return gear[i];
}

void
cutter_start(struct cutter *c, enum cut cut)
{
	(void)pthread_once(&gear_once, gear_fill);
	*c = (struct cutter){.cut = cut};
}

static size_t
cutter_smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Hash on up to the position ${end} of the chunk or the first hash that has the top ${bits} zero.
 */
static bool
roll(struct cutter *c, const unsigned char **p, size_t end, unsigned bits)
{
	const unsigned char *from = *p;
	const unsigned char *stop = from + (end - c->len);
	const uint64_t limit = UINT64_C(1) << (64 - bits);
	uint64_t hash = c->hash;
	bool found = false;

	while (from < stop && !found) {
		hash = (hash << 1) + gear[*from++];
		found = hash < limit;
	}
	c->len += (size_t)(from - *p);
	c->hash = hash;
	*p = from;
	return found;
}

static size_t
scan_content(struct cutter *c, const struct bounds *b, const unsigned char *data, size_t len,
	bool *ret_cut)
{
	const unsigned char *p = data;
	const size_t end = c->len + len;
	bool found = false;

	if (c->len < b->min - WARM_UP) {
		const size_t skip = cutter_smaller(len, b->min - WARM_UP - c->len);
		p += skip;
		c->len += skip;
	}
	while (!found && c->len < cutter_smaller(end, b->min))
		(void)roll(c, &p, cutter_smaller(end, b->min), b->bits_before);
	if (c->len < cutter_smaller(end, b->average))
		found = roll(c, &p, cutter_smaller(end, b->average), b->bits_before);
	if (!found && c->len < cutter_smaller(end, b->max))
		found = roll(c, &p, cutter_smaller(end, b->max), b->bits_behind);
	*ret_cut = found || c->len == b->max;
	return (size_t)(p - data);
}

size_t
cutter_scan(struct cutter *c, const void *data, size_t len, bool *ret_cut)
{
	static const size_t fixed[] = {
		[CUT_CONTENT] = 0,
		[CUT_FINE] = 0,
		[CUT_PAGES_16] = 16 << 10,
		[CUT_PAGES_64] = 64 << 10,
		[CUT_WHOLE] = CHUNK_MAX,
	};
	const size_t size = fixed[c->cut];
	size_t used;

	if (size == 0) {
		used = scan_content(c, c->cut == CUT_FINE ? &fine : &content, data, len, ret_cut);
	} else {
		used = cutter_smaller(len, size - c->len);
		c->len += used;
		*ret_cut = c->len == size;
	}
	if (*ret_cut) {
		c->len = 0;
		c->hash = 0;
	}
	return used;
}
