/* scep.c - /scep: what a request may have, and what is written down of it */
#include "mdm/scep.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/auth.h"
#include "pki/cert.h"
#include "store/delivery.h"
#include "store/enrollment.h"
#include "store/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
scep_grant_free(struct scep_grant *g)
{
	free(g->renewal_of);
	identity_free(g->earlier);
	memset(g, 0, sizeof(*g));
}

static int
refuse(enum scep_fail *fail, enum scep_fail code, const char **why, const char *sentence)
{
	*fail = code;
	*why = sentence;
	return -EACCES;
}

static const char *
key_fault(const struct scep_request *q)
{
	int bits = EVP_PKEY_get_bits(q->key);

	if (EVP_PKEY_get_base_id(q->key) != EVP_PKEY_RSA)
		return "The key is not RSA.";
	if (bits < SCEP_KEY_BITS_MIN || bits > SCEP_KEY_BITS_MAX)
		return "The key is too short or too long.";
	return NULL;
}

/*
 * The answer that was lost, or a new question?  A client that keeps its key renews under the
 * transaction it had (a hash of the key), signed by the very certificate that it got by it.
 */
static bool
is_repeat(struct mdm *m, const struct scep_request *q, const struct identity *earlier)
{
	unsigned char signer[SHA256_LEN];

	if (earlier->status == IDENTITY_REVOKED || earlier->not_after <= mdm_now(m))
		return false;
	if (q->self_signed)
		return true;
	return cert_sha256(q->signer, signer) == 0 &&
	       memcmp(signer, earlier->cert, SHA256_LEN) != 0;
}

/* 0 with g->earlier set or not: the same transaction and key get the same certificate. */
static int
find_earlier(struct mdm *m, const struct scep_request *q, const unsigned char spki[SHA256_LEN],
	struct scep_grant *g)
{
	unsigned char cert[SHA256_LEN];
	int rc = identity_by_transaction(m->store, q->transaction, spki, cert);

	if (rc == 0)
		rc = identity_load(m->store, cert, &g->earlier);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (is_repeat(m, q, g->earlier))
		return 0;
	identity_free(g->earlier);
	g->earlier = NULL;
	return 0;
}

static const char *
link_fault(struct mdm *m, const char *hash)
{
	struct link *l;
	const char *why = NULL;

	if (!hash[0])
		return NULL;
	if (link_load(m->store, hash, &l) < 0)
		return "The enrollment link is not known any more.";
	if (l->revoked)
		why = "The enrollment link was withdrawn.";
	else if (l->uses_max != LINK_ANY && l->uses >= l->uses_max)
		why = "The enrollment link was used already.";
	link_free(l);
	return why;
}

static const char *
delivery_fault(struct mdm *m, const struct delivery *d)
{
	if (d->closed)
		return "The challenge was used by an enrollment already.";
	if (mdm_now(m) - d->created > DELIVERY_LIFETIME)
		return "The challenge is too old.";
	if (d->uses >= DELIVERY_USES)
		return "The challenge was used too often.";
	return link_fault(m, d->link);
}

static int
by_challenge(struct mdm *m, const struct delivery *d, struct scep_grant *g, enum scep_fail *fail,
	const char **why)
{
	*why = delivery_fault(m, d);
	if (*why)
		return refuse(fail, SCEP_BAD_REQUEST, why, *why);
	memcpy(g->number, d->number, sizeof(g->number));
	memcpy(g->link, d->link, sizeof(g->link));
	g->renewal_of = d->renewal_of ? xstrdup(d->renewal_of) : NULL;
	g->by_challenge = true;
	return 0;
}

static bool
is_bound(const struct identity_ref *ref, const unsigned char cert[SHA256_LEN])
{
	return ref->set && memcmp(ref->cert, cert, SHA256_LEN) == 0;
}

/*
 * A client that is no device renews what it got by a bare challenge, until the link of that is
 * withdrawn.
 */
static const char *
stranger_fault(struct mdm *m, const struct speaker *who, struct scep_grant *g)
{
	const struct identity *i = who->identity;
	struct link *l;
	bool may;

	if (!i || !i->link[0] || link_load(m->store, i->link, &l) < 0)
		return "The signing certificate belongs to no enrollment.";
	may = l->challenge && !l->revoked;
	link_free(l);
	if (!may)
		return "The signing certificate belongs to no enrollment.";
	memcpy(g->number, i->number, sizeof(g->number));
	memcpy(g->link, i->link, sizeof(g->link));
	return NULL;
}

/* The signer is an identity that an enrollment speaks by now: what it renews. */
static const char *
renewal_fault(struct mdm *m, const struct speaker *who, struct scep_grant *g)
{
	const struct identity *i = who->identity;
	struct enrollment *e;
	const char *why = NULL;

	if (who->revoked)
		return "The signing certificate was revoked.";
	if (!i || !i->enrollment)
		return stranger_fault(m, who, g);
	if (enrollment_load(m->store, i->enrollment, &e) < 0)
		return "The enrollment of the signing certificate is not there any more.";
	if (e->state == STATE_REMOVED && e->removal != REMOVAL_PUSH)
		why = "The enrollment of the signing certificate was removed.";
	else if (!is_bound(&e->current, i->cert) && !is_bound(&e->previous, i->cert))
		why = "The signing certificate is not the one of its enrollment.";
	if (!why) {
		memcpy(g->number, e->number, sizeof(g->number));
		memcpy(g->link, i->link, sizeof(g->link));
		g->renewal_of = xstrdup(e->id);
	}
	enrollment_free(e);
	return why;
}

static int
by_identity(struct mdm *m, const struct scep_request *q, struct scep_grant *g, enum scep_fail *fail,
	const char **why)
{
	struct speaker who;
	int rc = auth_certificate(m, q->signer, &who, why);

	if (rc == -EACCES)
		return refuse(fail, SCEP_BAD_MESSAGE_CHECK, why, *why);
	if (rc == 0)
		*why = renewal_fault(m, &who, g);
	if (rc == 0 && *why)
		rc = refuse(fail, SCEP_BAD_CERT_ID, why, *why);
	auth_speaker_free(&who);
	return rc;
}

/* By a challenge that is good for something still, or else by the identity that signed. */
static int
entitle(struct mdm *m, const struct scep_request *q, struct scep_grant *g, enum scep_fail *fail,
	const char **why)
{
	struct delivery *d = NULL;
	int rc = q->challenge.len > 0
			 ? delivery_by_challenge(m->store, buf_bytes(&q->challenge), &d)
			 : -ENOENT;

	if (rc == 0) {
		/* A device that renews by itself repeats the challenge of its profile. */
		if (d->closed && !q->self_signed)
			rc = by_identity(m, q, g, fail, why);
		else
			rc = by_challenge(m, d, g, fail, why);
		delivery_free(d);
		return rc;
	}
	if (rc != -ENOENT)
		return -EIO;
	if (!q->self_signed)
		return by_identity(m, q, g, fail, why);
	return refuse(fail, SCEP_BAD_REQUEST, why,
		q->challenge.len > 0 ? "The challenge is not known."
				     : "There is no challenge in the request.");
}

/* Nothing is ever pending here, but an answer may have been lost: its certificate, once more. */
static int
poll_answer(struct mdm *m, const struct scep_request *q, struct scep_grant *g, enum scep_fail *fail,
	const char **why)
{
	unsigned char spki[SHA256_LEN];

	if (cert_spki_sha256(q->signer, spki) < 0 || find_earlier(m, q, spki, g) < 0)
		return -EIO;
	if (g->earlier)
		return 0;
	return refuse(fail, SCEP_BAD_CERT_ID, why, "No certificate waits for this transaction.");
}

int
scep_authorise(struct mdm *m, const struct scep_request *q, struct scep_grant *ret,
	enum scep_fail *fail, const char **why)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (q->type == SCEP_CERT_POLL)
		return poll_answer(m, q, ret, fail, why);
	if (q->type != SCEP_PKCS_REQ && q->type != SCEP_RENEWAL_REQ)
		return refuse(fail, SCEP_BAD_REQUEST, why, "This kind of request is not served.");
	if (!q->csr || !q->key)
		return refuse(fail, SCEP_BAD_REQUEST, why, "There is no certificate request.");
	*why = key_fault(q);
	if (*why)
		return refuse(fail, SCEP_BAD_ALG, why, *why);
	if (find_earlier(m, q, q->spki, ret) < 0)
		return -EIO;
	rc = ret->earlier ? 0 : entitle(m, q, ret, fail, why);
	if (rc == 0 && !ret->earlier && m->scep_busy &&
		table_get(m->scep_busy, bytes_str(ret->number)))
		rc = -EBUSY;
	if (rc < 0)
		scep_grant_free(ret);
	return rc;
}

/* Another tap on Install: the certificate before it, if no enrollment uses it, is worth nothing. */
static int
revoke_unused(struct mdm *m, const unsigned char cert[SHA256_LEN])
{
	struct identity *i;
	int rc = identity_load(m->store, cert, &i);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (i->status == IDENTITY_ISSUED) {
		i->status = IDENTITY_REVOKED;
		i->revoked_at = mdm_now(m);
		rc = identity_save(m->store, i);
	}
	identity_free(i);
	return rc;
}

static int
count_use(struct mdm *m, const char *number, const unsigned char cert[SHA256_LEN])
{
	struct delivery *d;
	int rc = delivery_load(m->store, number, &d);

	if (rc < 0)
		return rc;
	if (d->uses > 0)
		rc = revoke_unused(m, d->last_cert);
	d->uses++;
	memcpy(d->last_cert, cert, SHA256_LEN);
	if (rc == 0)
		rc = delivery_save(m->store, d);
	delivery_free(d);
	return rc;
}

int
scep_record(struct mdm *m, const struct scep_request *q, const struct scep_grant *g, X509 *cert,
	const unsigned char ca[SHA256_LEN])
{
	struct identity *i = identity_new();
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int rc;

	if (cert_to_der(cert, &i->der) < 0) {
		identity_free(i);
		return -EIO;
	}
	digest_sha256(buf_bytes(&i->der), i->cert);
	buf_add(&i->serial, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	memcpy(i->ca, ca, SHA256_LEN);
	memcpy(i->spki, q->spki, SHA256_LEN);
	memcpy(i->number, g->number, sizeof(i->number));
	memcpy(i->link, g->link, sizeof(i->link));
	i->renewal_of = g->renewal_of ? xstrdup(g->renewal_of) : NULL;
	i->issued_at = mdm_now(m);
	i->not_after = cert_not_after(cert);
	i->status = IDENTITY_ISSUED;
	rc = identity_save(m->store, i);
	if (rc == 0)
		rc = identity_note_transaction(m->store, q->transaction, q->spki, i->cert);
	if (rc == 0 && g->by_challenge)
		rc = count_use(m, g->number, i->cert);
	identity_free(i);
	return rc;
}

int
scep_get_message(const char *value, struct buf *out)
{
	char *text = xstrdup(value), *c;
	int rc;

	for (c = text; *c; c++)
		if (*c == ' ')
			*c = '+';
	rc = decode_base64_loose(out, bytes_str(text));
	free(text);
	return rc;
}
