/* brief.c - which records are walked over, and what of them */
#include "store/brief.h"

#include <stddef.h>
#include <string.h>

#include "base/digest.h"
#include "store/record.h"

/* Of these kinds a walk gets only these fields; of others all. */
static const struct {
	char letter;
	const uint8_t *tags; /* ended by 0 */
} kinds[] = {
	/* enrollment.c: what roster.c fills a line from */
	{ 'e', (const uint8_t[]){ 2, 3, 4, 5, 6, 7, 10, 11, 12, 19, 21, 29, 30, 31, 32, 33, 34, 39,
		       41, 42, 43, 44, 45, 72, 0 } },
	/* identity.c: all but the certificate, the key's hash and the pin */
	{ 'i', (const uint8_t[]){ 2, 3, 5, 7, 8, 9, 10, 11, 12, 14, 0 } },
	/* delivery.c: what says whether it led anywhere, and its other key */
	{ 'n', (const uint8_t[]){ 1, 4, 5, 8, 0 } },
	/* queue.c: that there is one */
	{ 'q', (const uint8_t[]){ 0 } },
	/* spool.c: all but the text */
	{ 'w', (const uint8_t[]){ 1, 2, 3, 0 } },
};

static const uint8_t *
tags_of(unsigned char letter)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].letter == (char)letter)
			return kinds[i].tags;
	return NULL;
}

static void
brief(struct bytes key, struct bytes value, struct buf *out)
{
	const uint8_t *tags = tags_of(key.data[0]);
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	if (!tags || record_open(&r, value) < 0) {
		buf_add_bytes(out, value);
		return;
	}
	record_begin(out, r.version);
	while (record_next(&r, &tag, &field))
		if (strchr((const char *)tags, tag))
			record_add(out, tag, field);
	if (r.damaged) { /* whoever walks shall see that */
		buf_reset(out);
		buf_add_bytes(out, value);
	}
}

/* An update that keeps more must not believe the file of the version before. */
static uint32_t
meaning_of(const char *letters)
{
	uint32_t sum = digest_crc32c(0, bytes_str(letters));

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		sum = digest_crc32c(sum, bytes_of(&kinds[i].letter, 1));
		sum = digest_crc32c(sum, bytes_str((const char *)kinds[i].tags));
	}
	return sum;
}

struct store_walks
brief_walks(void)
{
	static const char letters[] = "etcqlinwo";

	return (struct store_walks){ letters, meaning_of(letters), brief };
}
