/*
 * fuzz_log.c - replay of a log whose bytes anybody may have written; checksums are put right first,
 * or nothing would come behind them
 *
 * input = batches of changes, each behind its length (u16); odd first byte: the file as it comes
 */
#include <string.h>

#include "base/digest.h"
#include "fuzz/fuzz.h"
#include "store/enrollment.h"
#include "store/roster.h"
#include "store/store.h"

#define SALT "saltsalt"
#define NUMBER 9 /* beyond the segments of an empty store */

/* The format of wal.h, written a second time on purpose. */
static void
add_batch(struct buf *log, uint64_t sequence, struct bytes changes)
{
	struct buf head = BUF_INIT;
	uint32_t crc = digest_crc32c(0, bytes_str(SALT));

	buf_add_u32(&head, (uint32_t)changes.len);
	buf_add_u64(&head, NUMBER);
	buf_add_u64(&head, sequence);
	crc = digest_crc32c(digest_crc32c(crc, buf_bytes(&head)), changes);
	buf_add(log, head.data, 4);
	buf_add_u32(log, crc);
	buf_add(log, head.data + 4, 16);
	buf_add_bytes(log, changes);
	buf_free(&head);
}

static void
make_log(struct buf *log, struct bytes in)
{
	buf_add_str(log, "cordlog\n");
	buf_add_u32(log, 1);
	buf_add_u32(log, 0);
	buf_add_u64(log, NUMBER);
	buf_add_u64(log, 1);
	buf_add_str(log, SALT);
	buf_add_u32(log, 0);
	buf_add_u32(log, digest_crc32c(0, buf_bytes(log)));
	for (uint64_t sequence = 1; in.len >= 2; sequence++) {
		size_t len = bytes_u16(in.data);

		if (len > in.len - 2)
			len = in.len - 2;
		add_batch(log, sequence, bytes_of(in.data + 2, len));
		in = bytes_of(in.data + 2 + len, in.len - 2 - len);
	}
}

static int
count(void *arg, struct bytes key, struct bytes value)
{
	struct enrollment *e = NULL;

	++*(size_t *)arg;
	if (enrollment_decode(key, value, &e) == 0)
		enrollment_free(e);
	return 0;
}

/* Opens and reads all; the number of records. */
static size_t
open_once(void)
{
	const struct store_options o = { .directory = fuzz_dir(), .segment_size = 64 << 10 };
	struct roster *r = roster_new();
	struct store *s = NULL;
	char *why = NULL;
	size_t n = 0;
	int err = store_open(&o, &s, &why);

	MUST(err == 0 || why);
	free(why);
	if (err == 0) {
		MUST(store_each(s, bytes_of(NULL, 0), count, &n) == 0);
		(void)roster_load(r, s);
		store_close(s);
	}
	roster_free(r);
	return err == 0 ? n : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf log = BUF_INIT;

	if (size < 1)
		return 0;
	if (data[0] & 1)
		buf_add(&log, data + 1, size - 1);
	else
		make_log(&log, bytes_of(data + 1, size - 1));
	fuzz_dir();
	fuzz_clean();
	(void)open_once(); /* a log needs its database beside it */
	fuzz_write("log-9.seg", buf_bytes(&log));
	MUST(open_once() == open_once()); /* the second time from the checkpoint */
	buf_free(&log);
	return 0;
}
