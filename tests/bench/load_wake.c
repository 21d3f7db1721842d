/* load_wake.c - devices that come when they are pushed: a new TLS connection, Idle, the report of
 * what they are given, and gone */
#include "load.h"

#include <err.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "device/waker.h"

#define TOKEN_HEX 64

struct visitor {
	struct load *load;
	struct wire wire;
	struct blob report;
	size_t reports;
	struct visitor *next_free;
};

static struct waking {
	struct load *load;
	struct visitor *free;
	size_t busy;
	int socket;
} waking;

/* The text of the string after this key, copied; NULL when there is none. */
static char *
text_after(const char *body, size_t len, const char *key)
{
	const char *at = memmem(body, len, key, strlen(key)), *end;

	if (at == NULL)
		return NULL;
	at = memmem(at, len - (size_t)(at - body), "<string>", 8);
	end = at != NULL ? memmem(at, len - (size_t)(at - body), "</string>", 9) : NULL;
	return end != NULL ? util_printf("%.*s", (int)(end - at - 8), at + 8) : NULL;
}

static void
leave(struct visitor *v)
{
	wire_hang_up(&v->wire);
	blob_free(&v->report);
	v->next_free = waking.free;
	waking.free = v;
	waking.busy--;
}

static void
visited(struct wire *w, int status, const char *body, size_t len)
{
	struct visitor *v = w->owner;
	struct load *l = v->load;
	char *uuid;

	if (status != 200) {
		load_fail(l, status, body, len);
		leave(v);
		return;
	}
	uuid = text_after(body, len, "<key>CommandUUID</key>");
	if (uuid == NULL) {
		load_count(l, util_now() - w->began);
		leave(v);
		return;
	}
	blob_free(&v->report);
	v->report = speaker_report(w->speaker, uuid, (size_t)l->o.report_bytes, SPEAKER_SIGNED);
	free(uuid);
	wire_send(w, &v->report, w->began);
}

static int
by_number(const void *key, const void *element)
{
	long want = *(const long *)key, have = ((const struct speaker *)element)->number;

	return want < have ? -1 : want > have;
}

/* bench-store puts the device's number into the end of its push token. */
static struct speaker *
who(const struct load *l, const char *token)
{
	size_t len = strlen(token);
	long number = len == TOKEN_HEX ? strtol(token + len - 16, NULL, 16) : -1;

	return bsearch(
		&number, l->speakers.all, l->speakers.count, sizeof(struct speaker), by_number);
}

static void
visit(struct load *l, struct speaker *s)
{
	struct visitor *v = waking.free;

	if (v != NULL)
		waking.free = v->next_free;
	else
		v = util_alloc(sizeof(*v));
	waking.busy++;
	l->started++;
	if (s->idle.len == 0)
		s->idle = speaker_idle(s, SPEAKER_SIGNED);
	v->load = l;
	wire_init(&v->wire, &l->wires, s);
	v->wire.owner = v;
	v->wire.done = visited;
	wire_send(&v->wire, &s->idle, util_now());
}

static void
take_wakes(struct load *l)
{
	struct speaker *s;
	struct wake w;

	while (waker_wait(waking.socket, 0, &w) == 1 && load_more(l))
		if ((s = who(l, w.token)) != NULL)
			visit(l, s);
	if (!load_more(l) && waking.busy == 0)
		l->over = true;
}

void
load_wake(struct load *l)
{
	waking.load = l;
	if (l->o.wake == NULL)
		errx(EX_USAGE, "wake needs --wake");
	waking.socket = waker_open(l->o.wake);
	if (waking.socket < 0)
		errx(EX_OSERR, "%s: %s", l->o.wake, strerror(-waking.socket));
	load_loop(l, take_wakes);
	waker_close(waking.socket, l->o.wake);
	for (struct visitor *v = waking.free, *next; v != NULL; v = next) {
		next = v->next_free;
		free(v);
	}
}
