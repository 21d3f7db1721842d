/* auth.c - which certificate speaks: Mdm-Signature or TLS, by our CA, known, in time */
#include "mdm/auth.h"

#include "pki/cert.h"
#include "pki/cms.h"

#include <errno.h>
#include <string.h>

bool
auth_is_ours(const struct certdir *certs, X509 *cert)
{
	size_t i;

	if (certpair_leaf(&certs->ssc) && cert_issued_by(cert, certpair_leaf(&certs->ssc)))
		return true;
	for (i = 0; i < certs->ssc_old_count; i++)
		if (cert_issued_by(cert, certpair_leaf(&certs->ssc_old[i])))
			return true;
	return false;
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
	if (!auth_is_ours(m->certs, cert))
		return refuse(why, "The certificate was not issued by this server.");
	ret->not_before = cert_not_before(cert);
	ret->not_after = cert_not_after(cert);
	ret->expired = ret->not_after < now;
	if (ret->expired && now - ret->not_after > m->conf->identity_grace)
		return refuse(why, "The certificate expired too long ago.");
	if (cert_sha256(cert, ret->sha256) < 0)
		return refuse(why, "The certificate cannot be read.");
	if (cert_enrollment_number(cert, ret->number) < 0)
		ret->number[0] = '\0';
	rc = identity_load(m->store, ret->sha256, &ret->identity);
	if (rc < 0 && rc != -ENOENT)
		return -EIO;
	ret->revoked =
		ret->identity && (ret->identity->status == IDENTITY_REVOKED ||
					 identity_is_over(ret->identity->superseded_at, now));
	X509_up_ref(cert);
	ret->cert = cert;
	return 0;
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

int
auth_identify(struct mdm *m, const struct credentials *c, struct speaker *ret, const char **why)
{
	enum conf_authentication mode = m->conf->device_authentication;
	X509 *signer = NULL;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (c->signatures > 1)
		return refuse(why, "There is more than one Mdm-Signature.");
	*why = missing(mode, c);
	if (*why)
		return -EACCES;
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

void
auth_speaker_free(struct speaker *s)
{
	X509_free(s->cert);
	identity_free(s->identity);
	memset(s, 0, sizeof(*s));
}
