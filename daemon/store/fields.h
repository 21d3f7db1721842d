/*
 * fields.h - a struct's members as fields of a record, by a table: one line per member
 *
 * A tag's meaning never changes; new members get new tags (record.h).
 */
#ifndef CORDON_STORE_FIELDS_H
#define CORDON_STORE_FIELDS_H

#include <stddef.h>

#include "base/buf.h"

enum field_kind {
	FIELD_STR,   /* char *, owned */
	FIELD_TEXT,  /* char array of `size` bytes, NUL-terminated */
	FIELD_INT,   /* int64_t */
	FIELD_UINT,  /* unsigned or uint32_t */
	FIELD_BOOL,  /* bool */
	FIELD_ENUM,  /* enum with values 0 .. size-1 */
	FIELD_BYTES, /* unsigned char array of `size` bytes; left out when all zero */
	FIELD_BUF    /* struct buf, owned */
};

struct field {
	uint8_t tag;
	enum field_kind kind;
	size_t offset, size;
};

#define FIELD(tag, kind, type, member)               \
	{                                            \
		tag, kind, offsetof(type, member), 0 \
	}
#define FIELD_SIZED(tag, kind, type, member)                                   \
	{                                                                      \
		tag, kind, offsetof(type, member), sizeof(((type *)0)->member) \
	}
#define FIELD_OF(tag, type, member, count)                     \
	{                                                      \
		tag, FIELD_ENUM, offsetof(type, member), count \
	}

/* Appends the object's fields; the record is begun by the caller. */
void fields_encode(const struct field *fields, size_t count, const void *object, struct buf *out);
/*
 * Fills the (zeroed or new) object from a whole value.  Fields that the table does not have go to
 * other(arg, tag, value), which may be NULL, and which stops by a negative return.  0 or -EBADMSG.
 */
int fields_decode(const struct field *fields, size_t count, struct bytes value, void *object,
	int (*other)(void *arg, uint8_t tag, struct bytes value), void *arg);
/* Frees the owned members and zeroes them; not the object. */
void fields_free(const struct field *fields, size_t count, void *object);
/* Appends the object as one field that holds a record of its own. */
void fields_nest(
	struct buf *out, uint8_t tag, const struct field *fields, size_t count, const void *object);

#define FIELD_COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
