/* backup.c - a backup over the API: made by POST, fetched in pieces by GET, given up by DELETE */
#include "admin/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/target.h"
#include "base/encode.h"
#include "base/mem.h"
#include "store/backup.h"

struct backup {
	struct admin *a;
	struct loop_timer *keep;
	struct http_request *waits; /* for the one that is being made; NULL */
	char *actor;
	struct backup_made made; /* fd -1: none */
	char id[UUID_LEN + 1];
};

static void
let_go(struct backup *b)
{
	if (b->made.fd >= 0)
		close(b->made.fd);
	b->made.fd = -1;
}

static void
on_keep(void *arg)
{
	let_go(arg);
}

struct backup *
backup_new(struct admin *a)
{
	struct backup *b = xcalloc(1, sizeof(*b));

	b->a = a;
	b->made.fd = -1;
	b->keep = loop_timer_new(a->mdm.loop, on_keep, b);
	return b;
}

void
backup_free(struct backup *b)
{
	if (!b)
		return;
	let_go(b);
	loop_timer_free(b->keep);
	free(b->actor);
	free(b);
}

static void
answer_made(struct backup *b, struct http_request *r)
{
	struct buf sum = BUF_INIT;
	json_t *j = json_object();

	encode_hex(&sum, bytes_of(b->made.sha256, SHA256_LEN));
	json_object_set_new(j, "id", json_text(b->id));
	json_object_set_new(j, "made_at", json_time(b->made.made_at));
	json_object_set_new(j, "bytes", json_integer((json_int_t)b->made.size));
	json_object_set_new(j, "sha256", json_text(buf_str(&sum)));
	buf_free(&sum);
	answer_json(r, 200, j);
}

static void
made(void *arg, const struct backup_made *m)
{
	struct backup *b = arg;
	struct http_request *r = b->waits;

	b->waits = NULL;
	if (m->err < 0) {
		if (r)
			answer_error(r, 503, "the backup could not be made: %s", strerror(-m->err));
		return;
	}
	let_go(b);
	b->made = *m;
	uuid_new(b->id);
	loop_timer_set(b->keep, BACKUP_KEEP_MS);
	log_event(EV_BACKUP_MADE, FIELDS(F_ACTOR(b->actor)), "%s made a backup of %lld bytes",
		b->actor, (long long)m->size);
	if (r)
		answer_made(b, r);
}

static void
make(struct backup *b, struct http_request *r)
{
	struct buf actor = BUF_INIT;

	if (b->waits) {
		answer_error(r, 409, "a backup is being made already");
		return;
	}
	target_actor(r, &actor);
	free(b->actor);
	b->actor = buf_steal_str(&actor);
	b->waits = r;
	/* The backup has the last responses of now, and not of a minute ago. */
	while (roster_flush(b->a->mdm.roster, b->a->mdm.store) == 1)
		if (store_commit(b->a->mdm.store) < 0)
			break;
	if (store_backup(b->a->mdm.store, made, b) < 0) {
		b->waits = NULL;
		answer_error(r, 503, "the store cannot make a backup now");
	}
}

/* The offset of the piece; -1 after answering. */
static int64_t
wanted_offset(struct backup *b, struct http_request *r)
{
	struct buf id = BUF_INIT, text = BUF_INIT;
	char *end = NULL;
	int64_t offset = -1;

	if (http_query_get(r, "id", false, &id) != 0 || b->made.fd < 0 ||
		strcmp(buf_str(&id), b->id) != 0) {
		answer_error(r, 404, "there is no such backup: POST makes one");
	} else if (http_query_get(r, "offset", false, &text) != 0 || text.len == 0 ||
		   text.len > 18 || strspn(buf_str(&text), "0123456789") != text.len ||
		   (offset = strtoll(buf_str(&text), &end, 10)) > b->made.size) {
		answer_error(r, 400, "offset is a number of bytes up to its size");
		offset = -1;
	}
	buf_free(&id);
	buf_free(&text);
	return offset;
}

static void
send_piece(struct backup *b, struct http_request *r)
{
	int64_t offset = wanted_offset(b, r);
	char *piece;
	ssize_t n;

	if (offset < 0)
		return;
	loop_timer_set(b->keep, BACKUP_KEEP_MS);
	piece = xmalloc(BACKUP_PIECE);
	n = pread(b->made.fd, piece, BACKUP_PIECE, offset);
	if (n < 0)
		answer_error(r, 503, "the backup cannot be read: %s", strerror(errno));
	else
		http_reply(r, 200, "application/octet-stream", bytes_of(piece, (size_t)n));
	free(piece);
}

void
backup_handle(struct http_request *r, void *ctx)
{
	struct backup *b = ((struct admin *)ctx)->backup;

	switch (http_method(r)) {
	case HTTP_POST:
		make(b, r);
		return;
	case HTTP_DELETE:
		let_go(b);
		answer_json(r, 200, json_object());
		return;
	default:
		send_piece(b, r);
	}
}
