/* load_checkin.c - Authenticate and TokenUpdate by identities that were issued before: what an
 * enrollment costs without profile and SCEP */
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct messages {
	struct blob authenticate, token_update;
};

struct checker {
	struct load *load;
	struct wire wire;
	size_t at; /* speaker */
	bool updates;
};

static struct checking {
	struct messages *all; /* of each speaker */
	size_t busy, next;
} checking;

static void
prepare(void *arg, size_t i)
{
	struct load *l = arg;
	struct speaker *s = &l->speakers.all[i];

	checking.all[i].authenticate = speaker_authenticate(s, l->o.topic);
	checking.all[i].token_update = speaker_token_update(s, l->o.topic);
}

static void
begin(struct checker *c)
{
	c->at = checking.next++ % c->load->speakers.count;
	c->updates = false;
	c->load->started++;
	checking.busy++;
	wire_send(&c->wire, &checking.all[c->at].authenticate, util_now());
}

static void
answered(struct wire *w, int status, const char *body, size_t len)
{
	struct checker *c = w->owner;
	struct load *l = c->load;

	if (status == 200 && !c->updates) {
		c->updates = true;
		wire_send(w, &checking.all[c->at].token_update, w->began);
		return;
	}
	checking.busy--;
	if (status == 200)
		load_count(l, util_now() - w->began);
	else
		load_fail(l, status, body, len);
	if (load_more(l))
		begin(c);
	else if (checking.busy == 0)
		l->over = true;
}

void
load_checkin(struct load *l)
{
	size_t n = (size_t)l->o.connections;
	struct checker *all;

	if (l->o.topic == NULL)
		errx(EX_USAGE, "checkin needs --topic");
	if (n > l->speakers.count) /* a device does one thing at a time */
		n = l->speakers.count;
	all = util_alloc(n * sizeof(*all));
	checking.all = util_alloc(l->speakers.count * sizeof(*checking.all));
	speakers_parallel(l->speakers.count, prepare, l);
	l->end = util_now() + (l->o.seconds > 0 ? l->o.seconds : 1e9);
	for (size_t i = 0; i < n; i++) {
		all[i].load = l;
		wire_init(&all[i].wire, &l->wires, NULL);
		all[i].wire.owner = &all[i];
		all[i].wire.done = answered;
		begin(&all[i]);
	}
	load_loop(l, NULL);
	for (size_t i = 0; i < n; i++)
		wire_hang_up(&all[i].wire);
	for (size_t i = 0; i < l->speakers.count; i++) {
		blob_free(&checking.all[i].authenticate);
		blob_free(&checking.all[i].token_update);
	}
	free(checking.all);
	free(all);
}
