/* How long it takes to ask containerd where the layers of containers are:
 *
 *	bench_layers SOCKET SNAPSHOTTER ID...
 *
 * Prints the milliseconds of the first round over all of them (with the connection), and of ten the
 * median and the best.  The service asks in the same way, one after the other
 * (engine/layers/layer_containerd.c). */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/layers/containerd.h"

enum { ROUNDS = 10 };

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	struct containerd *c;
	double ms[ROUNDS];
	struct err e;

	if (argc < 4 || containerd_open(argv[1], "moby", &c, &e) != 0)
		return 2;
	for (int round = 0; round < ROUNDS; round++) {
		const int64_t since_ns = clock_mono_ns();

		for (int i = 3; i < argc; i++) {
			struct containerd_mount mount;

			if (containerd_mount(c, argv[2], argv[i], &mount, &e) != 0) {
				(void)fprintf(stderr, "%s: %s\n", argv[i], e.text);
				return 1;
			}
			containerd_mount_clear(&mount);
		}
		ms[round] = (double)(clock_mono_ns() - since_ns) / 1e6;
	}
	(void)printf("%d layers: %.1f ms at first, ", argc - 3, ms[0]);
	qsort(ms, ROUNDS, sizeof(ms[0]), by_value);
	(void)printf("%.1f ms the median, %.1f ms at best\n", ms[ROUNDS / 2], ms[0]);
	containerd_close(c);
	return 0;
}
