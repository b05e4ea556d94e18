#include "cli/help.h"

#include <stddef.h>

static const struct {
	const char *names, *text;
} rows[] = {
	{"backup", "back up entire deployment"},
	{"restore", "restore backed up deployment, or an archive of any host"},
	{"list, show", "list backups; show what is known of one"},
	{"plan", "show what a backup would contain now"},
	{"ls, cat, fetch", "look into a backup; get a file or a folder out of it"},
	{"download, link, import", "get an archive, or a link to it; take in any other"},
	{"copy, destinations, destination, probe, forget", "copies on other machines"},
	{"rehearse", "prove that a backup comes up, with isolated clones of it"},
	{"verify, scrub", "read a backup, or the whole store, back: is all of it there?"},
	{"lock, unlock, name", "keep a backup from being deleted; give it a name"},
	{"delete, prune, sweep", "remove one, or what no rule keeps; give space back"},
	{"watch, operations, cancel", "follow, list or stop what is done"},
	{"thaw, recover", "let run what was frozen; put a cut-off restore right"},
	{"health, metrics", "show whether the service is well; show its numbers"},
	{"completion, version, help", "for the shell; the version; how one is used"},
};

void
help_print(FILE *to)
{
	(void)fprintf(to, "Usage: dockerctl COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)fprintf(to, "  %s: %s\n", rows[i].names, rows[i].text);
	(void)fprintf(to,
		"\n`dockerctl help COMMAND` tells how it is used, and its options.\n"
		"ID: a backup's id, the beginning of one, its name, or `latest`.\n"
		"On the host of the service, as root, dockerctl finds the service by itself;\n"
		"elsewhere set FUEL_BACKUP_URL and FUEL_BACKUP_TOKEN.\n");
}
