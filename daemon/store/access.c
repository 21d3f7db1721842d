/* access.c - single records, lists of ids, blobs */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"

int
access_get(struct store *s, char letter, const char *first, const char *second, struct buf *ret)
{
	struct buf key = BUF_INIT;
	int r = store_get(s, record_key(&key, letter, first, second), ret);

	buf_free(&key);
	return r;
}

int
access_put(struct store *s, char letter, const char *first, const char *second,
	const struct buf *value)
{
	struct buf key = BUF_INIT;
	int r = store_put(s, record_key(&key, letter, first, second), buf_bytes(value));

	buf_free(&key);
	return r;
}

int
access_delete(struct store *s, char letter, const char *first, const char *second)
{
	struct buf key = BUF_INIT;
	int r = store_delete(s, record_key(&key, letter, first, second));

	buf_free(&key);
	return r;
}

/* ---- lists of ids ---- */

#define TAG_ID 1

/* Copies the list without `id`; true when it was there. */
static bool
copy_without(struct bytes value, const char *id, struct buf *out)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;
	bool found = false;

	record_begin(out, 1);
	if (record_open(&r, value) < 0)
		return false;
	while (record_next(&r, &tag, &field)) {
		if (tag == TAG_ID && bytes_eq_str(field, id))
			found = true;
		else
			record_add(out, tag, field);
	}
	return found;
}

int
access_list_add(struct store *s, char letter, const char *part, const char *id)
{
	struct buf old = BUF_INIT, list = BUF_INIT;
	int r = access_get(s, letter, part, NULL, &old);

	if (r == 0 || r == -ENOENT) {
		if (copy_without(buf_bytes(&old), id, &list)) {
			r = 0;
		} else {
			record_add_str(&list, TAG_ID, id);
			r = access_put(s, letter, part, NULL, &list);
		}
	}
	buf_free(&list);
	buf_free(&old);
	return r;
}

int
access_list_remove(struct store *s, char letter, const char *part, const char *id)
{
	struct buf old = BUF_INIT, list = BUF_INIT;
	int r = access_get(s, letter, part, NULL, &old);

	if (r == 0 && copy_without(buf_bytes(&old), id, &list))
		r = list.len > 1 ? access_put(s, letter, part, NULL, &list)
				 : access_delete(s, letter, part, NULL);
	buf_free(&list);
	buf_free(&old);
	return r == -ENOENT ? 0 : r;
}

int
access_list_each(struct store *s, char letter, const char *part,
	int (*each)(void *arg, const char *id), void *arg)
{
	struct buf list = BUF_INIT;
	int r = access_get(s, letter, part, NULL, &list);
	struct record_reader reader;
	struct bytes field;
	uint8_t tag;

	if (r == 0)
		r = record_open(&reader, buf_bytes(&list));
	while (r == 0 && record_next(&reader, &tag, &field)) {
		char *id;

		if (tag != TAG_ID)
			continue;
		id = xstrndup((const char *)field.data, field.len);
		r = each(arg, id);
		free(id);
	}
	buf_free(&list);
	return r == -ENOENT ? 0 : r;
}

/* ---- blobs ---- */

enum { TAG_SEALED = ACCESS_BLOB_TAG, TAG_FILE };

int
access_blob_add(struct store *s, struct bytes key, struct bytes plain, size_t inline_max,
	struct buf *record)
{
	struct buf sealed = BUF_INIT;
	char name[65];
	int r;

	if (plain.len > inline_max) {
		r = store_file_put(s, plain, name);
		if (r == 0)
			record_add_str(record, TAG_FILE, name);
	} else {
		r = store_seal(s, key, plain, &sealed);
		if (r == 0)
			record_add(record, TAG_SEALED, buf_bytes(&sealed));
	}
	buf_free(&sealed);
	return r;
}

/* The blob's field; its tag, 0 when there is none. */
static uint8_t
find_blob(struct bytes record, struct bytes *field)
{
	struct record_reader r;
	uint8_t tag;

	if (record_open(&r, record) < 0)
		return 0;
	while (record_next(&r, &tag, field))
		if (tag == TAG_SEALED || tag == TAG_FILE)
			return tag;
	return 0;
}

int
access_blob_get(struct store *s, struct bytes key, struct bytes record, size_t max, struct buf *ret)
{
	struct bytes field;
	uint8_t tag = find_blob(record, &field);
	char *name;
	int r;

	if (tag == 0)
		return -ENOENT;
	if (tag == TAG_SEALED) {
		if (field.len > max + SEAL_OVERHEAD)
			return -EFBIG;
		r = store_unseal(s, key, field, ret);
		return r == -EINVAL ? -EBADMSG : r;
	}
	name = xstrndup((const char *)field.data, field.len);
	r = store_file_get(s, name, max, ret);
	free(name);
	return r;
}

void
access_blob_drop(struct store *s, struct bytes record)
{
	struct bytes field;
	char *name;

	if (find_blob(record, &field) != TAG_FILE)
		return;
	name = xstrndup((const char *)field.data, field.len);
	store_file_drop(s, name);
	free(name);
}
