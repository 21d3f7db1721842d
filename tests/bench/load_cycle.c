/* load_cycle.c - whole command cycles: an administrator's script enqueues, the device polls and
 * reports; a cycle counts when the server has answered the report */
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* One device with a command on its way; the control connection is its administrator's. */
struct cycler {
	struct load *load;
	struct wire control, device;
	struct speaker *speaker;
	enum { ENQUEUES, POLLS, REPORTS } step;
	size_t number; /* of the command */
	double began;
};

struct command {
	struct blob enqueue, report;
};

static struct cycling {
	struct load *load;
	struct command *commands;
	size_t n, workers, busy;
	struct wires control;
	struct cycler *all;
} cycling;

static struct speaker *
speaker_of(size_t number)
{
	struct speakers *s = &cycling.load->speakers;

	/* as many devices as workers, each always by the same */
	return &s->all[number % cycling.workers];
}

static char *
uuid_of(size_t number)
{
	static size_t run;

	if (run == 0)
		util_random(&run, sizeof(run));
	return util_printf(
		"%08zX-BE9C-4000-8000-%012zX", number & 0xffffffff, run & 0xffffffffffff);
}

static void
prepare(void *arg, size_t i)
{
	struct command *c = &cycling.commands[i];
	struct load *l = arg;
	char *uuid = uuid_of(i), *body, *text;

	body = util_printf(
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"
		"<key>CommandUUID</key><string>%s</string><key>Command</key><dict>"
		"<key>RequestType</key><string>%s</string>%s</dict></dict></plist>\n",
		uuid, l->o.command,
		strcmp(l->o.command, "DeviceInformation") == 0
			? "<key>Queries</key><array><string>DeviceName</string>"
			  "<string>BuildVersion</string></array>"
			: "");
	text = util_printf("PUT /v1/enqueue/%s?nopush=1 HTTP/1.1\r\nHost: localhost\r\n"
			   "Content-Length: %zu\r\n\r\n%s",
		speaker_of(i)->id, strlen(body), body);
	c->enqueue = (struct blob){ (uint8_t *)text, strlen(text) };
	c->report = speaker_report(speaker_of(i), uuid, (size_t)l->o.report_bytes, SPEAKER_SIGNED);
	free(body);
	free(uuid);
}

static void
begin(struct cycler *c)
{
	struct load *l = c->load;

	l->started++;
	cycling.busy++;
	c->step = ENQUEUES;
	c->began = util_now();
	wire_send(&c->control, &cycling.commands[c->number].enqueue, c->began);
	wire_ready(&c->control);
}

/* Each worker has every N-th command. */
static void
next(struct cycler *c)
{
	c->number += cycling.workers;
	cycling.busy--;
	if (c->number < cycling.n && load_more(c->load))
		begin(c);
	else if (cycling.busy == 0)
		c->load->over = true;
}

static void
enqueued(struct wire *w, int status, const char *body, size_t len)
{
	struct cycler *c = w->owner;

	if (status != 200) {
		load_fail(c->load, status, body, len);
		next(c);
		return;
	}
	c->step = POLLS;
	wire_send(&c->device, &c->speaker->idle, c->began);
	wire_ready(&c->device);
}

static void
device_answered(struct wire *w, int status, const char *body, size_t len)
{
	struct cycler *c = w->owner;
	bool offered = memmem(body, len, "<key>RequestType</key>", 22) != NULL;

	if (c->step == POLLS && status == 200 && offered) {
		c->step = REPORTS;
		wire_send(w, &cycling.commands[c->number].report, c->began);
		return;
	}
	if (c->step == REPORTS && status == 200 && !offered)
		load_count(c->load, util_now() - c->began);
	else
		load_fail(c->load, status, body, len);
	next(c);
}

static void
start_workers(struct load *l)
{
	for (size_t i = 0; i < cycling.workers; i++) {
		struct cycler *c = &cycling.all[i];

		c->load = l;
		c->number = i;
		c->speaker = speaker_of(i);
		wire_init(&c->control, &cycling.control, NULL);
		wire_init(&c->device, &l->wires, c->speaker);
		c->control.owner = c->device.owner = c;
		c->control.done = enqueued;
		c->device.done = device_answered;
		begin(c);
	}
}

void
load_cycle(struct load *l)
{
	cycling.load = l;
	cycling.n = l->o.requests > 0 ? (size_t)l->o.requests : 20000;
	cycling.workers = (size_t)l->o.connections;
	if (cycling.workers > cycling.n)
		cycling.workers = cycling.n;
	if (cycling.workers > l->speakers.count) /* a device does one thing at a time */
		cycling.workers = l->speakers.count;
	cycling.all = util_alloc(cycling.workers * sizeof(*cycling.all));
	cycling.commands = util_alloc(cycling.n * sizeof(*cycling.commands));
	free(uuid_of(0));
	speakers_sign_idle(&l->speakers, SPEAKER_SIGNED);
	speakers_parallel(cycling.n, prepare, l);
	wires_open(&cycling.control, l->epoll, l->o.control);
	l->end = util_now() + (l->o.seconds > 0 ? l->o.seconds : 1e9);
	start_workers(l);
	load_loop(l, NULL);
	for (size_t i = 0; i < cycling.workers; i++) {
		wire_hang_up(&cycling.all[i].control);
		wire_hang_up(&cycling.all[i].device);
	}
	for (size_t i = 0; i < cycling.n; i++) {
		blob_free(&cycling.commands[i].enqueue);
		blob_free(&cycling.commands[i].report);
	}
	free(cycling.commands);
	free(cycling.all);
}
