/* cordon-csr-decrypt.c - what mdmcert.download mails back, opened (facts/protocol.md E.5) */
#include <ctype.h>
#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "cordon-csr.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/key.h"

static int
read_stdin(struct buf *out)
{
	ssize_t n;

	do {
		buf_reserve(out, 65536);
		n = read(STDIN_FILENO, out->data + out->len, 65536);
		if (n > 0)
			out->len += (size_t)n;
		if (out->len > CSR_FILE_MAX)
			return tool_fail(EX_DATAERR, "standard input: is too long");
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? tool_fail(EX_IOERR, "standard input: %s", strerror(errno)) : EX_OK;
}

/* Hex in either case, whatever the mail program made of its lines; or DER as it is. */
static int
decode(struct bytes in, struct buf *out)
{
	struct buf hex = BUF_INIT;
	int r;

	if (in.len && in.data[0] == 0x30 && (in.len < 2 || !isxdigit(in.data[1]))) {
		buf_add_bytes(out, in);
		return 0;
	}
	if (in.len >= 3 && memcmp(in.data, "\xef\xbb\xbf", 3) == 0)
		in = bytes_of(in.data + 3, in.len - 3);
	for (size_t i = 0; i < in.len; i++)
		if (!isspace(in.data[i]))
			buf_add_char(&hex, (char)in.data[i]);
	r = hex.len ? decode_hex(out, buf_bytes(&hex)) : -EINVAL;
	buf_free(&hex);
	return r;
}

static CMS_ContentInfo *
parse(struct bytes der)
{
	const unsigned char *p = der.data;
	CMS_ContentInfo *cms;

	ERR_clear_error();
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	if (cms && OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped) {
		CMS_ContentInfo_free(cms);
		cms = NULL;
	}
	ERR_clear_error();
	return cms;
}

/* CMS_decrypt fails without a word when it finds no recipient, so look before. */
static bool
is_for(CMS_ContentInfo *cms, X509 *cert)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	bool ret = false;

	for (int i = 0; i < sk_CMS_RecipientInfo_num(all) && !ret; i++) {
		CMS_RecipientInfo *ri = sk_CMS_RecipientInfo_value(all, i);

		ret = CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_TRANS &&
		      CMS_RecipientInfo_ktri_cert_cmp(ri, cert) == 0;
	}
	ERR_clear_error();
	return ret;
}

static int
open_once(struct bytes der, EVP_PKEY *key, X509 *cert, struct buf *out)
{
	CMS_ContentInfo *cms = parse(der);
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	long len;
	int r = -EINVAL;

	if (cms && bio && !is_for(cms, cert))
		r = -EKEYREJECTED;
	else if (cms && bio)
		/* With the certificate a wrong key is an error, not random bytes. */
		r = CMS_decrypt(cms, key, cert, NULL, bio, CMS_BINARY) == 1 ? 0 : -ENOTSUP;
	len = bio ? BIO_get_mem_data(bio, &data) : 0;
	if (r == 0 && len > 0)
		buf_add(out, data, (size_t)len);
	BIO_free(bio);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return r;
}

static int
open_envelope(const char *name, struct bytes der, EVP_PKEY *key, X509 *cert, struct buf *out)
{
	int r = open_once(der, key, cert, out);

	if (r == -ENOTSUP && csr_legacy_ciphers())
		r = open_once(der, key, cert, out);
	switch (r) {
	case 0:
		return EX_OK;
	case -EKEYREJECTED:
		return tool_fail(EX_DATAERR,
			"%s: is encrypted to another key than mdmcert.key here: it answers another "
			"request, or that of another machine",
			name);
	case -ENOTSUP:
		return tool_fail(EX_DATAERR,
			"%s: cannot be decrypted: it is damaged, or its cipher needs OpenSSL's "
			"legacy provider, which is not installed",
			name);
	default:
		return tool_fail(EX_DATAERR,
			"%s: is not the attachment of mdmcert.download's mail (hex of a CMS "
			"envelope): save the attachment mdm_signed_request.*.p7 anew",
			name);
	}
}

static int
load_pair(const struct site *s, EVP_PKEY **key, X509 **cert)
{
	char *key_path = site_path(s, "mdmcert.key"), *cert_path = site_path(s, "mdmcert.crt");
	struct buf key_pem = BUF_INIT, cert_pem = BUF_INIT;
	STACK_OF(X509) *certs = NULL;
	const char *why = NULL;
	int r;

	if (!site_has(s, "mdmcert.key"))
		r = tool_fail(EX_NOINPUT,
			"%s: is not here, so nothing was requested from this machine: begin with "
			"cordon-csr request",
			key_path);
	else
		r = site_read(key_path, CSR_FILE_MAX, &key_pem, NULL);
	if (r == EX_OK)
		r = site_read(cert_path, CSR_FILE_MAX, &cert_pem, NULL);
	if (r == EX_OK) {
		*key = key_parse(buf_bytes(&key_pem), &why);
		if (!*key)
			r = tool_fail(EX_DATAERR, "%s: %s", key_path, why);
	}
	if (r == EX_OK) {
		certs = cert_parse(buf_bytes(&cert_pem), &why);
		*cert = certs ? sk_X509_shift(certs) : NULL;
		if (!*cert)
			r = tool_fail(EX_DATAERR, "%s: %s", cert_path, why);
	}
	sk_X509_pop_free(certs, X509_free);
	buf_wipe(&key_pem);
	buf_free(&cert_pem);
	free(key_path);
	free(cert_path);
	return r;
}

static bool
is_ours(const struct site *s, X509_REQ *csr)
{
	char short_name[9], *name, *path;
	struct buf pem = BUF_INIT;
	EVP_PKEY *key = NULL;
	bool ret;

	if (key_short_name(X509_REQ_get0_pubkey(csr), short_name) < 0)
		return false;
	name = xasprintf("push-%s.key", short_name);
	path = site_path(s, name);
	if (file_read(path, CSR_FILE_MAX, &pem, NULL) == 0)
		key = key_parse(buf_bytes(&pem), NULL);
	ret = key && EVP_PKEY_eq(X509_REQ_get0_pubkey(csr), key) == 1;
	ERR_clear_error();
	EVP_PKEY_free(key);
	buf_wipe(&pem);
	free(name);
	free(path);
	return ret;
}

static int
write_signed(
	const struct site *s, const char *name, struct bytes content, const struct csr_situation *c)
{
	struct csr_signed got;
	struct buf line = BUF_INIT;
	struct site_file file = { .name = CSR_SIGNED, .kind = SITE_CERTIFICATE, .replace = true };
	int r = EX_OK;

	if (csr_signed_parse(content, c->now, &got) < 0)
		return tool_fail(EX_DATAERR,
			"%s: what is in it is no vendor-signed request: ask for another one with "
			"cordon-csr request",
			name);
	if (!is_ours(s, got.csr))
		r = tool_fail(EX_DATAERR,
			"%s: the CSR in it was made with a key that is not here, so its "
			"certificate would be of no use: ask for another one with cordon-csr "
			"request",
			name);
	else if (got.fault)
		r = tool_fail(EX_DATAERR,
			"%s: Apple's portal would refuse it: %s; tell mdmcert.download", name,
			got.fault);
	if (r == EX_OK) {
		/* One line, whatever the mail had. */
		encode_base64(&line, buf_bytes(&got.plist), 0);
		file.content = buf_bytes(&line);
		r = site_write(s, &file, 1);
	}
	csr_signed_fini(&got);
	buf_free(&line);
	return r;
}

static int
decrypt(const struct site *s, const struct tool_options *o, const struct csr_situation *c)
{
	bool piped = strcmp(o->argument, "-") == 0;
	const char *name = piped ? "standard input" : o->argument;
	struct buf content = BUF_INIT, der = BUF_INIT, plain = BUF_INIT;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int r = load_pair(s, &key, &cert);

	if (r == EX_OK)
		r = piped ? read_stdin(&content)
			  : site_read(o->argument, CSR_FILE_MAX, &content, NULL);
	/* What is no hex is no envelope either, and is told as such. */
	if (r == EX_OK && decode(buf_bytes(&content), &der) < 0)
		buf_reset(&der);
	if (r == EX_OK)
		r = open_envelope(name, buf_bytes(&der), key, cert, &plain);
	if (r == EX_OK)
		r = write_signed(s, name, buf_bytes(&plain), c);
	if (r == EX_OK) {
		printf("made %s/" CSR_SIGNED " from %s\n\n", s->certs, name);
		csr_print_portal(c, true);
		csr_print_legal();
	}
	EVP_PKEY_free(key);
	X509_free(cert);
	buf_free(&content);
	buf_free(&der);
	buf_free(&plain);
	return r;
}

int
csr_verb_decrypt(const struct tool_options *o)
{
	struct csr_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	csr_situation_read(&c, &site);
	r = decrypt(&site, o, &c);
	csr_situation_fini(&c);
	site_close(&site);
	return r;
}
