#include "cli/outlook.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

static long long
outlook_number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void
print_counts(const json_t *source, const char *change)
{
	const json_t *counts = json_object_get(source, change);
	char size[SIZE_TEXT];

	if (outlook_number(counts, "entries") > 0)
		say("  %s %lld (%s)", change, outlook_number(counts, "entries"),
			watch_size(outlook_number(counts, "bytes"), size));
}

static void
outlook_print_names(const char *what, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		paint_line(stdout, "%s %s", what, json_string_value(name));
	}
}

/* What becomes of each. */
static void
outlook_print_ways(const char *what, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		paint_line(stdout, "%s %s: %s", what, client_text(item, "name"),
			client_text(item, "way"));
	}
}

void
outlook_print(const json_t *result)
{
	char size[SIZE_TEXT], span[UNITS_TEXT];
	const json_t *item;
	size_t i;

	outlook_print_ways("container", json_object_get(result, "containers"));
	outlook_print_ways("service", json_object_get(result, "services"));
	outlook_print_names("image to load:", json_object_get(result, "images"));
	outlook_print_names("volume to make:", json_object_get(result, "volumes"));
	json_array_foreach (json_object_get(result, "networks"), i, item) {
		paint_line(stdout, "network %s: %s", client_text(item, "name"),
			client_text(item, "change"));
	}
	json_array_foreach (json_object_get(result, "differing"), i, item) {
		paint_line(stdout, "%s %s is another here than in the backup: %s",
			client_text(item, "kind"), client_text(item, "name"),
			client_text(item, "becomes"));
	}
	json_array_foreach (json_object_get(result, "ports"), i, item) {
		paint_line(stdout, "port %s of %s is taken by %s", client_text(item, "port"),
			client_text(item, "container"), client_text(item, "taken_by"));
	}
	json_array_foreach (json_object_get(result, "addresses"), i, item) {
		paint_line(stdout, "address %s of %s on network %s is taken by %s",
			client_text(item, "address"), client_text(item, "container"),
			client_text(item, "network"), client_text(item, "taken_by"));
	}
	json_array_foreach (json_object_get(result, "obstacles"), i, item) {
		paint_line(stdout, "The restore would be refused: %s: %s (%s)",
			client_text(item, "name"), client_text(item, "detail"),
			client_text(item, "advice"));
	}
	json_array_foreach (json_object_get(result, "sources"), i, item) {
		paint(stdout, PAINT_NONE, 0, client_text(item, "prefix"));
		(void)putchar(':');
		print_counts(item, "added");
		print_counts(item, "changed");
		print_counts(item, "deleted");
		say("\n");
	}
	json_array_foreach (json_object_get(result, "entries"), i, item) {
		paint_line(stdout, "  %-7s %s", client_text(item, "change"),
			client_text(item, "path"));
	}
	if (outlook_number(result, "entries_left_out") > 0)
		say("  and %lld more\n", outlook_number(result, "entries_left_out"));
	say("Dry run: %s would be written, and ",
		watch_size(outlook_number(result, "space_bytes"), size));
	if (outlook_number(result, "downtime_ms") > 0)
		say("containers would be down for about %s.",
			units_duration(outlook_number(result, "downtime_ms"), span));
	else
		say("no container would be down.");
	say("\nNothing was changed.\n");
}
