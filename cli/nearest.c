#include "cli/nearest.h"

#include <limits.h>
#include <string.h>

enum { FAR = 3 }; /* one typing error, or two, in words of five to ten letters */

static int
nearest_least(int a, int b)
{
	return a < b ? a : b;
}

int
nearest_distance(const char *a, const char *b)
{
	int rows[3][NEAREST_MAX + 1];
	const size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > NEAREST_MAX || len_b > NEAREST_MAX)
		return INT_MAX;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= len_a; i++) {
		int *row = rows[i % 3];
		const int *above = rows[(i - 1) % 3];
		const int *two_above = rows[(i + 1) % 3];

		row[0] = (int)i;
		for (size_t j = 1; j <= len_b; j++) {
			row[j] = nearest_least(above[j - 1] + (a[i - 1] != b[j - 1]),
				1 + nearest_least(above[j], row[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = nearest_least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[len_a % 3][len_b];
}

void
nearest_offer(struct nearest *n, const char *word)
{
	const int distance = nearest_distance(n->text, word);

	/* Of "ls" everything short is near: most of the letters have to be right. */
	if (distance >= FAR || (size_t)distance * 2 >= strlen(word))
		return;
	if (n->best == NULL || distance < n->distance) {
		n->best = word;
		n->distance = distance;
	}
}
