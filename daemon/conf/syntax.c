/* syntax.c - judges of single values in text */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/syntax.h"

#define HOST_MAX 253 /* RFC 1035 */
#define LABEL_MAX 63
#define PORT_MAX 65535

__attribute__((format(printf, 3, 4))) static bool
wrong(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A decimal number of at most `max`; -1 for anything else. */
static long
number(const char *text, long max)
{
	long v = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + (*text - '0');
		if (v > max)
			return -1;
	}
	return v;
}

static bool
is_ipv4(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1;
}

/* A zone ("fe80::1%eth0") may follow: link-local addresses need it to be listened on. */
static bool
is_ipv6(const char *text)
{
	size_t len = strcspn(text, "%");
	struct in6_addr a;
	char bare[64];

	if (len >= sizeof(bare) || (text[len] == '%' && !text[len + 1]))
		return false;
	memcpy(bare, text, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, &a) == 1;
}

static bool
host_name(const char *text, size_t len, char *why, size_t size)
{
	size_t label = 0, i;

	if (len == 0 || len > HOST_MAX)
		return wrong(why, size, "needs a host name of 1 to %d characters", HOST_MAX);
	for (i = 0; i <= len; i++) {
		if (i == len || text[i] == '.') {
			if (label == 0 || label > LABEL_MAX || text[i - 1] == '-')
				return wrong(why, size,
					"has an empty, too long or badly ended part between dots");
			label = 0;
			continue;
		}
		if ((unsigned char)text[i] >= 0x80)
			return wrong(why, size, "must be ASCII: write the name in its xn-- form");
		if (!is_alnum(text[i]) && (text[i] != '-' || label == 0))
			return wrong(why, size, "has a '%c' that no host name may have", text[i]);
		label++;
	}
	return true;
}

size_t
syntax_host_length(const char *server_name)
{
	const char *end = strchr(server_name, ']');

	if (server_name[0] == '[' && end)
		return (size_t)(end - server_name) + 1;
	return strcspn(server_name, ":");
}

static bool
bracketed(const char *text, size_t len)
{
	char *inner = xstrndup(text + 1, len - 2);
	bool valid = is_ipv6(inner);

	free(inner);
	return valid;
}

bool
syntax_server_name(const char *text, char *why, size_t size)
{
	size_t len = syntax_host_length(text);

	if (strstr(text, "://"))
		return wrong(why, size, "is written without a scheme, such as \"mdm.example.com\"");
	if (strchr(text, '/'))
		return wrong(why, size, "is a name without a path, such as \"mdm.example.com\"");
	if (is_ipv6(text))
		return wrong(why, size, "needs brackets around an IPv6 address");
	if (text[len] && (text[len] != ':' || number(text + len + 1, PORT_MAX) < 1))
		return wrong(why, size, "has a port that is none of 1 to 65535");
	if (text[0] != '[')
		return host_name(text, len, why, size);
	return bracketed(text, len) || wrong(why, size, "has no IPv6 address in its brackets");
}

bool
syntax_host(const char *text, char *why, size_t size)
{
	return is_ipv6(text) || host_name(text, strlen(text), why, size);
}

bool
syntax_address(const char *text, char *why, size_t size)
{
	if (strcmp(text, "*") == 0 || is_ipv4(text) || is_ipv6(text))
		return true;
	if (text[0] == '[')
		return wrong(why, size, "is written without brackets here");
	return wrong(why, size, "is no IPv4 or IPv6 address; \"*\" stands for all of them");
}

bool
syntax_prefix(const char *text, char *why, size_t size)
{
	size_t len = strcspn(text, "/");
	char *address = xstrndup(text, len);
	bool v4 = is_ipv4(address), v6 = is_ipv6(address) && !strchr(address, '%');

	free(address);
	if (!v4 && !v6)
		return wrong(why, size, "is no address or prefix such as \"192.0.2.0/24\"");
	if (text[len] && number(text + len + 1, v4 ? 32 : 128) < 0)
		return wrong(why, size, "needs a prefix length of 0 to %d", v4 ? 32 : 128);
	return true;
}

bool
syntax_path(const char *text, char *why, size_t size)
{
	return text[0] == '/' || wrong(why, size, "must be a full path that starts with '/'");
}

bool
syntax_trust(const char *text, char *why, size_t size)
{
	return strcmp(text, "system") == 0 || text[0] == '/' ||
	       wrong(why, size, "is \"system\" or the full path of a file with certificates");
}

bool
syntax_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, address, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcmp(address, "localhost") == 0;
}

static bool
loopback_authority(const char *authority, size_t len)
{
	char *host = xstrndup(authority, len);
	size_t host_len = syntax_host_length(host);
	bool loopback;

	host[host_len] = '\0';
	if (host[0] == '[' && host_len >= 2) {
		host[host_len - 1] = '\0';
		loopback = syntax_is_loopback(host + 1);
	} else {
		loopback = syntax_is_loopback(host);
	}
	free(host);
	return loopback;
}

bool
syntax_url(const char *text, char *why, size_t size)
{
	bool secure = strncmp(text, "https://", 8) == 0;
	const char *authority = text + (secure ? 8 : 7), *p;
	size_t len;
	char *name;
	bool valid;

	if (!secure && strncmp(text, "http://", 7) != 0)
		return wrong(why, size, "must start with https://");
	for (p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return wrong(why, size, "has a character that must be escaped as %%XX");
	len = strcspn(authority, "/?#");
	if (memchr(authority, '@', len))
		return wrong(why, size, "must not carry a user name or password");
	name = xstrndup(authority, len);
	valid = syntax_server_name(name, why, size);
	free(name);
	if (!valid)
		return false;
	if (!secure && !loopback_authority(authority, len))
		return wrong(why, size, "must be https: http is for loopback addresses only");
	return true;
}

bool
syntax_base_url(const char *text, char *why, size_t size)
{
	if (strpbrk(text, "?#"))
		return wrong(
			why, size, "must end with its path: '?' and '#' leave no room for more");
	return syntax_url(text, why, size);
}

bool
syntax_header(const char *text, char *why, size_t size)
{
	const char *p;

	for (p = text; *p; p++)
		if (!is_alnum(*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return wrong(why, size, "has a '%c' that no HTTP field name may have", *p);
	return true;
}

bool
syntax_country(const char *text, char *why, size_t size)
{
	if (strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' &&
		text[1] <= 'Z')
		return true;
	return wrong(why, size, "is no country code of two capital letters such as \"DE\"");
}

bool
syntax_email(const char *text, char *why, size_t size)
{
	const char *at = strrchr(text, '@');

	if (at && at > text && at[1] && !strpbrk(text, " <>,;"))
		return true;
	return wrong(why, size, "is no mail address");
}

bool
syntax_name(const char *text, char *why, size_t size)
{
	const char *p;

	for (p = text; *p; p++)
		if (!is_alnum(*p) && !strchr("-._", *p))
			return wrong(why, size, "may have letters, digits, '-', '.' and '_' only");
	return true;
}

bool
syntax_endpoint(const char *text, char **address, unsigned *port, char *why, size_t size)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len;
	long n;

	n = colon ? number(colon + 1, PORT_MAX) : -1;
	if (n < 1)
		return wrong(why, size,
			"needs an address and a port of 1 to 65535, such as \"127.0.0.1:9464\"");
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return wrong(why, size, "needs brackets around an IPv6 address: \"[::1]:9464\"");
	}
	*address = xstrndup(host, len);
	if (syntax_address(*address, why, size)) {
		*port = (unsigned)n;
		return true;
	}
	free(*address);
	*address = NULL;
	return false;
}
