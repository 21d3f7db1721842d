/* probe.c - how far one gets on the way to a TLS server */
#include "ctl/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pki/cert.h"
#include "pki/key.h"

#define CONNECT_MS 8000
#define HANDSHAKE_S 10

/* facts/protocol.md D.7: Apple's own networks, where its push service lives. */
static const struct {
	int family;
	const char *network;
	unsigned bits;
} apple_networks[] = {
	{ AF_INET, "17.0.0.0", 8 },
	{ AF_INET6, "2620:149::", 32 },
	{ AF_INET6, "2403:300::", 32 },
	{ AF_INET6, "2a01:b740::", 32 },
};

static bool
within(const unsigned char *address, const unsigned char *network, unsigned bits)
{
	return memcmp(address, network, bits / 8) == 0; /* all of them end at a byte */
}

static bool
is_apples(const struct sockaddr *sa)
{
	const void *raw =
		sa->sa_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	unsigned char network[16];

	for (size_t i = 0; i < sizeof(apple_networks) / sizeof(apple_networks[0]); i++)
		if (apple_networks[i].family == sa->sa_family &&
			inet_pton(sa->sa_family, apple_networks[i].network, network) == 1 &&
			within(raw, network, apple_networks[i].bits))
			return true;
	return false;
}

static bool
is_apple_name(const char *host)
{
	size_t n = strlen(host);

	return n > 15 && strcmp(host + n - 15, ".push.apple.com") == 0;
}

/* Connected in time: the socket, blocking; else -errno. */
static int
connect_one(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;
	const struct timeval limit = { HANDSHAKE_S, 0 };
	socklen_t size = sizeof(err);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		err = errno;
		if (err == EINPROGRESS) {
			err = ETIMEDOUT;
			if (poll(&p, 1, CONNECT_MS) == 1)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
		}
	}
	if (err) {
		close(fd);
		return -err;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* The socket, or -1 with the end set. */
static int
dial(struct probe *p, const char *host, unsigned port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list,
			*a;
	char service[16];
	int fd = -ETIMEDOUT, err;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, &list);
	if (err) {
		p->end = PROBE_NO_NAME;
		snprintf(p->detail, sizeof(p->detail), "%s", gai_strerror(err));
		return -1;
	}
	p->end = PROBE_WRONG_NAME;
	for (a = list; a && fd < 0; a = a->ai_next) {
		getnameinfo(a->ai_addr, a->ai_addrlen, p->address, sizeof(p->address), NULL, 0,
			NI_NUMERICHOST);
		if (is_apple_name(host) && !is_apples(a->ai_addr))
			continue;
		fd = connect_one(a);
		p->end = fd == -ECONNREFUSED ? PROBE_CLOSED : PROBE_SILENT;
	}
	freeaddrinfo(list);
	if (fd < 0)
		snprintf(p->detail, sizeof(p->detail), "%s", strerror(-fd));
	return fd < 0 ? -1 : fd;
}

static SSL_CTX *
context(const char *trust, bool h2)
{
	static const unsigned char offer[] = "\x02h2";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	if (h2)
		SSL_CTX_set_alpn_protos(ctx, offer, sizeof(offer) - 1);
	if (strcmp(trust, "system") == 0)
		SSL_CTX_set_default_verify_paths(ctx);
	else
		SSL_CTX_load_verify_file(ctx, trust);
	/* Verified all the same; the handshake goes on, so that the certificate can be shown. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return ctx;
}

static enum probe_end
end_of_verification(long result)
{
	switch (result) {
	case X509_V_OK:
		return PROBE_GOOD;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return PROBE_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return PROBE_OTHER_HOST;
	default:
		return PROBE_INTERCEPTED;
	}
}

static void
describe(struct probe *p, X509 *cert)
{
	cert_issuer(cert, &p->issuer);
	cert_subject(cert, &p->subject);
	p->not_before = cert_not_before(cert);
	p->not_after = cert_not_after(cert);
	X509_free(cert);
}

static void
judge(struct probe *p, SSL *ssl, bool h2)
{
	const unsigned char *protocol = NULL;
	unsigned len = 0;
	long result = SSL_get_verify_result(ssl);
	X509 *cert = SSL_get1_peer_certificate(ssl);

	if (!cert) {
		p->end = PROBE_NO_TLS;
		return;
	}
	describe(p, cert);
	snprintf(p->detail, sizeof(p->detail), "%s", X509_verify_cert_error_string(result));
	p->end = end_of_verification(result);
	SSL_get0_alpn_selected(ssl, &protocol, &len);
	if (p->end == PROBE_GOOD && h2 && (len != 2 || memcmp(protocol, "h2", 2) != 0))
		p->end = PROBE_NO_H2;
}

static void
shake_hands(struct probe *p, int fd, const char *host, const char *trust, bool h2)
{
	SSL_CTX *ctx = context(trust, h2);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	unsigned char raw[16];
	bool address = inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;

	p->end = PROBE_BROKEN;
	if (!ssl)
		goto out;
	if (address)
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	else
		SSL_set1_host(ssl, host);
	if (!address)
		SSL_set_tlsext_host_name(ssl, host);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1) {
		judge(p, ssl, h2);
	} else {
		p->end = PROBE_NO_TLS;
		pki_error(p->detail, sizeof(p->detail));
	}
out:
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

void
probe_run(struct probe *p, const char *host, unsigned port, const char *trust, bool h2)
{
	int fd;

	memset(p, 0, sizeof(*p));
	ERR_clear_error();
	fd = dial(p, host, port);
	if (fd < 0)
		return;
	shake_hands(p, fd, host, trust, h2);
	close(fd);
}

void
probe_free(struct probe *p)
{
	buf_free(&p->issuer);
	buf_free(&p->subject);
}

static void
expired_words(const struct probe *p, const char *host, unsigned port, struct buf *out)
{
	char date[24];

	if (p->not_before > clock_wall())
		buf_printf(out,
			"the certificate of %s:%u is not valid before %s: is the clock of this "
			"machine right?",
			host, port, clock_date(p->not_before, date, sizeof(date)));
	else
		buf_printf(out,
			"the certificate of %s:%u expired on %s: that is for its operator to "
			"mend, unless the clock of this machine is wrong",
			host, port, clock_date(p->not_after, date, sizeof(date)));
}

void
probe_words(const struct probe *p, const char *host, unsigned port, struct buf *out)
{
	struct buf issuer = BUF_INIT, subject = BUF_INIT;

	buf_add_bytes(&issuer, buf_bytes(&p->issuer));
	buf_add_bytes(&subject, buf_bytes(&p->subject));
	switch (p->end) {
	case PROBE_GOOD:
		buf_printf(out, "%s:%u answers (%s), its certificate comes from %s", host, port,
			p->address, buf_str(&issuer));
		break;
	case PROBE_NO_NAME:
		buf_printf(out,
			"the name %s is not found in DNS (%s): mend the resolver of this machine "
			"(/etc/resolv.conf), or the name",
			host, p->detail);
		break;
	case PROBE_WRONG_NAME:
		buf_printf(out,
			"DNS says that %s is %s, which is no address of Apple's: a resolver or "
			"/etc/hosts leads it elsewhere",
			host, p->address);
		break;
	case PROBE_CLOSED:
		buf_printf(out,
			"%s (%s) refuses connections to TCP port %u: open it in the firewall "
			"(cordonctl check --firewall), or nothing listens there",
			host, p->address, port);
		break;
	case PROBE_SILENT:
		buf_printf(out,
			"%s (%s) does not answer on TCP port %u (%s): a firewall drops it; "
			"cordonctl check --firewall says what to open",
			host, p->address, port, p->detail);
		break;
	case PROBE_INTERCEPTED:
		buf_printf(out,
			"something between this server and %s:%u intercepts TLS: the certificate "
			"it shows comes from %s, which is not trusted here (%s); exempt %s from "
			"inspection",
			host, port, buf_str(&issuer), p->detail, host);
		break;
	case PROBE_EXPIRED:
		expired_words(p, host, port, out);
		break;
	case PROBE_OTHER_HOST:
		buf_printf(out,
			"%s:%u (%s) shows a certificate for another name, %s: DNS or a proxy leads "
			"to the wrong machine",
			host, port, p->address, buf_str(&subject));
		break;
	case PROBE_NO_H2:
		buf_printf(out,
			"%s:%u speaks TLS but no HTTP/2, which pushes need: a proxy stands between",
			host, port);
		break;
	case PROBE_NO_TLS:
		buf_printf(out,
			"%s:%u (%s) is connected but speaks no TLS%s%s: a proxy or captive "
			"portal stands between",
			host, port, p->address, *p->detail ? ": " : "", p->detail);
		break;
	case PROBE_BROKEN:
		buf_printf(out, "%s:%u cannot be tried: TLS cannot be set up here", host, port);
		break;
	}
	buf_free(&issuer);
	buf_free(&subject);
}
