/* auth.c - which certificate speaks: Mdm-Signature or TLS, by our CA, known, in time */
#include "mdm/auth.h"

#include "base/log.h"
#include "mdm/foreign.h"
#include "pki/cert.h"
#include "pki/cms.h"
#include "pki/cmsfast.h"

#include <errno.h>
#include <string.h>

static bool
issued_by(const struct certpair *p, X509 *cert, unsigned char ca[SHA256_LEN])
{
	if (!certpair_leaf(p) || !cert_issued_by(cert, certpair_leaf(p)))
		return false;
	if (ca)
		memcpy(ca, p->sha256, SHA256_LEN);
	return true;
}

bool
auth_is_ours(const struct certdir *certs, X509 *cert, unsigned char ca[SHA256_LEN])
{
	size_t i;

	if (issued_by(&certs->ssc, cert, ca))
		return true;
	for (i = 0; i < certs->ssc_old_count; i++)
		if (issued_by(&certs->ssc_old[i], cert, ca))
			return true;
	return false;
}

bool
auth_ca_is_ours(struct mdm *m, const unsigned char ca[SHA256_LEN])
{
	const struct certdir *certs = m->certs;
	size_t k;

	if (certpair_leaf(&certs->ssc) && memcmp(ca, certs->ssc.sha256, SHA256_LEN) == 0)
		return true;
	for (k = 0; k < certs->ssc_old_count; k++)
		if (memcmp(ca, certs->ssc_old[k].sha256, SHA256_LEN) == 0)
			return true;
	return foreign_known(m, ca);
}

static int
refuse(const char **why, const char *sentence)
{
	*why = sentence;
	return -EACCES;
}

int
auth_certificate(struct mdm *m, X509 *cert, struct speaker *ret, const char **why)
{
	int64_t now = mdm_now(m);
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!auth_is_ours(m->certs, cert, ret->ca)) {
		if (!foreign_issued(m, cert, ret->ca))
			return refuse(why, "The certificate was not issued by this server.");
		ret->foreign = true;
	}
	ret->not_before = cert_not_before(cert);
	ret->not_after = cert_not_after(cert);
	ret->expired = ret->not_after < now;
	if (ret->expired && now - ret->not_after > m->conf->identity_grace)
		return refuse(why, "The certificate expired too long ago.");
	if (cert_sha256(cert, ret->sha256) < 0)
		return refuse(why, "The certificate cannot be read.");
	/* What another's CA writes there is no number of ours. */
	if (ret->foreign || cert_enrollment_number(cert, ret->number) < 0)
		ret->number[0] = '\0';
	rc = identity_load(m->store, ret->sha256, &ret->identity);
	if (rc < 0 && rc != -ENOENT)
		return -EIO;
	ret->revoked = ret->identity && identity_is_revoked(ret->identity->status,
						ret->identity->superseded_at, now);
	X509_up_ref(cert);
	ret->cert = cert;
	return 0;
}

/* ---- a known certificate, signing in its known form ---- */

/* Reads the signature; false when only OpenSSL can. */
static bool
read_fast(struct buf *der, const char *signature, struct cmsfast *ret)
{
	struct bytes text = bytes_str(signature);

	return text.len <= CMS_SIGNATURE_MAX && decode_base64(der, text) == 0 &&
	       cmsfast_parse(buf_bytes(der), ret) == 0;
}

/* The record says all that the whole path would have found out of the certificate. */
static bool
is_known(struct mdm *m, const struct identity *i, const struct cmsfast *f)
{
	int64_t now = mdm_now(m);

	return i->status == IDENTITY_ACTIVE && memcmp(i->pin, f->pin, SHA256_LEN) == 0 &&
	       auth_ca_is_ours(m, i->ca) && !identity_is_over(i->superseded_at, now) &&
	       i->not_after >= now && (f->digest != CMS_DIGEST_SHA1 || !m->conf->digests_sha256);
}

/* True: the identical certificate that is bound to an enrollment signed this.  Else: ask OpenSSL.
 */
static bool
recognise(struct mdm *m, const struct cmsfast *f, struct bytes body, struct speaker *ret)
{
	struct identity *i;

	if (identity_load(m->store, f->certificate_sha256, &i) < 0)
		return false;
	if (!m->keys)
		m->keys = cmsfast_keys_new();
	if (!is_known(m, i, f) || !cmsfast_verify(f, body, m->keys)) {
		identity_free(i);
		return false;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->sha256, f->certificate_sha256, SHA256_LEN);
	memcpy(ret->number, i->number, sizeof(ret->number));
	ret->not_after = i->not_after;
	ret->identity = i;
	m->numbers.signatures++;
	m->numbers.signatures_fast++;
	m->numbers.digest[f->digest]++;
	return true;
}

/*
 * OpenSSL accepted this form: the next one is recognised by it.  That it cannot be noted now is no
 * reason to refuse anybody.
 */
static void
note_pin(struct mdm *m, const struct cmsfast *f, const struct speaker *who)
{
	struct identity *i = who->identity;

	if (!i || who->revoked || memcmp(i->cert, f->certificate_sha256, SHA256_LEN) != 0 ||
		memcmp(i->pin, f->pin, SHA256_LEN) == 0)
		return;
	memcpy(i->pin, f->pin, SHA256_LEN);
	if (identity_save(m->store, i) < 0)
		log_debug("the form of a signature is not noted: the store takes no changes");
}

/* The signer of the body, the caller's; NULL with *why. */
static X509 *
signer_of(struct mdm *m, const struct credentials *c, const char **why)
{
	enum cms_digest digest = CMS_DIGEST_SHA256;
	enum cms_fault fault;
	X509 *signer = NULL;

	m->numbers.signatures++;
	fault = cms_verify_detached(
		bytes_str(c->signature), c->body, !m->conf->digests_sha256, &signer, &digest);
	if (fault == CMS_OK) {
		m->numbers.digest[digest]++;
		return signer;
	}
	m->numbers.signature_faults++;
	*why = cms_fault_words(fault);
	return NULL;
}

/* What is missing for the configured mode; NULL when enough is there. */
static const char *
missing(enum conf_authentication mode, const struct credentials *c)
{
	bool signature = c->signature != NULL, peer = c->peer != NULL;

	switch (mode) {
	case AUTH_SIGNATURE:
		return signature ? NULL : "There is no Mdm-Signature.";
	case AUTH_TLS:
		return peer ? NULL : "There is no TLS client certificate.";
	case AUTH_EITHER:
		return signature || peer
			       ? NULL
			       : "There is neither an Mdm-Signature nor a TLS client certificate.";
	case AUTH_BOTH:
		return signature && peer
			       ? NULL
			       : "An Mdm-Signature and a TLS client certificate are both needed.";
	}
	return "Device authentication is not configured.";
}

/*
 * A TLS certificate counts only where the mode asks for it: in mode "signature" a device behind
 * another's TLS tunnel is still the one that signed.
 */
static bool
same_peer(enum conf_authentication mode, X509 *signer, X509 *peer)
{
	if (!peer || mode == AUTH_SIGNATURE)
		return true;
	return X509_cmp(signer, peer) == 0;
}

/* As auth_identify, by OpenSSL. */
static int
identify_whole(struct mdm *m, const struct credentials *c, struct speaker *ret, const char **why)
{
	enum conf_authentication mode = m->conf->device_authentication;
	X509 *signer = NULL;
	int rc;

	if (c->signature) {
		signer = signer_of(m, c, why);
		if (!signer)
			return -EACCES;
	}
	if (signer && !same_peer(mode, signer, c->peer))
		rc = refuse(why, "Mdm-Signature and TLS client certificate are not the same.");
	else
		rc = auth_certificate(m, signer ? signer : c->peer, ret, why);
	X509_free(signer);
	return rc;
}

/* As auth_identify, of a signature alone: the short way where there is one. */
static int
identify_signer(struct mdm *m, const struct credentials *c, struct speaker *ret, const char **why)
{
	struct buf der = BUF_INIT;
	struct cmsfast f;
	bool readable = read_fast(&der, c->signature, &f);
	int rc = 0;

	if (!readable || !recognise(m, &f, c->body, ret)) {
		rc = identify_whole(m, c, ret, why);
		if (rc == 0 && readable)
			note_pin(m, &f, ret);
	}
	buf_free(&der);
	return rc;
}

int
auth_identify(struct mdm *m, const struct credentials *c, struct speaker *ret, const char **why)
{
	enum conf_authentication mode = m->conf->device_authentication;

	memset(ret, 0, sizeof(*ret));
	if (c->signatures > 1)
		return refuse(why, "There is more than one Mdm-Signature.");
	*why = missing(mode, c);
	if (*why)
		return -EACCES;
	/* Where a TLS certificate counts beside the signature, the two are compared as a whole. */
	if (c->signature && (!c->peer || mode == AUTH_SIGNATURE))
		return identify_signer(m, c, ret, why);
	return identify_whole(m, c, ret, why);
}

void
auth_speaker_free(struct speaker *s)
{
	X509_free(s->cert);
	identity_free(s->identity);
	memset(s, 0, sizeof(*s));
}
