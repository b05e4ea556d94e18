#include "engine/lender/mount_table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender_wire.h"

enum { FIELD_POINT = 4 };

static const char upper_option[] = "upperdir=";

static bool
is_octal(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (text[i] < '0' || text[i] > '7')
			return false;
	return true;
}

/* \\040 and the like, in place. */
static void
unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++)
		if (*at == '\\' && is_octal(at + 1)) {
			*to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 3;
		} else {
			*to++ = *at;
		}
	*to = '\0';
}

static char *
mount_table_taken(const char *from, const char *ends)
{
	char *text = mem_copy(from, strcspn(from, ends));

	unescape(text);
	return text;
}

/* Source: proc_pid_mountinfo(5): the mount point is field 5; behind " - " stand type, source and
 * options. */
int
mount_table_parse(const char *line, char **ret_point, char **ret_type, char **ret_upper)
{
	const char *point = line, *type = strstr(line, " - "), *upper;

	for (int i = 0; i < FIELD_POINT && point != NULL; i++) {
		point = strchr(point, ' ');
		point = point == NULL ? NULL : point + 1;
	}
	if (type == NULL || point == NULL || point > type)
		return 0;
	type += strlen(" - ");
	upper = strncmp(type, "overlay ", 8) == 0 ? strstr(type, upper_option) : NULL;
	*ret_point = mount_table_taken(point, " \n");
	*ret_type = mount_table_taken(type, " \n");
	*ret_upper = upper == NULL ? mem_string("")
				   : mount_table_taken(upper + sizeof(upper_option) - 1, ", \n");
	return 1;
}

static int
tell_line(int socket, const char *line, struct buf *text, struct err *e)
{
	SCOPED(free_at) char *point = NULL;
	SCOPED(free_at) char *type = NULL;
	SCOPED(free_at) char *upper = NULL;

	if (mount_table_parse(line, &point, &type, &upper) == 0)
		return 0;
	if (buf_format(text, "%s\t%s\t%s\n", point, type, upper) == 0)
		return 0;
	if (text->len > 0 && wire_send(socket, 'p', text->data, text->len, e) != 0)
		return -1;
	buf_clear(text);
	return buf_format(text, "%s\t%s\t%s\n", point, type, upper) == 0
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "a mount has too long a path");
}

int
mount_table_tell(int socket, struct err *e)
{
	SCOPED(file_close_at) FILE *file = fopen("/proc/self/mountinfo", "re");
	SCOPED(buf_free) struct buf text = BUF_INIT(WIRE_MAX);
	SCOPED(free_at) char *line = NULL;
	size_t room = 0;

	if (file == NULL)
		return err_errno(e, "/proc/self/mountinfo");
	while (getline(&line, &room, file) > 0)
		if (tell_line(socket, line, &text, e) != 0)
			return -1;
	return text.len == 0 ? 0 : wire_send(socket, 'p', text.data, text.len, e);
}
