/*
 * identity.h - issuance records: what is known of every certificate that the SSC issued
 *
 *   'i' sha256(DER)           the record (binary key part)
 *   'x' sha256(transaction id | 0 | SPKI)   the certificate that this SCEP transaction got (binary)
 *
 * Whether an Authenticate is a renewal is decided by this record and by nothing else (DESIGN
 * "Devices").
 */
#ifndef CORDON_STORE_IDENTITY_H
#define CORDON_STORE_IDENTITY_H

#include "base/digest.h"
#include "base/encode.h"
#include "store/store.h"

enum identity_status {
	IDENTITY_ISSUED, /* no TokenUpdate yet: on hold for other services */
	IDENTITY_ACTIVE, /* bound to an enrollment */
	IDENTITY_REVOKED /* removed, replaced, lapsed, or a challenge's further use */
};

struct identity {
	unsigned char cert[SHA256_LEN]; /* of the DER certificate */
	struct buf der;
	struct buf serial;		/* big-endian */
	unsigned char ca[SHA256_LEN];	/* of the issuing SSC's DER */
	unsigned char spki[SHA256_LEN]; /* of the SubjectPublicKeyInfo DER */
	char number[UUID_LEN + 1];	/* enrollment number, in the SAN */
	char link[2 * SHA256_LEN + 1];	/* hash of the link it was issued under; "" */
	char *renewal_of;		/* enrollment id; NULL: a new enrollment */
	char *enrollment; /* id that it is bound to; NULL until the first Authenticate */
	int64_t issued_at, not_after;
	enum identity_status status;
	int64_t revoked_at;
	int64_t superseded_at;	       /* TokenUpdate of its successor; 0: none */
	unsigned char pin[SHA256_LEN]; /* hash over the unsigned parts of its Mdm-Signature; zero:
					  none yet */
};

#define IDENTITY_OVERLAP (30 * 86400) /* seconds it is accepted beside its successor */
static inline bool
identity_is_over(int64_t superseded_at, int64_t now)
{
	return superseded_at != 0 && now - superseded_at > IDENTITY_OVERLAP;
}
/* No service may take it any more, whatever its enrollment is. */
static inline bool
identity_is_revoked(enum identity_status status, int64_t superseded_at, int64_t now)
{
	return status == IDENTITY_REVOKED || identity_is_over(superseded_at, now);
}

struct identity *identity_new(void);
void identity_free(struct identity *i);
int identity_load(struct store *s, const unsigned char cert[SHA256_LEN], struct identity **ret);
/* The value of an 'i' record as the on_change hook sees it. */
int identity_decode(
	const unsigned char cert[SHA256_LEN], struct bytes value, struct identity **ret);
int identity_save(struct store *s, const struct identity *i);
/* The certificate hash that the transaction got.  0, -ENOENT. */
int identity_by_transaction(struct store *s, const char *transaction,
	const unsigned char spki[SHA256_LEN], unsigned char cert[SHA256_LEN]);
int identity_note_transaction(struct store *s, const char *transaction,
	const unsigned char spki[SHA256_LEN], const unsigned char cert[SHA256_LEN]);

#endif
