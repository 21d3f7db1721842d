/* sealed.c - counts the sealed values that do not open */
#include "store/sealed.h"

#include <errno.h>
#include <string.h>

#include "store/access.h"
#include "store/enrollment.h"

#define NAME "store-key"
#define WORD "cordon"

struct count {
	struct store *store;
	struct sealed_counts *sums;
};

static int
look(void *arg, struct bytes key, struct bytes value)
{
	struct count *c = arg;

	if (key.len < 2)
		return 0;
	if (key.data[0] == 'u')
		secret_count(c->store, key, value, &c->sums->secrets, &c->sums->secrets_shut);
	else if (key.data[0] == 'e')
		enrollment_count_sealed(
			c->store, key, value, &c->sums->push_tokens, &c->sums->push_tokens_shut);
	return 0;
}

int
sealed_count(struct store *s, struct sealed_counts *ret)
{
	struct count c = { s, ret };

	memset(ret, 0, sizeof(*ret));
	return store_each(s, bytes_of("", 0), look, &c);
}

static int
word_opens(struct store *s)
{
	struct buf key = BUF_INIT, record = BUF_INIT, word = BUF_INIT;
	int r = store_get(s, record_key(&key, 'm', NAME, NULL), &record);

	if (r == 0)
		r = access_blob_get(s, buf_bytes(&key), buf_bytes(&record), sizeof(WORD), &word);
	buf_free(&word);
	buf_free(&record);
	buf_free(&key);
	return r;
}

static int
put_word(struct store *s)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	int r;

	record_key(&key, 'm', NAME, NULL);
	record_begin(&record, 1);
	r = access_blob_add(s, buf_bytes(&key), bytes_str(WORD), sizeof(WORD), &record);
	if (r == 0)
		r = store_put(s, buf_bytes(&key), buf_bytes(&record));
	buf_free(&record);
	buf_free(&key);
	return r;
}

int
sealed_judge(struct store *s, struct sealed_counts *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (word_opens(s) == 0)
		return 0;
	r = sealed_count(s, ret);
	if (r < 0 || !store_sealed(s))
		return r;
	/* What this other key seals from now on will not open with the right one: count then too.
	 */
	if (ret->secrets_shut + ret->push_tokens_shut > 0)
		return access_delete(s, 'm', NAME, NULL);
	return put_word(s);
}
