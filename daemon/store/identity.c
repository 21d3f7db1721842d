/* identity.c - issuance records */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/fields.h"
#include "store/identity.h"
#include "store/record.h"

static const struct field fields[] = {
	FIELD(1, FIELD_BUF, struct identity, der),
	FIELD(2, FIELD_BUF, struct identity, serial),
	FIELD_SIZED(3, FIELD_BYTES, struct identity, ca),
	FIELD_SIZED(4, FIELD_BYTES, struct identity, spki),
	FIELD_SIZED(5, FIELD_TEXT, struct identity, number),
	FIELD_SIZED(6, FIELD_TEXT, struct identity, link),
	FIELD(7, FIELD_STR, struct identity, renewal_of),
	FIELD(8, FIELD_STR, struct identity, enrollment),
	FIELD(9, FIELD_INT, struct identity, issued_at),
	FIELD(10, FIELD_INT, struct identity, not_after),
	FIELD_OF(11, struct identity, status, IDENTITY_REVOKED + 1),
	FIELD(12, FIELD_INT, struct identity, revoked_at),
	FIELD_SIZED(13, FIELD_BYTES, struct identity, pin),
	FIELD(14, FIELD_INT, struct identity, superseded_at),
};

struct identity *
identity_new(void)
{
	return xcalloc(1, sizeof(struct identity));
}

void
identity_free(struct identity *i)
{
	if (!i)
		return;
	fields_free(fields, FIELD_COUNT(fields), i);
	free(i);
}

int
identity_decode(const unsigned char cert[SHA256_LEN], struct bytes value, struct identity **ret)
{
	struct identity *i = identity_new();
	int r = fields_decode(fields, FIELD_COUNT(fields), value, i, NULL, NULL);

	if (r < 0) {
		identity_free(i);
		return r;
	}
	memcpy(i->cert, cert, SHA256_LEN);
	*ret = i;
	return 0;
}

int
identity_load(struct store *s, const unsigned char cert[SHA256_LEN], struct identity **ret)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r = store_get(s, record_key_bytes(&key, 'i', bytes_of(cert, SHA256_LEN)), &value);

	if (r == 0)
		r = identity_decode(cert, buf_bytes(&value), ret);
	buf_free(&value);
	buf_free(&key);
	return r;
}

int
identity_save(struct store *s, const struct identity *i)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), i, &value);
	r = store_put(
		s, record_key_bytes(&key, 'i', bytes_of(i->cert, SHA256_LEN)), buf_bytes(&value));
	buf_free(&value);
	buf_free(&key);
	return r;
}

static struct bytes
transaction_key(struct buf *key, const char *transaction, const unsigned char spki[SHA256_LEN])
{
	unsigned char hash[SHA256_LEN];
	struct buf both = BUF_INIT;

	buf_add_str(&both, transaction);
	buf_add_u8(&both, 0);
	buf_add(&both, spki, SHA256_LEN);
	digest_sha256(buf_bytes(&both), hash);
	buf_free(&both);
	return record_key_bytes(key, 'x', bytes_of(hash, SHA256_LEN));
}

#define TAG_CERT 1

int
identity_by_transaction(struct store *s, const char *transaction,
	const unsigned char spki[SHA256_LEN], unsigned char cert[SHA256_LEN])
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r = store_get(s, transaction_key(&key, transaction, spki), &value);
	struct record_reader reader;
	struct bytes field;
	uint8_t tag;

	if (r == 0) {
		r = -EBADMSG;
		record_open(&reader, buf_bytes(&value));
		while (record_next(&reader, &tag, &field)) {
			if (tag != TAG_CERT || field.len != SHA256_LEN)
				continue;
			memcpy(cert, field.data, SHA256_LEN);
			r = 0;
		}
	}
	buf_free(&value);
	buf_free(&key);
	return r;
}

int
identity_note_transaction(struct store *s, const char *transaction,
	const unsigned char spki[SHA256_LEN], const unsigned char cert[SHA256_LEN])
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	record_add(&value, TAG_CERT, bytes_of(cert, SHA256_LEN));
	r = store_put(s, transaction_key(&key, transaction, spki), buf_bytes(&value));
	buf_free(&value);
	buf_free(&key);
	return r;
}
