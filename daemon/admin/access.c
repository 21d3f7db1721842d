/* access.c - which enrollments a question means, and what the gate's table says of them */
#include "admin/access.h"

#include <errno.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "base/encode.h"
#include "mdm/auth.h"
#include "net/proxy.h"
#include "pki/cert.h"
#include "policy/gate.h"
#include "store/identity.h"

/*
 * What the enrollments that were found come to: denied if one is locked, else the newest decides.
 * One that is only Pending counts by its lock alone.
 */
struct finding {
	struct admin *admin;
	bool found, locked;
	enum state newest;
	int64_t newest_at;
	bool by_certificate;
	enum gate_identity identity; /* of the certificate */
};

static int
add_finding(void *arg, const char *id)
{
	struct finding *f = arg;
	const struct roster_line *line = roster_find(f->admin->mdm.roster, id);

	if (!line)
		return 0;
	f->locked = f->locked || line->locked;
	if (line->state == STATE_PENDING)
		return 0;
	if (!f->found || line->enrolled_at >= f->newest_at) {
		f->newest = (enum state)line->state;
		f->newest_at = line->enrolled_at;
	}
	f->found = true;
	return 0;
}

/* ---- by what it is asked: each 0, -EINVAL for a value that is none, or -errno of the store ----
 */

static int
by_serial(struct finding *f, const char *value)
{
	return enrollment_by_serial(f->admin->mdm.store, value, add_finding, f);
}

static int
by_eas(struct finding *f, const char *value)
{
	return enrollment_by_eas(f->admin->mdm.store, value, add_finding, f);
}

/* One that only began may be a new id of a device that is known by its serial number. */
static int
by_id(struct finding *f, const char *value)
{
	const struct roster_line *line = roster_find(f->admin->mdm.roster, value);
	struct enrollment *e = NULL;
	int err = 0;

	if (!line || line->state != STATE_PENDING)
		return add_finding(f, value);
	err = enrollment_load(f->admin->mdm.store, value, &e);
	if (err == 0 && e->facts.serial)
		err = by_serial(f, e->facts.serial);
	if (err == 0)
		err = add_finding(f, value);
	enrollment_free(e);
	return err;
}

/* The hash of a certificate, or one that is written as such ("AB:CD..."). */
static int
certificate_hash(const char *value, unsigned char hash[SHA256_LEN])
{
	struct buf digits = BUF_INIT, raw = BUF_INIT;
	X509 *cert = proxy_certificate(value);
	int err = -EINVAL;

	if (cert) {
		err = cert_sha256(cert, hash);
		X509_free(cert);
		return err < 0 ? -EINVAL : 0;
	}
	for (; *value && digits.len <= 2 * SHA256_LEN; value++)
		if (*value != ':')
			buf_add_char(&digits, *value);
	if (decode_hex(&raw, buf_bytes(&digits)) == 0 && raw.len == SHA256_LEN) {
		memcpy(hash, raw.data, SHA256_LEN);
		err = 0;
	}
	buf_free(&digits);
	buf_free(&raw);
	return err;
}

static enum gate_identity
judge_identity(struct mdm *m, const struct identity *i)
{
	int64_t now = mdm_now(m);

	if (identity_is_revoked(i->status, i->superseded_at, now) || !auth_ca_is_ours(m, i->ca))
		return GATE_REVOKED;
	if (i->not_after < now)
		return GATE_EXPIRED;
	if (i->status == IDENTITY_ISSUED)
		return GATE_WAITING;
	/* its enrollment was forgotten by a person */
	return i->enrollment && roster_find(m->roster, i->enrollment) ? GATE_BOUND : GATE_REVOKED;
}

/* The record under its hash is the proof that a certificate was issued here. */
static int
by_certificate(struct finding *f, const char *value)
{
	struct mdm *m = &f->admin->mdm;
	unsigned char hash[SHA256_LEN];
	struct identity *i = NULL;
	int err = certificate_hash(value, hash);

	f->by_certificate = true;
	f->identity = GATE_STRANGER;
	if (err == 0)
		err = identity_load(m->store, hash, &i);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	f->identity = judge_identity(m, i);
	if (i->enrollment)
		add_finding(f, i->enrollment);
	identity_free(i);
	return 0;
}

static const struct {
	const char *name;
	bool raw_plus; /* base64 has '+' */
	int (*look_up)(struct finding *f, const char *value);
} kinds[] = {
	{ "id", false, by_id },
	{ "serial", false, by_serial },
	{ "eas", false, by_eas },
	{ "certificate", true, by_certificate },
};

static void
reply(struct admin *a, struct http_request *r, struct gate_answer gate)
{
	json_t *body;

	metrics_gate(&a->metrics, gate.allowed, gate.reason);

	if (gate.allowed) {
		http_reply_header(r, "Cache-Control", "no-store");
		http_reply(r, 204, NULL, bytes_of(NULL, 0));
		return;
	}
	body = json_object();
	json_object_set_new(body, "allowed", json_false());
	json_object_set_new(body, "reason", json_string(gate.reason));
	answer_json(r, 403, body);
}

/* How many questions there are; *err is of the last. */
static int
read_query(struct finding *f, struct http_request *r, int *err)
{
	int asked = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct buf value = BUF_INIT;
		int got = http_query_get(r, kinds[i].name, kinds[i].raw_plus, &value);

		if (got == 0 && value.len) {
			asked++;
			*err = kinds[i].look_up(f, buf_str(&value));
		} else if (got == -EINVAL) {
			asked = 2;
		}
		buf_free(&value);
	}
	return asked;
}

/*
 * The header of `proxy`, for proxies that pass what they know in headers only: whoever may use the
 * gate's socket is believed, as with the query.  As read_query.
 */
static int
read_header(struct finding *f, struct http_request *r, int *err)
{
	const char *name = f->admin->mdm.conf->proxy.client_certificate_header;
	unsigned count = name && http_side(r) == HTTP_GATE ? http_header_count(r, name) : 0;

	if (count == 1)
		*err = by_certificate(f, http_header(r, name));
	return (int)count;
}

void
access_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	bool unenrolled = a->mdm.conf->allow_unenrolled;
	struct finding f = { .admin = a, .newest = STATE_NONE };
	int err = 0, asked = read_query(&f, r, &err);

	if (asked == 0)
		asked = read_header(&f, r, &err);
	if (asked != 1)
		answer_error(r, 400, "one of id=, serial=, eas= or certificate= is wanted");
	else if (err == -EINVAL)
		answer_error(r, 400,
			"certificate is neither a certificate (PEM, or base64 of DER between "
			"colons) nor the 64 hex digits of its SHA-256");
	else if (err < 0 && err != -ENOENT)
		answer_error(r, 503, "the store cannot be read");
	else if (f.by_certificate)
		reply(a, r, gate_decide_certificate(f.identity, f.newest, f.locked, unenrolled));
	else
		reply(a, r, gate_decide(f.newest, f.locked, unenrolled));
}
