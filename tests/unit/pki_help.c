/* Keys, files and foreign programs for the unit tests of daemon/pki */
#include "pki_help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#define KEYS 4
#define PIECE 200u

static EVP_PKEY *key_list[KEYS];
static char directory[64];

EVP_PKEY *
help_key(unsigned which)
{
	assert_in_range(which, 0, KEYS - 1);
	if (!key_list[which])
		key_list[which] = key_new_rsa(2048);
	assert_non_null(key_list[which]);

	return key_list[which];
}

int64_t
help_today(void)
{
	return (int64_t)time(NULL);
}

X509 *
help_self_signed(EVP_PKEY *key, const char *cn, const EVP_MD *md)
{
	X509 *c = X509_new();
	X509_NAME *name;

	assert_non_null(c);
	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	name = X509_get_subject_name(c);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(c, name);
	X509_gmtime_adj(X509_getm_notBefore(c), -60);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400);
	X509_set_pubkey(c, key);
	assert_true(X509_sign(c, key, md) > 0);

	return c;
}

X509 *
help_ssc(void)
{
	struct subject s = { .organization = (char *)(uintptr_t) "Baumschule Süd",
		.common_name = (char *)(uintptr_t) "Müller & Söhne <MDM>" };
	X509 *c = ca_new_ssc(help_key(0), &s, help_today() - HELP_DAY, 3650 * HELP_DAY);

	assert_non_null(c);

	return c;
}

X509 *
help_identity(X509 *ssc, EVP_PKEY *key)
{
	struct ca_identity id = {
		.subject_key = key,
		.common_name = "Gerät 1",
		.organization = "Baumschule Süd",
		.number = HELP_NUMBER,
		.now = help_today(),
		.lifetime = 365 * HELP_DAY,
	};
	X509 *c = ca_issue_identity(ssc, help_key(0), &id);

	assert_non_null(c);

	return c;
}

void
help_start(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%.40s/pki-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(directory));
}

void
help_done(void)
{
	char *command = xasprintf("rm -rf '%s'", directory);
	unsigned i;

	if (directory[0])
		assert_int_equal(system(command), 0);
	free(command);
	for (i = 0; i < KEYS; i++)
		EVP_PKEY_free(key_list[i]);
}

const char *
help_path(const char *name)
{
	static char out[8][128];
	static unsigned at;

	at = (at + 1) % 8;
	snprintf(out[at], sizeof(out[at]), "%s/%s", directory, name);

	return out[at];
}

void
help_write(const char *name, struct bytes content)
{
	assert_int_equal(
		file_write_atomic(help_path(name), content, 0600, FILE_KEEP_OWNER, (gid_t)-1), 0);
}

void
help_read(const char *name, struct buf *out)
{
	assert_int_equal(file_read(help_path(name), 1 << 24, out, NULL), 0);
}

void
help_write_cert(const char *name, X509 *c)
{
	struct buf pem = BUF_INIT;

	assert_int_equal(cert_to_pem(c, &pem), 0);
	help_write(name, buf_bytes(&pem));
	buf_free(&pem);
}

void
help_write_key(const char *name, EVP_PKEY *key)
{
	struct buf pem = BUF_INIT;

	assert_int_equal(key_to_pem(key, &pem), 0);
	help_write(name, buf_bytes(&pem));
	buf_wipe(&pem);
}

void
help_run(int status, const char *fmt, ...)
{
	struct buf command = BUF_INIT;
	char line[1024];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_printf(&command, "cd '%s' && { %s; } >>log 2>&1 </dev/null", directory, line);
	r = system(buf_str(&command));
	buf_free(&command);
	if (!WIFEXITED(r) || WEXITSTATUS(r) != status) {
		struct buf log = BUF_INIT;

		help_read("log", &log);
		fail_msg("%s: status %d\n%s", line, r, buf_str(&log));
	}
}

bool
help_contains(const struct buf *b, const char *text)
{
	return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

static void
add_head(struct buf *out, unsigned char tag, size_t len)
{
	buf_add_u8(out, tag);
	if (len < 128) {
		buf_add_u8(out, (uint8_t)len);
		return;
	}
	buf_add_u8(out, 0x82);
	buf_add_u16(out, (uint16_t)len);
}

static void
add_pieces(struct buf *out, struct bytes content)
{
	size_t n;

	buf_add(out, "\x24\x80", 2);
	while (content.len > 0) {
		n = content.len < PIECE ? content.len : PIECE;
		add_head(out, 0x04, n);
		buf_add(out, content.data, n);
		content = bytes_of(content.data + n, content.len - n);
	}
	buf_add(out, "\0\0", 2);
}

/* The outer four levels, and the content's wrapper below them; never what is signed. */
static void
rewrite(struct bytes in, struct buf *out, int depth)
{
	const unsigned char *start = in.data, *end = in.data + in.len, *p;
	long len;
	int tag, class, form;

	for (; start < end; start = p + len) {
		p = start;
		form = ASN1_get_object(&p, &len, &tag, &class, end - start);
		assert_int_equal(form & 0x80, 0);
		if (depth == 5 && tag == V_ASN1_OCTET_STRING && class == V_ASN1_UNIVERSAL) {
			add_pieces(out, bytes_of(p, (size_t)len));
		} else if ((form & V_ASN1_CONSTRUCTED) &&
			   (depth <= 3 ||
				   (depth == 4 && class == V_ASN1_CONTEXT_SPECIFIC && tag == 0))) {
			buf_add_u8(out, *start);
			buf_add_u8(out, 0x80);
			rewrite(bytes_of(p, (size_t)len), out, depth + 1);
			buf_add(out, "\0\0", 2);
		} else {
			buf_add(out, start, (size_t)(p - start) + (size_t)len);
		}
	}
}

void
help_to_ber(struct bytes der, struct buf *out)
{
	rewrite(der, out, 0);
}
