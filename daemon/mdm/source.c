/* source.c - where a request comes from, and how often strangers from there may try */
#include "mdm/source.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "net/proxy.h"

#include <arpa/inet.h>
#include <string.h>

struct source {
	int64_t tokens; /* thousandths of a try */
	int64_t at;	/* monotonic milliseconds */
};

static bool
by_proxy(const struct mdm *m, const struct http_request *r)
{
	const struct conf_strings *t = &m->conf->proxy.trusted;

	return http_behind_proxy(r) && proxy_trusts(t->items, t->count, http_peer(r));
}

/* A header that is there twice was written by two: neither counts. */
static const char *
only_header(const struct http_request *r, const char *name)
{
	return name && http_header_count(r, name) == 1 ? http_header(r, name) : NULL;
}

X509 *
source_certificate(const struct mdm *m, const struct http_request *r)
{
	const char *value;
	X509 *cert;

	if (!by_proxy(m, r)) {
		cert = http_peer_cert(r);
		if (cert)
			X509_up_ref(cert);
		return cert;
	}
	/* The connection's own certificate would be the proxy's. */
	value = only_header(r, m->conf->proxy.client_certificate_header);
	return value ? proxy_certificate(value) : NULL;
}

void
source_address(const struct mdm *m, const struct http_request *r, char out[INET6_ADDRSTRLEN])
{
	const struct conf_strings *t = &m->conf->proxy.trusted;
	const char *name = m->conf->proxy.forwarded_header;
	const char *value = by_proxy(m, r) ? only_header(r, name) : NULL;

	if (value && proxy_client(name, value, t->items, t->count, out))
		return;
	memccpy(out, http_peer(r), '\0', INET6_ADDRSTRLEN - 1);
	out[INET6_ADDRSTRLEN - 1] = '\0';
}

/* Whoever has a /64 has all of its addresses. */
static struct bytes
key_of(const char *address, unsigned char raw[16])
{
	if (inet_pton(AF_INET6, address, raw) == 1)
		return bytes_of(raw, 8);
	if (inet_pton(AF_INET, address, raw) == 1)
		return bytes_of(raw, 4);
	return bytes_str(address);
}

/* As it is now. */
static struct source *
find(struct mdm *m, struct bytes key, bool make)
{
	const int64_t full = SOURCE_BURST * INT64_C(1000);
	int64_t now = mdm_mono_ms(m);
	struct source *s;

	if (make && m->sources && table_count(m->sources) >= SOURCES_MAX) {
		table_free(m->sources); /* all begin anew: cheaper than being remembered by force */
		m->sources = NULL;
	}
	if (!m->sources)
		m->sources = table_new(free);
	s = table_get(m->sources, key);
	if (!s && make) {
		s = xcalloc(1, sizeof(*s));
		s->tokens = full;
		s->at = now;
		table_put(m->sources, key, s);
	}
	if (s && now > s->at) {
		s->tokens += (now - s->at) * SOURCE_RATE;
		s->tokens = s->tokens < full ? s->tokens : full;
		s->at = now;
	}
	return s;
}

bool
source_try(struct mdm *m, const char *address)
{
	unsigned char raw[16];
	struct source *s = find(m, key_of(address, raw), true);

	if (s->tokens < 1000)
		return false;
	s->tokens -= 1000;
	return true;
}

bool
source_exhausted(struct mdm *m, const char *address)
{
	unsigned char raw[16];
	struct source *s = find(m, key_of(address, raw), false);

	return s && s->tokens < 1000;
}

void
source_refuse(struct http_request *r)
{
	http_reply_header(r, "Retry-After", "30");
	http_reply_text(r, 429, "Too many tries from your address; try again later.");
}
