#include "transfer/xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct xml_reader {
	const char *at, *end;
	char names[XML_DEPTH][XML_NAME];
	int depth;
	char text[XML_TEXT];
	size_t len;
};

static int
broken(struct err *e)
{
	return err_set(e, ERR_REMOTE,
		"the server's answer is no XML as it should be: is the URL that of an S3 or WebDAV "
		"server?");
}

static void
add(struct xml_reader *r, const char *data, size_t len)
{
	if (len > sizeof(r->text) - 1 - r->len)
		len = sizeof(r->text) - 1 - r->len;
	memcpy(r->text + r->len, data, len);
	r->len += len;
	r->text[r->len] = '\0';
}

/* A character's number as UTF-8. */
static void
add_number(struct xml_reader *r, unsigned long n)
{
	char utf[4];

	if (n < 0x80) {
		utf[0] = (char)n;
		add(r, utf, n == 0 ? 0 : 1);
	} else if (n < 0x800) {
		utf[0] = (char)(0xC0 | (n >> 6));
		utf[1] = (char)(0x80 | (n & 0x3F));
		add(r, utf, 2);
	} else if (n < 0x10000) {
		utf[0] = (char)(0xE0 | (n >> 12));
		utf[1] = (char)(0x80 | ((n >> 6) & 0x3F));
		utf[2] = (char)(0x80 | (n & 0x3F));
		add(r, utf, 3);
	} else if (n < 0x110000) {
		utf[0] = (char)(0xF0 | (n >> 18));
		utf[1] = (char)(0x80 | ((n >> 12) & 0x3F));
		utf[2] = (char)(0x80 | ((n >> 6) & 0x3F));
		utf[3] = (char)(0x80 | (n & 0x3F));
		add(r, utf, 4);
	}
}

/* At '&'. */
static void
entity(struct xml_reader *r)
{
	static const struct {
		const char *name;
		char c;
	} named[] = {
		{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
	const size_t left = (size_t)(r->end - r->at);
	const char *semicolon = memchr(r->at, ';', left < 12 ? left : 12);

	if (semicolon != NULL && r->at[1] == '#') {
		const bool hex = r->at[2] == 'x';

		add_number(r, strtoul(r->at + (hex ? 3 : 2), NULL, hex ? 16 : 10));
		r->at = semicolon + 1;
		return;
	}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strncmp(r->at, named[i].name, strlen(named[i].name)) == 0) {
			add(r, &named[i].c, 1);
			r->at += strlen(named[i].name);
			return;
		}
	add(r, r->at++, 1);
}

/* Past ${until}; false: it is not there. */
static bool
skip(struct xml_reader *r, const char *until)
{
	const char *found = memmem(r->at, (size_t)(r->end - r->at), until, strlen(until));

	if (found == NULL)
		return false;
	r->at = found + strlen(until);
	return true;
}

/* The local name that begins at ${at}. */
static void
local_name(const char *at, const char *end, char name[XML_NAME])
{
	const char *from = at;
	size_t len;

	while (at < end && strchr(" \t\r\n/>", *at) == NULL) {
		if (*at == ':')
			from = at + 1;
		at++;
	}
	len = (size_t)(at - from) < XML_NAME - 1 ? (size_t)(at - from) : XML_NAME - 1;
	memcpy(name, from, len);
	name[len] = '\0';
}

static int
element_end(struct xml_reader *r, xml_each *each, void *ctx, struct err *e)
{
	if (r->depth == 0)
		return broken(e);
	if (each(ctx, r->names[--r->depth], r->text, e) != 0)
		return -1;
	r->len = 0;
	r->text[0] = '\0';
	return 0;
}

/* At '<'. */
static int
tag(struct xml_reader *r, xml_each *each, void *ctx, struct err *e)
{
	const char *start = ++r->at;
	bool ends;

	if (strncmp(start, "![CDATA[", 8) == 0) {
		r->at += 8;
		if (!skip(r, "]]>"))
			return broken(e);
		add(r, start + 8, (size_t)(r->at - start - 11));
		return 0;
	}
	if (strncmp(start, "!--", 3) == 0)
		return skip(r, "-->") ? 0 : broken(e);
	if (!skip(r, ">"))
		return broken(e);
	if (*start == '?' || *start == '!')
		return 0;
	if (*start == '/')
		return element_end(r, each, ctx, e);
	if (r->depth == XML_DEPTH)
		return broken(e);
	ends = r->at[-2] == '/';
	local_name(start, r->at, r->names[r->depth++]);
	r->len = 0;
	r->text[0] = '\0';
	return ends ? element_end(r, each, ctx, e) : 0;
}

int
xml_read(const char *text, size_t len, xml_each *each, void *ctx, struct err *e)
{
	struct xml_reader r = {.at = text, .end = text + len};

	if (text == NULL)
		return broken(e);
	while (r.at < r.end) {
		if (*r.at == '<') {
			if (tag(&r, each, ctx, e) != 0)
				return -1;
		} else if (*r.at == '&') {
			entity(&r);
		} else {
			add(&r, r.at++, 1);
		}
	}
	return r.depth == 0 ? 0 : broken(e);
}
