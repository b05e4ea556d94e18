#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void *
buf_reserve(struct buf *b, size_t len)
{
	size_t need, room;

	if (len > b->max || b->len > b->max - len)
		return NULL;
	need = b->len + len + 1;
	if (need > b->room) {
		room = b->room < 64 ? 64 : b->room;
		while (room < need)
			room += room / 2;
		b->data = mem_array(b->data, room, 1);
		b->room = room;
	}
	return b->data + b->len;
}

int
buf_add(struct buf *b, const void *data, size_t len)
{
	char *end = buf_reserve(b, len);

	if (end == NULL)
		return -1;
	if (len > 0)
		memcpy(end, data, len);
	end[len] = '\0';
	b->len += len;
	return 0;
}

int
buf_text(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int
buf_format(struct buf *b, const char *format, ...)
{
	va_list args;
	int len;
	char *end;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || (end = buf_reserve(b, (size_t)len)) == NULL)
		return -1;
	va_start(args, format);
	(void)vsnprintf(end, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
	return 0;
}

void
buf_drop_front(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
	b->data[b->len] = '\0';
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *data = b->data != NULL ? b->data : mem_string("");

	*b = (struct buf)BUF_INIT(b->max);
	return data;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT(b->max);
}
