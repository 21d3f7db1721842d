/* meta.c - the few things that belong to the whole store */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/meta.h"

enum { TAG_STR = 1, TAG_INT };

/* The field with this tag, in `value`'s memory.  -ENOENT also when it is of the other type. */
static int
get(struct store *s, const char *name, uint8_t wanted, struct buf *value, struct bytes *field)
{
	struct record_reader r;
	uint8_t tag;
	int err = access_get(s, 'm', name, NULL, value);

	if (err == 0)
		err = record_open(&r, buf_bytes(value));
	if (err < 0)
		return err;
	while (record_next(&r, &tag, field))
		if (tag == wanted)
			return 0;
	return r.damaged ? -EBADMSG : -ENOENT;
}

int
meta_get_str(struct store *s, const char *name, char **ret)
{
	struct buf value = BUF_INIT;
	struct bytes field;
	int r = get(s, name, TAG_STR, &value, &field);

	if (r == 0)
		*ret = xstrndup((const char *)field.data, field.len);
	buf_free(&value);
	return r;
}

int
meta_put_str(struct store *s, const char *name, const char *value)
{
	struct buf record = BUF_INIT;
	int r;

	if (!value)
		return access_delete(s, 'm', name, NULL);
	record_begin(&record, 1);
	record_add_str(&record, TAG_STR, value);
	r = access_put(s, 'm', name, NULL, &record);
	buf_free(&record);
	return r;
}

int
meta_get_int(struct store *s, const char *name, int64_t *ret)
{
	struct buf value = BUF_INIT;
	struct bytes field;
	int r = get(s, name, TAG_INT, &value, &field);

	if (r == 0)
		*ret = record_int(field);
	buf_free(&value);
	return r;
}

int
meta_put_int(struct store *s, const char *name, int64_t value)
{
	struct buf record = BUF_INIT;
	unsigned char zero = 0;
	int r;

	record_begin(&record, 1);
	if (value != 0)
		record_add_int(&record, TAG_INT, value);
	else
		record_add(&record, TAG_INT, bytes_of(&zero, 1)); /* 0 is a value, not an absence */
	r = access_put(s, 'm', name, NULL, &record);
	buf_free(&record);
	return r;
}
