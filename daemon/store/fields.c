/* fields.c - a struct's members as fields of a record, by a table */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/fields.h"
#include "store/record.h"

static bool
all_zero(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void
encode_one(const struct field *f, const void *object, struct buf *out)
{
	const unsigned char *at = (const unsigned char *)object + f->offset;

	switch (f->kind) {
	case FIELD_STR:
		record_add_str(out, f->tag, *(char *const *)(const void *)at);
		break;
	case FIELD_TEXT:
		record_add_str(out, f->tag, (const char *)at);
		break;
	case FIELD_INT:
		record_add_int(out, f->tag, *(const int64_t *)(const void *)at);
		break;
	case FIELD_UINT:
	case FIELD_ENUM:
		record_add_int(out, f->tag, *(const unsigned *)(const void *)at);
		break;
	case FIELD_BOOL:
		record_add_int(out, f->tag, *(const bool *)at);
		break;
	case FIELD_BYTES:
		if (!all_zero(at, f->size))
			record_add(out, f->tag, bytes_of(at, f->size));
		break;
	case FIELD_BUF:
		record_add(out, f->tag, buf_bytes((const struct buf *)(const void *)at));
		break;
	}
}

void
fields_encode(const struct field *fields, size_t count, const void *object, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		encode_one(&fields[i], object, out);
}

static int
decode_uint(const struct field *f, struct bytes value, void *at)
{
	int64_t v = record_int(value);
	int64_t end = f->kind == FIELD_ENUM ? (int64_t)f->size : (int64_t)UINT32_MAX + 1;

	if (v < 0 || v >= end)
		return -EBADMSG;
	*(unsigned *)at = (unsigned)v;
	return 0;
}

static int
decode_array(const struct field *f, struct bytes value, unsigned char *at)
{
	bool text = f->kind == FIELD_TEXT;

	if (text ? value.len >= f->size : value.len != f->size)
		return -EBADMSG;
	memcpy(at, value.data, value.len);
	if (text)
		at[value.len] = 0;
	return 0;
}

static int
decode_one(const struct field *f, struct bytes value, void *object)
{
	unsigned char *at = (unsigned char *)object + f->offset;

	switch (f->kind) {
	case FIELD_STR:
		record_str((char **)(void *)at, value);
		return 0;
	case FIELD_INT:
		*(int64_t *)(void *)at = record_int(value);
		return 0;
	case FIELD_UINT:
	case FIELD_ENUM:
		return decode_uint(f, value, at);
	case FIELD_BOOL:
		*(bool *)at = record_int(value) != 0;
		return 0;
	case FIELD_TEXT:
	case FIELD_BYTES:
		return decode_array(f, value, at);
	case FIELD_BUF:
		buf_reset((struct buf *)(void *)at);
		buf_add_bytes((struct buf *)(void *)at, value);
		return 0;
	}
	return -EBADMSG;
}

static const struct field *
field_of(const struct field *fields, size_t count, uint8_t tag)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].tag == tag)
			return &fields[i];
	return NULL;
}

int
fields_decode(const struct field *fields, size_t count, struct bytes value, void *object,
	int (*other)(void *arg, uint8_t tag, struct bytes value), void *arg)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	if (record_open(&r, value) < 0)
		return -EBADMSG;
	while (record_next(&r, &tag, &field)) {
		const struct field *f = field_of(fields, count, tag);
		int err = 0;

		if (f)
			err = decode_one(f, field, object);
		else if (other)
			err = other(arg, tag, field);
		if (err < 0)
			return err;
	}
	return r.damaged ? -EBADMSG : 0;
}

void
fields_free(const struct field *fields, size_t count, void *object)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char *at = (unsigned char *)object + fields[i].offset;

		if (fields[i].kind == FIELD_STR) {
			free(*(char **)(void *)at);
			*(char **)(void *)at = NULL;
		} else if (fields[i].kind == FIELD_BUF) {
			buf_free((struct buf *)(void *)at);
		}
	}
}

void
fields_nest(
	struct buf *out, uint8_t tag, const struct field *fields, size_t count, const void *object)
{
	struct buf inner = BUF_INIT;

	record_begin(&inner, 1);
	fields_encode(fields, count, object, &inner);
	record_add(out, tag, buf_bytes(&inner));
	buf_free(&inner);
}
