/* cordon-csr-import.c - a push certificate and its key from a PKCS#12 file */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "cordon-csr.h"
#include "pki/cert.h"
#include "pki/certpair.h"
#include "pki/key.h"

#define PASSWORD_MAX 1024

/* What a PKCS#12 file holds. */
struct parcel {
	EVP_PKEY *key;
	X509 *cert;
	STACK_OF(X509) * others;
	struct buf topic;
};

bool
csr_legacy_ciphers(void)
{
	static OSSL_PROVIDER *legacy; /* stays for the life of the process */

	ERR_clear_error();
	if (!legacy)
		legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
	ERR_clear_error();
	return legacy != NULL;
}

static PKCS12 *
parse(struct bytes in)
{
	const unsigned char *p = in.data;
	PKCS12 *p12;

	ERR_clear_error();
	p12 = in.len ? d2i_PKCS12(NULL, &p, (long)in.len) : NULL;
	ERR_clear_error();
	return p12;
}

static bool
is_password(PKCS12 *p12, const char *password)
{
	bool ret = PKCS12_verify_mac(p12, password, -1) == 1;

	ERR_clear_error();
	return ret;
}

static int
read_password(const struct tool_options *o, struct buf *ret)
{
	char question[128];
	int r;

	if (o->password_file) {
		r = site_read(o->password_file, PASSWORD_MAX, ret, NULL);
		while (ret->len && strchr("\r\n", ret->data[ret->len - 1]))
			ret->len--;
		return r;
	}
	if (!ask_possible())
		return tool_fail(EX_USAGE,
			"%s: has a password: run this on a terminal, or give --password-file FILE",
			o->argument);
	snprintf(question, sizeof(question), "Password of %.80s", o->argument);
	r = ask_password(question, ret);
	return r < 0 ? tool_fail(EX_NOINPUT, "no password was given") : EX_OK;
}

/* An empty password and none are two things in PKCS#12, and to a person the same. */
static int
find_password(PKCS12 *p12, const struct tool_options *o, struct buf *ret)
{
	int r;

	if (!PKCS12_mac_present(p12) || is_password(p12, NULL) || is_password(p12, ""))
		return EX_OK;
	r = read_password(o, ret);
	if (r == EX_OK && !is_password(p12, buf_str(ret)))
		r = tool_fail(EX_DATAERR, "%s: the password is wrong, or the file is damaged",
			o->argument);
	return r;
}

static bool
unpack_once(PKCS12 *p12, const char *password, struct parcel *p)
{
	bool ret;

	ERR_clear_error();
	ret = PKCS12_parse(p12, password, &p->key, &p->cert, &p->others) == 1;
	ERR_clear_error();
	return ret;
}

/* The right password and still unreadable: an old cipher. */
static int
unpack(PKCS12 *p12, const char *password, const char *name, struct parcel *p)
{
	if (unpack_once(p12, password, p))
		return EX_OK;
	if (!csr_legacy_ciphers())
		return tool_fail(EX_UNAVAILABLE,
			"%s: uses an old cipher (RC2-40 as a rule), which needs OpenSSL's legacy "
			"provider, and that is not installed here: install it, or write the file "
			"anew where it came from with a present-day cipher (AES-256)",
			name);
	if (!unpack_once(p12, password, p))
		return tool_fail(EX_DATAERR,
			"%s: is damaged, or has a cipher that OpenSSL does not know", name);
	fprintf(stderr,
		"%s: was read with OpenSSL's legacy provider, for its old cipher (RC2-40 as a "
		"rule), which protects nothing: delete the file after this\n",
		name);
	return EX_OK;
}

static int
judge(struct parcel *p, const char *name)
{
	const char *weak;

	if (!p->cert || !p->key)
		return tool_fail(EX_DATAERR, "%s: holds no %s%s", name,
			p->cert ? "private key" : "certificate that belongs to its private key",
			p->cert ? ": export both together" : "");
	if (cert_topic(p->cert, &p->topic) < 0)
		return tool_fail(EX_DATAERR,
			"%s: holds no push certificate (its subject has no UID that begins with "
			"com.apple.mgmt.). For TLS or a vendor certificate write the parts out "
			"with openssl pkcs12 -in %s -nodes",
			name, name);
	weak = certpair_too_weak(p->cert);
	if (weak)
		return tool_fail(
			EX_DATAERR, "%s: this push certificate cannot be used: %s", name, weak);
	if (certpair_old_digest(p->cert))
		return tool_fail(EX_DATAERR,
			"%s: this push certificate is signed with SHA-1, which Apple does not use "
			"any more: get a new one from Apple's portal",
			name);
	return EX_OK;
}

/* The key may be here already, from an earlier import or from cordon-csr. */
static bool
has_key(const struct site *s, const char *name, EVP_PKEY *key)
{
	char *path = site_path(s, name);
	struct buf pem = BUF_INIT;
	EVP_PKEY *there = NULL;
	bool ret;

	if (file_read(path, CSR_FILE_MAX, &pem, NULL) == 0)
		there = key_parse(buf_bytes(&pem), NULL);
	ERR_clear_error();
	ret = there && EVP_PKEY_eq(there, key) == 1;
	ERR_clear_error();
	EVP_PKEY_free(there);
	buf_wipe(&pem);
	free(path);
	return ret;
}

static int
chain_to_pem(const struct parcel *p, struct buf *out)
{
	int r = cert_to_pem(p->cert, out);

	for (int i = 0; r == 0 && i < sk_X509_num(p->others); i++)
		r = cert_to_pem(sk_X509_value(p->others, i), out);
	return r;
}

static int
write_parcel(const struct site *s, struct parcel *p)
{
	struct buf key_pem = BUF_INIT, cert_pem = BUF_INIT;
	char short_name[9], date[24], key_name[32], cert_name[64];
	struct site_file files[2];
	size_t n = 0;
	int r = EX_SOFTWARE;

	if (key_short_name(p->key, short_name) < 0 || key_to_pem(p->key, &key_pem) < 0 ||
		chain_to_pem(p, &cert_pem) < 0) {
		r = tool_fail(EX_SOFTWARE, "the certificate could not be written out");
		goto out;
	}
	clock_date(cert_not_after(p->cert), date, sizeof(date));
	snprintf(key_name, sizeof(key_name), "push-%s.key", short_name);
	snprintf(cert_name, sizeof(cert_name), "push-%s-%s.pem", short_name, date);
	if (!has_key(s, key_name, p->key))
		files[n++] = (struct site_file){ key_name, buf_bytes(&key_pem), SITE_KEY, false };
	files[n++] = (struct site_file){ cert_name, buf_bytes(&cert_pem), SITE_CERTIFICATE, false };
	r = site_write(s, files, n);
	if (r == EX_OK)
		printf("made %s/%s%s%s: topic %s, renew by %s\n", s->certs, cert_name,
			n > 1 ? " and " : "", n > 1 ? key_name : "", buf_str(&p->topic), date);
out:
	buf_wipe(&key_pem);
	buf_free(&cert_pem);
	return r;
}

static void
warn_topic(const struct csr_situation *c, struct parcel *p)
{
	for (size_t i = 0; i < c->dir->push_count; i++)
		if (strcmp(c->dir->push[i].topic, buf_str(&p->topic)) == 0)
			return;
	if (c->dir->push_count)
		tool_warn("its topic is not that of the push certificate that is here (%s): the "
			  "daemon does not use it while devices are enrolled under that, until "
			  "cordonctl accept-topic",
			c->dir->push[0].topic);
}

static int
take(const struct site *s, const struct tool_options *o, PKCS12 *p12)
{
	struct csr_situation c;
	struct buf password = BUF_INIT;
	struct parcel p = { 0 };
	int r = find_password(p12, o, &password);

	if (r == EX_OK)
		r = unpack(p12, buf_str(&password), o->argument, &p);
	if (r == EX_OK)
		r = judge(&p, o->argument);
	if (r == EX_OK) {
		csr_situation_read(&c, s);
		r = write_parcel(s, &p);
		if (r == EX_OK)
			warn_topic(&c, &p);
		csr_situation_fini(&c);
	}
	if (r == EX_OK)
		csr_print_legal();
	EVP_PKEY_free(p.key);
	X509_free(p.cert);
	sk_X509_pop_free(p.others, X509_free);
	buf_free(&p.topic);
	buf_wipe(&password);
	return r;
}

int
csr_verb_import(const struct tool_options *o)
{
	struct buf content = BUF_INIT;
	PKCS12 *p12 = NULL;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	r = site_read(o->argument, CSR_FILE_MAX, &content, NULL);
	if (r == EX_OK) {
		p12 = parse(buf_bytes(&content));
		r = p12 ? take(&site, o, p12)
			: tool_fail(EX_DATAERR,
				  "%s: is no PKCS#12 file. Certificates and keys in PEM or DER "
				  "need "
				  "no import: copy them into %s",
				  o->argument, site.certs);
	}
	if (r == EX_OK)
		site_warn_group(&site);
	PKCS12_free(p12);
	buf_wipe(&content);
	site_close(&site);
	return r;
}
