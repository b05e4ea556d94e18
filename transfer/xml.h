#ifndef TRANSFER_XML_H
#define TRANSFER_XML_H

#include <stddef.h>

#include "base/err.h"

/*
 * The answers of S3 and WebDAV servers, which are small XML without anything that needs a library:
 * elements by their local names (the prefix of a name space is the server's choice), their texts,
 * no attributes, no DTD.
 */
enum { XML_NAME = 64, XML_TEXT = 4096, XML_DEPTH = 32 };

/**
 * xml_read(text, len, each, ctx, e):
 * Tell of each element when it ends: its local name, and the text directly in it with its entities
 * resolved ("" if there is none; longer than XML_TEXT: cut).  ${each}: -1 ends it.
 * ERR_REMOTE: it is no XML.
 */
typedef int xml_each(void *ctx, const char *name, const char *text, struct err *e);
int xml_read(const char *text, size_t len, xml_each *each, void *ctx, struct err *e);

#endif
