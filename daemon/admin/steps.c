/* steps.c - the outline of what brings a server up: done, next, later */
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/problems.h"
#include "admin/status.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "mdm/push.h"
#include "store/link.h"
#include "store/result.h"

struct facts {
	bool ssc, tls, csr, signed_csr, push, link, enrolled, answered;
};

struct step {
	const char *title;
	const char *text; /* what to do */
	bool (*done)(const struct facts *f);
};

static bool
has_ssc(const struct facts *f)
{
	return f->ssc;
}

static bool
has_tls(const struct facts *f)
{
	return f->tls;
}

static bool
has_csr(const struct facts *f)
{
	return f->csr || f->push;
}

static bool
has_signed(const struct facts *f)
{
	return f->signed_csr || f->push;
}

static bool
has_push(const struct facts *f)
{
	return f->push;
}

static bool
has_link(const struct facts *f)
{
	return f->link || f->enrolled;
}

static bool
has_device(const struct facts *f)
{
	return f->enrolled;
}

static bool
has_answer(const struct facts *f)
{
	return f->answered;
}

/* DESIGN "Programs": the ten steps.  The portal leaves no trace here but the certificate itself. */
static const struct step steps[] = {
	{ "Self-signed certificate (SSC): its common name is what users see",
		"cordon-ssc new --common-name \"Example MDM\"", has_ssc },
	{ "Server name and TLS certificate for devices",
		"put server.crt and server.key into the certificate directory, or: cordon-ssc tls "
		"NAME",
		has_tls },
	{ "Signing request (CSR) for Apple's push certificate", "cordon-csr new", has_csr },
	{ "Signed by a vendor",
		"cordon-csr sign with an own vendor certificate, cordon-csr request for "
		"mdmcert.download, or a vendor who signs it: cordon-csr says how",
		has_signed },
	{ "Apple's portal: https://identity.apple.com/pushcert",
		"upload the signed request, download the certificate", has_push },
	{ "Drop the certificate into the certificate directory",
		"cp MDM_*_Certificate.pem into it, under any name", has_push },
	{ "Firewall: push connected",
		"allow this server TCP 443 (or 2197) to api.push.apple.com, and devices TCP 5223 "
		"and 443 to Apple",
		NULL },
	{ "Enrollment link", "cordonctl enroll-link", has_link },
	{ "First device enrolled",
		"open the link on the device, in Safari, and install the profile", has_device },
	{ "First answer of a device", "cordonctl send ID DeviceInformation --wait 60", has_answer },
};

static int
note_link(void *arg, const struct link *l)
{
	(void)l;
	((struct facts *)arg)->link = true;
	return 1;
}

static int
is_connected(void *arg, const struct pusher_line *t)
{
	(void)arg;
	return t->state == APNS_CONNECTED;
}

static bool
connected(struct admin *a)
{
	return pusher_each(&a->mdm, is_connected, NULL) != 0;
}

/* Did it ever answer a command?  That it enrolled, or was heard, is no answer. */
static bool
answered(struct store *s, const char *id)
{
	struct result_list list;
	bool found = false;

	if (result_list_load(s, id, &list) < 0)
		return false;
	for (size_t i = 0; i < list.count && !found; i++)
		found = list.items[i].has_body;
	result_list_free(&list);
	return found;
}

static struct facts
gather(struct admin *a)
{
	const struct certdir *d = a->mdm.certs;
	struct facts f = { 0 };
	char *signed_csr;

	signed_csr = xasprintf("%s/signedCSR", d->directory);
	f.ssc = d->ssc.chain && d->ssc.not_after >= clock_wall();
	f.tls = d->tls.chain || a->listening; /* behind a proxy it needs none */
	f.csr = d->has_csr;
	f.signed_csr = d->has_csr && file_exists(signed_csr);
	free(signed_csr);
	f.push = mdm_push_pair(&a->mdm) != NULL;
	link_each(a->mdm.store, note_link, &f);
	for (size_t i = 0; i < roster_count(a->mdm.roster) && !f.answered; i++) {
		const struct roster_line *line = roster_at(a->mdm.roster, i);

		if (!line)
			continue;
		f.enrolled = f.enrolled || line->enrolled_at != 0;
		f.answered = line->enrolled_at != 0 && answered(a->mdm.store, line->id);
	}
	return f;
}

static void
add_step(json_t *list, size_t number, const char *title, const char *state, const char *text)
{
	json_t *step = json_object();

	json_object_set_new(step, "number", json_integer((json_int_t)number));
	json_object_set_new(step, "title", json_string(title));
	json_object_set_new(step, "state", json_string(state));
	json_object_set_new(step, "text", json_string(text));
	json_array_append_new(list, step);
}

/* What is wrong and no step of the outline mends comes first, as steps without a number. */
static bool
add_mending(struct admin *a, json_t *list)
{
	json_t *problems = problems_steps(a, clock_wall()), *item;
	bool next_given = false;
	size_t i;

	json_array_foreach(problems, i, item)
	{
		if (json_integer_value(json_object_get(item, "step")))
			continue;
		add_step(list, 0, json_string_value(json_object_get(item, "text")),
			next_given ? "later" : "next", "");
		next_given = true;
	}
	json_decref(problems);
	return next_given;
}

void
steps_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct facts f = gather(a);
	json_t *list = json_array(), *body = json_object();
	bool next_given = add_mending(a, list);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		bool done = steps[i].done ? steps[i].done(&f) : connected(a);

		add_step(list, i + 1, steps[i].title,
			done	     ? "done"
			: next_given ? "later"
				     : "next",
			steps[i].text);
		next_given = next_given || !done;
	}
	json_object_set_new(body, "steps", list);
	answer_json(r, 200, body);
}
