/*
 * cmsfast.h - the Mdm-Signature of a device that we know, checked without OpenSSL's CMS
 *
 * A device signs every message with the same certificate in the same form: of a signature only the
 * signed attributes and the signature value change.  All other parts are the "pin": a hash that was
 * noted when OpenSSL accepted such a signature (cms_verify_detached).  A signature with the same
 * pin needs no parsing of its certificate, which is three quarters of what CMS_verify costs.
 *
 * The answer is "yes, the holder of this certificate signed this" or "ask OpenSSL", never "no".
 * It says yes to nothing that OpenSSL refuses: what is not exactly as expected is not taken.
 */
#ifndef CORDON_PKI_CMSFAST_H
#define CORDON_PKI_CMSFAST_H

#include "base/digest.h"
#include "pki/cms.h"

/* What is in a signature; all views into the DER that was read. */
struct cmsfast {
	struct bytes certificate;
	struct bytes rsa; /* RSAPublicKey of the certificate */
	struct bytes attributes, message_digest, signature;
	enum cms_digest digest;
	unsigned char pin[SHA256_LEN]; /* of all that is not signed; never all zero */
	unsigned char certificate_sha256[SHA256_LEN];
};

/*
 * Reads a signature (DER; the outer levels may have indefinite lengths, as Apple's devices write
 * them): one RSA signer, its one certificate, the usual attributes.  0, or -EINVAL: ask OpenSSL.
 */
int cmsfast_parse(struct bytes der, struct cmsfast *ret);

/* Public keys ready for use, of the certificates that spoke last. */
struct cmsfast_keys;
struct cmsfast_keys *cmsfast_keys_new(void);
void cmsfast_keys_free(struct cmsfast_keys *k); /* NULL allowed */

/*
 * Does the signature belong to this body?  Only of use when f->pin is one that was noted for this
 * certificate.
 */
bool cmsfast_verify(const struct cmsfast *f, struct bytes body, struct cmsfast_keys *keys);

#endif
