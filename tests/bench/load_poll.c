/* load_poll.c - Idle over many connections, at full speed or at a given rate */
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* One connection, and the devices that take turns on it. */
struct poller {
	struct load *load;
	struct wire wire;
	size_t next; /* speaker */
	bool warm, busy;
};

struct polling {
	struct poller *all;
	size_t n, busy, at;
	struct blob get;
	double due; /* of the next request, where there is a rate */
};

/* One run is all there is in a process. */
static struct polling polling;

static void
begin(struct poller *p, double due)
{
	struct load *l = p->load;
	const struct blob *request = &polling.get;

	if (l->speakers.count > 0) {
		struct speaker *s = &l->speakers.all[p->next];

		if (!l->o.certificate || l->o.fresh) /* else the connection is its device's */
			p->next = (p->next + polling.n) % l->speakers.count;
		p->wire.speaker = s;
		request = &s->idle;
	}
	if (p->warm)
		l->started++;
	p->busy = true;
	polling.busy++;
	wire_send(&p->wire, request, due);
}

static void
answered(struct wire *w, int status, const char *body, size_t len)
{
	struct poller *p = w->owner;
	struct load *l = p->load;
	double now = util_now();

	p->busy = false;
	polling.busy--;
	if (status != 200)
		load_fail(l, status, body, len);
	else if (p->warm)
		load_count(l, now - w->began);
	p->warm = true;
	if (l->o.fresh)
		wire_hang_up(w);
	if (status == 0 && l->failed > 1000 && l->done == 0)
		l->over = true; /* there is nobody */
	if (l->o.rate > 0)
		return;
	if (load_more(l))
		begin(p, now);
	else if (polling.busy == 0)
		l->over = true;
}

/* The next connection that rests, or NULL. */
static struct poller *
resting(void)
{
	for (size_t i = 0; i < polling.n; i++) {
		struct poller *p = &polling.all[(polling.at + i) % polling.n];

		if (p->busy)
			continue;
		polling.at = (polling.at + i + 1) % polling.n;
		return p;
	}
	return NULL;
}

/* What is due begins; what finds no connection waits, and its latency shows it. */
static void
pace(struct load *l)
{
	double now = util_now();
	struct poller *p;

	if (polling.due == 0)
		polling.due = now;
	while (polling.due <= now && load_more(l) && (p = resting()) != NULL) {
		begin(p, polling.due);
		polling.due += 1 / l->o.rate;
		wire_ready(&p->wire);
	}
	if (!load_more(l) && polling.busy == 0)
		l->over = true;
}

static void
make_get(struct load *l)
{
	char *text = util_printf("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", l->o.get);

	polling.get = (struct blob){ (uint8_t *)text, strlen(text) };
}

void
load_poll(struct load *l)
{
	polling.n = (size_t)l->o.connections;
	polling.all = util_alloc(polling.n * sizeof(*polling.all));
	if (l->o.get != NULL)
		make_get(l);
	else
		speakers_sign_idle(&l->speakers, l->o.no_signature ? SPEAKER_UNSIGNED
						 : l->o.odd	   ? SPEAKER_ODD
								   : SPEAKER_SIGNED);
	for (size_t i = 0; i < polling.n; i++) {
		struct poller *p = &polling.all[i];

		p->load = l;
		p->warm = !l->o.warm;
		p->next = l->speakers.count > 0 ? i % l->speakers.count : 0;
		wire_init(&p->wire, &l->wires, NULL);
		p->wire.owner = p;
		p->wire.done = answered;
		if (l->o.rate <= 0)
			begin(p, util_now());
	}
	load_loop(l, l->o.rate > 0 ? pace : NULL);
	for (size_t i = 0; i < polling.n; i++)
		wire_hang_up(&polling.all[i].wire);
	free(polling.all);
	blob_free(&polling.get);
}
