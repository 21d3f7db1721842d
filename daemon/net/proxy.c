/* proxy.c - what a trusted proxy says of its client: certificate and address */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "pki/cert.h"

/* 16 bytes, IPv4 as a mapped address, so that one comparison serves both. */
static bool
parse_address(const char *text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (inet_pton(AF_INET, text, out + 12) == 1) {
		memcpy(out, mapped, sizeof(mapped));
		return true;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

static bool
same_bits(const unsigned char a[16], const unsigned char b[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool
within(const char *prefix, const unsigned char address[16])
{
	char text[INET6_ADDRSTRLEN + 4], *slash, *end;
	unsigned char base[16];
	unsigned long bits = 128;

	if (strlen(prefix) >= sizeof(text))
		return false;
	strcpy(text, prefix);
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';
	if (!parse_address(text, base))
		return false;
	if (slash) {
		bits = strtoul(slash + 1, &end, 10);
		if (!slash[1] || *end || bits > 128)
			return false;
		if (!strchr(text, ':'))
			bits += 96;
	}
	return bits <= 128 && same_bits(base, address, (unsigned)bits);
}

bool
proxy_trusts(char *const *trusted, size_t count, const char *address)
{
	unsigned char bytes[16];
	size_t i;

	if (!parse_address(address, bytes))
		return false;
	for (i = 0; i < count; i++)
		if (within(trusted[i], bytes))
			return true;
	return false;
}

static X509 *
from_base64(const char *value, size_t len)
{
	struct buf der = BUF_INIT;
	X509 *cert = NULL;

	if (decode_base64(&der, bytes_of(value + 1, len - 2)) == 0)
		cert = cert_parse_der(buf_bytes(&der));
	buf_free(&der);
	return cert;
}

/* The first one of a chain is the client's. */
static X509 *
from_pem(const char *value, size_t len)
{
	struct buf pem = BUF_INIT;
	STACK_OF(X509) *list = NULL;
	X509 *cert = NULL;

	if (decode_percent(&pem, bytes_of(value, len), false) == 0)
		list = cert_parse(buf_bytes(&pem), NULL);
	if (list && sk_X509_num(list) > 0) {
		cert = sk_X509_value(list, 0);
		X509_up_ref(cert);
	}
	sk_X509_pop_free(list, X509_free);
	buf_free(&pem);
	return cert;
}

X509 *
proxy_certificate(const char *value)
{
	size_t len = strlen(value);
	X509 *cert;

	if (len == 0 || len > PROXY_CERT_MAX)
		return NULL;
	if (len > 2 && value[0] == ':' && value[len - 1] == ':')
		cert = from_base64(value, len);
	else
		cert = from_pem(value, len);
	ERR_clear_error();
	return cert;
}

/* One element, trimmed: "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", with or without quotes. */
static bool
take_address(struct bytes in, char out[INET6_ADDRSTRLEN])
{
	const char *s = (const char *)in.data, *colon;
	size_t len = in.len;
	unsigned char bytes[16];

	while (len && strchr(" \t\"", s[0])) {
		s++;
		len--;
	}
	while (len && strchr(" \t\"", s[len - 1]))
		len--;
	if (len && s[0] == '[') {
		const char *close = memchr(s, ']', len);

		if (!close)
			return false;
		len = (size_t)(close - s) - 1;
		s++;
	} else {
		colon = memchr(s, ':', len);
		if (colon && !memchr(colon + 1, ':', len - (size_t)(colon - s) - 1))
			len = (size_t)(colon - s);
	}
	if (len == 0 || len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(out, s, len);
	out[len] = '\0';
	return parse_address(out, bytes);
}

/* The for= of one element of Forwarded. */
static bool
find_for(struct bytes in, struct bytes *ret)
{
	const char *at = (const char *)in.data, *end = at + in.len;

	while (at < end) {
		const char *semicolon = memchr(at, ';', (size_t)(end - at));
		const char *stop = semicolon ? semicolon : end;

		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		if (stop - at > 4 && strncasecmp(at, "for=", 4) == 0) {
			*ret = bytes_of(at + 4, (size_t)(stop - at) - 4);
			return true;
		}
		at = stop + 1;
	}
	return false;
}

bool
proxy_client(const char *name, const char *value, char *const *trusted, size_t count,
	char out[INET6_ADDRSTRLEN])
{
	bool forwarded = strcasecmp(name, "Forwarded") == 0, found = false;
	const char *end = value + strlen(value);

	while (end > value) {
		const char *comma = memrchr(value, ',', (size_t)(end - value));
		const char *begin = comma ? comma + 1 : value;
		struct bytes element = bytes_of(begin, (size_t)(end - begin));
		char address[INET6_ADDRSTRLEN];

		if (forwarded && !find_for(element, &element))
			break;
		if (!take_address(element, address))
			break;
		found = true;
		strcpy(out, address);
		if (!proxy_trusts(trusted, count, address))
			break;
		end = comma ? comma : value;
	}
	return found;
}
