/* foreign.c - the CAs of the servers that enrollments were brought over from */
#include "mdm/foreign.h"

#include "base/log.h"
#include "base/mem.h"
#include "pki/cert.h"
#include "store/meta.h"
#include "store/origin.h"

#include <stdlib.h>
#include <string.h>

struct ca {
	X509 *cert;
	unsigned char sha256[SHA256_LEN];
	char origin[ORIGIN_ID_SIZE];
};

struct foreign {
	struct ca *items;
	size_t count;
	char current[ORIGIN_ID_SIZE]; /* the origin that was given last; "" */
};

static void
add(struct foreign *f, const char *origin, X509 *cert)
{
	struct ca *c;

	f->items = xrealloc(f->items, (f->count + 1) * sizeof(*f->items));
	c = &f->items[f->count];
	memset(c, 0, sizeof(*c));
	if (cert_sha256(cert, c->sha256) < 0)
		return;
	memcpy(c->origin, origin, sizeof(c->origin));
	X509_up_ref(cert);
	c->cert = cert;
	f->count++;
}

static int
add_origin(void *arg, const struct origin *o)
{
	STACK_OF(X509) *cas = cert_parse(buf_bytes(&o->cas), NULL);
	int i;

	for (i = 0; cas && i < sk_X509_num(cas); i++)
		add(arg, o->id, sk_X509_value(cas, i));
	sk_X509_pop_free(cas, X509_free);
	return 0;
}

static struct foreign *
get(struct mdm *m)
{
	char *current;

	if (m->foreign)
		return m->foreign;
	m->foreign = xcalloc(1, sizeof(*m->foreign));
	if (origin_each(m->store, add_origin, m->foreign) < 0)
		log_debug("the CAs of earlier servers cannot be read");
	if (meta_get_str(m->store, "origin", &current) == 0) {
		if (strlen(current) < sizeof(m->foreign->current))
			memcpy(m->foreign->current, current, strlen(current) + 1);
		free(current);
	}
	return m->foreign;
}

bool
foreign_issued(struct mdm *m, X509 *cert, unsigned char ca[SHA256_LEN])
{
	const struct foreign *f = get(m);
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (!cert_issued_by(cert, f->items[i].cert))
			continue;
		memcpy(ca, f->items[i].sha256, SHA256_LEN);
		return true;
	}
	return false;
}

bool
foreign_known(struct mdm *m, const unsigned char ca[SHA256_LEN])
{
	const struct foreign *f = get(m);
	size_t i;

	for (i = 0; i < f->count; i++)
		if (memcmp(f->items[i].sha256, ca, SHA256_LEN) == 0)
			return true;
	return false;
}

/* `ca` NULL: any. */
static bool
has(struct mdm *m, const char *origin, const unsigned char *ca)
{
	const struct foreign *f = get(m);
	size_t i;

	if (!*origin)
		origin = f->current;
	for (i = 0; i < f->count; i++)
		if (strcmp(f->items[i].origin, origin) == 0 &&
			(!ca || memcmp(f->items[i].sha256, ca, SHA256_LEN) == 0))
			return true;
	return false;
}

bool
foreign_of(struct mdm *m, const char *origin, const unsigned char ca[SHA256_LEN])
{
	return has(m, origin, ca);
}

bool
foreign_any(struct mdm *m, const char *origin)
{
	return has(m, origin, NULL);
}

void
foreign_forget(struct mdm *m)
{
	size_t i;

	if (!m->foreign)
		return;
	for (i = 0; i < m->foreign->count; i++)
		X509_free(m->foreign->items[i].cert);
	free(m->foreign->items);
	free(m->foreign);
	m->foreign = NULL;
}
