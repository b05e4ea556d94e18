/* How long it takes to ask containerd where the layers of containers are:
 *
 *	bench_layers SOCKET SNAPSHOTTER ID...
 *
 * Prints the milliseconds of the first round over all of them (with the connection) and of the best
 * of ten.  The service asks in the same way, one after the other
 * (engine/layers/layer_containerd.c). */
#include <stdio.h>

#include "base/clock.h"
#include "engine/layers/containerd.h"

enum { ROUNDS = 10 };

int
main(int argc, char **argv)
{
	struct containerd *c;
	double first = 0, best = 0;
	struct err e;

	if (argc < 4 || containerd_open(argv[1], "moby", &c, &e) != 0)
		return 2;
	for (int round = 0; round < ROUNDS; round++) {
		const int64_t since_ns = clock_mono_ns();
		double ms;

		for (int i = 3; i < argc; i++) {
			struct containerd_mount mount;

			if (containerd_mount(c, argv[2], argv[i], &mount, &e) != 0) {
				(void)fprintf(stderr, "%s: %s\n", argv[i], e.text);
				return 1;
			}
			containerd_mount_clear(&mount);
		}
		ms = (double)(clock_mono_ns() - since_ns) / 1e6;
		first = round == 0 ? ms : first;
		best = round == 0 || ms < best ? ms : best;
	}
	(void)printf("%d layers: %.1f ms at first, %.1f ms at best\n", argc - 3, first, best);
	containerd_close(c);
	return 0;
}
