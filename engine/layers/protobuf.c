#include "engine/layers/protobuf.h"

#include <string.h>

#include "base/mem.h"

/* The kinds of fields on the wire. */
enum { WIRE_NUMBER = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { NUMBER_BITS = 64, FIELD_SHIFT = 3, FIELD_KIND = 7 };

static int
put_number(struct buf *to, uint64_t value)
{
	while (value >= 0x80) {
		const unsigned char part = (unsigned char)(value | 0x80);

		if (buf_add(to, &part, 1) != 0)
			return -1;
		value >>= 7;
	}
	return buf_add(to, &(unsigned char){(unsigned char)value}, 1);
}

int
protobuf_text(struct buf *to, unsigned number, const char *text)
{
	if (put_number(to, ((uint64_t)number << FIELD_SHIFT) | WIRE_BYTES) != 0)
		return -1;
	if (put_number(to, strlen(text)) != 0)
		return -1;
	return buf_add(to, text, strlen(text));
}

static int
protobuf_take_number(struct protobuf *m, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < NUMBER_BITS && m->len > 0; shift += 7) {
		const unsigned char part = *m->data;

		m->data++;
		m->len--;
		value |= (uint64_t)(part & 0x7f) << shift;
		if ((part & 0x80) == 0) {
			*ret = value;
			return 0;
		}
	}
	return -1;
}

static int
take_bytes(struct protobuf *m, uint64_t len, struct protobuf *ret)
{
	if (len > m->len)
		return -1;
	ret->data = m->data;
	ret->len = (size_t)len;
	m->data += len;
	m->len -= (size_t)len;
	return 0;
}

int
protobuf_next(struct protobuf *m, struct protobuf_field *field)
{
	uint64_t head, len;
	int status = -1;

	if (m->len == 0)
		return 0;
	if (protobuf_take_number(m, &head) != 0 || head >> FIELD_SHIFT > UINT32_MAX)
		return -1;
	*field = (struct protobuf_field){.number = (unsigned)(head >> FIELD_SHIFT)};
	switch (head & FIELD_KIND) {
	case WIRE_NUMBER:
		status = protobuf_take_number(m, &field->value);
		break;
	case WIRE_BYTES:
		field->is_bytes = true;
		status =
			protobuf_take_number(m, &len) == 0 ? take_bytes(m, len, &field->bytes) : -1;
		break;
	case WIRE_64:
		status = take_bytes(m, 8, &field->bytes);
		break;
	case WIRE_32:
		status = take_bytes(m, 4, &field->bytes);
		break;
	default:
		break;
	}
	return status == 0 ? 1 : -1;
}

char *
protobuf_string(const struct protobuf *bytes)
{
	return mem_copy((const char *)bytes->data, bytes->len);
}
