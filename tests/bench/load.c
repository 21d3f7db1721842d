/*
 * bench-load - the load of a measurement: many devices from one thread, with everything signed
 * before the clock starts
 *
 * Shares no message code with the daemon.  Its result is one JSON object on stdout.
 */
#include "load.h"

#include <err.h>
#include <getopt.h>
#include <jansson.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sysexits.h>

#define EVENTS 256
#define TICK_MS 1

static const char usage[] =
	"Usage: bench-load poll|cycle|wake|checkin --connect HOST:PORT --speakers FILE --keys FILE "
	"...\n\n"
	"  poll      Idle, again and again (or --get PATH, which needs no speakers)\n"
	"  checkin   Authenticate and TokenUpdate by the identity that the device has\n"
	"  cycle     enqueue a command (--control SOCKET), Idle, report\n"
	"  wake      wait for pushes on --wake SOCKET; each opens a connection, says Idle,\n"
	"            reports what it is given, and closes\n\n"
	"  --connections N     at the same time (16)\n"
	"  --requests N        in all, or\n"
	"  --seconds S         so long (5)\n"
	"  --rate R            so many in a second; latency counts from when each was due\n"
	"  --skip N, --take N  only these of the speakers\n"
	"  --warm              each connection's first request is not counted\n"
	"  --fresh             a new connection for each request\n"
	"  --resume            ... that takes up the session of the last one\n"
	"  --certificate       the device's certificate in TLS\n"
	"  --no-signature      no Mdm-Signature\n"
	"  --odd               signatures in a form that no device has\n"
	"  --topic T           checkin: the push topic\n"
	"  --command TYPE      cycle: the request type (DeviceInformation)\n"
	"  --report-bytes N    cycle, wake: of answers in a report (1024)\n";

static volatile sig_atomic_t stopped;

static void
stop(int signo)
{
	(void)signo;
	stopped = 1;
}

/* ---- counting ---- */

void
load_count(struct load *l, double seconds)
{
	if (l->done == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 65536;
		l->latency = util_grow(l->latency, l->room * sizeof(float));
	}
	l->latency[l->done++] = (float)seconds;
}

void
load_fail(struct load *l, int status, const char *body, size_t len)
{
	if (l->failed++ == 0)
		snprintf(l->first_failure, sizeof(l->first_failure), "%d %.*s", status,
			len > 200 ? 200 : (int)len, body);
}

bool
load_more(const struct load *l)
{
	if (l->over || stopped || (l->o.requests > 0 && l->started >= (size_t)l->o.requests))
		return false;
	return l->o.seconds <= 0 || util_now() < l->end;
}

void
load_loop(struct load *l, void (*tick)(struct load *l))
{
	struct epoll_event events[EVENTS];

	puts("{\"ready\": true}");
	fflush(stdout);
	l->start = util_now();
	l->end = l->start + l->o.seconds;
	while (!l->over) {
		if (tick != NULL)
			tick(l);

		int n = epoll_wait(l->epoll, events, EVENTS, TICK_MS);

		for (int i = 0; i < n; i++)
			wire_ready(events[i].data.ptr);
	}
	l->end = util_now();
}

/* ---- the result ---- */

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static double
quantile(const struct load *l, double q)
{
	if (l->done == 0)
		return 0;
	return (double)l->latency[(size_t)(q * (double)(l->done - 1) + 0.5)] * 1000;
}

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
print_result(struct load *l, double cpu)
{
	double seconds = l->end - l->start;
	json_t *j;

	if (l->done > 0)
		qsort(l->latency, l->done, sizeof(float), compare);
	j = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:s, s:I, s:I, s:f}", "done",
		(json_int_t)l->done, "seconds", seconds, "rate",
		seconds > 0 ? (double)l->done / seconds : 0, "p50_ms", quantile(l, 0.5), "p99_ms",
		quantile(l, 0.99), "p999_ms", quantile(l, 0.999), "max_ms", quantile(l, 1),
		"failed", (json_int_t)l->failed, "first_failure", l->first_failure, "opened",
		(json_int_t)l->wires.opened, "resumed", (json_int_t)l->wires.resumed,
		"client_cpu_seconds", cpu);
	json_dumpf(j, stdout, 0);
	putchar('\n');
	json_decref(j);
}

/* ---- options ---- */

enum kind { TEXT, NUMBER, REAL, FLAG };

static const struct spec {
	const char *name;
	enum kind kind;
	size_t offset;
} specs[] = {
#define AT(member) offsetof(struct load_options, member)
	{ "connect", TEXT, AT(connect) },
	{ "control", TEXT, AT(control) },
	{ "wake", TEXT, AT(wake) },
	{ "speakers", TEXT, AT(speakers) },
	{ "keys", TEXT, AT(keys) },
	{ "get", TEXT, AT(get) },
	{ "command", TEXT, AT(command) },
	{ "topic", TEXT, AT(topic) },
	{ "connections", NUMBER, AT(connections) },
	{ "requests", NUMBER, AT(requests) },
	{ "report-bytes", NUMBER, AT(report_bytes) },
	{ "skip", NUMBER, AT(skip) },
	{ "take", NUMBER, AT(take) },
	{ "seconds", REAL, AT(seconds) },
	{ "rate", REAL, AT(rate) },
	{ "fresh", FLAG, AT(fresh) },
	{ "resume", FLAG, AT(resume) },
	{ "certificate", FLAG, AT(certificate) },
	{ "no-signature", FLAG, AT(no_signature) },
	{ "odd", FLAG, AT(odd) },
	{ "warm", FLAG, AT(warm) },
};

#define SPECS (sizeof(specs) / sizeof(specs[0]))

static void
take_option(struct load_options *o, const struct spec *s, const char *value)
{
	void *at = (char *)o + s->offset;

	switch (s->kind) {
	case TEXT:
		*(const char **)at = value;
		break;
	case NUMBER:
		*(long *)at = strtol(value, NULL, 10);
		break;
	case REAL:
		*(double *)at = strtod(value, NULL);
		break;
	case FLAG:
		*(bool *)at = true;
		break;
	}
}

static void
parse(struct load_options *o, int argc, char **argv)
{
	struct option names[SPECS + 1] = { 0 };
	int c;

	for (size_t i = 0; i < SPECS; i++)
		names[i] = (struct option){ specs[i].name, specs[i].kind != FLAG, NULL,
			(int)i + 1000 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 1000)
		take_option(o, &specs[c - 1000], optarg);
	if (c != -1 || optind + 1 != argc || o->connect == NULL) {
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
	o->way = argv[optind];
	if (o->requests == 0 && o->seconds <= 0)
		o->seconds = 5;
}

static void
read_speakers(struct load *l)
{
	struct speakers *s = &l->speakers;
	size_t skip = (size_t)l->o.skip;

	if (l->o.speakers == NULL || l->o.keys == NULL)
		errx(EX_USAGE, "--speakers and --keys are needed");
	speakers_read(
		s, l->o.speakers, l->o.keys, l->o.take > 0 ? (size_t)(l->o.skip + l->o.take) : 0);
	if (skip >= s->count)
		errx(EX_USAGE, "--skip leaves no speakers");
	for (size_t i = 0; i < skip; i++) {
		free(s->all[i].id);
		X509_free(s->all[i].cert);
		EVP_PKEY_free(s->all[i].key);
	}
	memmove(s->all, s->all + skip, (s->count - skip) * sizeof(*s->all));
	s->count -= skip;
}

static const struct way {
	const char *name;
	void (*run)(struct load *l);
} ways[] = { { "poll", load_poll }, { "cycle", load_cycle }, { "wake", load_wake },
	{ "checkin", load_checkin } };

int
main(int argc, char **argv)
{
	struct load l = {
		.o = { .connections = 16, .report_bytes = 1024, .command = "DeviceInformation" }
	};
	const struct way *way = NULL;
	double before;

	parse(&l.o, argc, argv);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, l.o.way) == 0)
			way = &ways[i];
	if (way == NULL)
		errx(EX_USAGE, "%s: poll, cycle, wake or checkin", l.o.way);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, stop);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	wires_open(&l.wires, l.epoll, l.o.connect);
	l.wires.resume = l.o.resume;
	l.wires.offer_certificate = l.o.certificate;
	if (l.o.get == NULL)
		read_speakers(&l);
	before = cpu_seconds();
	way->run(&l);
	print_result(&l, cpu_seconds() - before);
	speakers_free(&l.speakers);
	wires_close(&l.wires);
	free(l.latency);
	return l.done > 0 ? 0 : EX_UNAVAILABLE;
}
