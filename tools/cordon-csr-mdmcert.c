/* cordon-csr-mdmcert.c - a vendor's signature from mdmcert.download (facts/protocol.md E.5) */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "config.h"
#include "cordon-csr.h"
#include "ctl/table.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/key.h"

#define SERVICE "https://mdmcert.download/api/v1/signrequest"
#define TRANSPORT_KEY "mdmcert.key"
#define TRANSPORT_CERT "mdmcert.crt"
#define TRANSPORT_BITS 2048
#define TRANSPORT_LIFETIME (INT64_C(366) * 86400)
#define API_KEY_MAX 4096
#define ANSWER_MAX 65536
#define PATIENCE_S 60L

/* One request to the service. */
struct errand {
	const struct site *site;
	const struct tool_options *options;
	const char *email, *url;
	struct buf api_key;   /* secret */
	struct buf csr;	      /* PEM */
	struct buf transport; /* PEM certificate */
	bool new_transport;
};

static bool
valid_key(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isgraph(text.data[i]))
			return false;
	return text.len > 0;
}

static int
read_api_key(struct errand *e)
{
	const struct conf *conf = e->site->conf;
	const char *path = e->options->api_key_file ? e->options->api_key_file
			   : conf		    ? conf->mdmcert.key_file
						    : NULL;
	struct stat st;
	int r;

	if (!path)
		return tool_fail(EX_USAGE,
			"there is no API key: mdmcert.download gives one to each project that asks "
			"its operator; put it into a file, and name that with mdmcert.key-file in "
			"the configuration or with --api-key-file");
	r = site_read(path, API_KEY_MAX, &e->api_key, &st);
	if (r != EX_OK)
		return r;
	if (st.st_mode & S_IRWXO)
		return tool_fail(EX_NOPERM,
			"%s: the API key is open to every user (mode %04o): chmod 600 %s", path,
			(unsigned)(st.st_mode & 07777), path);
	while (e->api_key.len && isspace(e->api_key.data[e->api_key.len - 1]))
		e->api_key.len--;
	if (!valid_key(buf_bytes(&e->api_key)))
		return tool_fail(EX_DATAERR, "%s: holds no API key, which is one word", path);
	return EX_OK;
}

static int
read_email(struct errand *e)
{
	const struct conf *conf = e->site->conf;

	e->email = e->options->subject.email ? e->options->subject.email
		   : conf		     ? conf->mdmcert.email
					     : NULL;
	if (!e->email)
		return tool_fail(EX_USAGE,
			"there is no mail address: register one at https://mdmcert.download, and "
			"name it with mdmcert.email in the configuration or with --email");
	return EX_OK;
}

static int
add_usage(X509 *c)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int r;

	X509V3_set_ctx(&ctx, c, c, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(
		NULL, &ctx, NID_key_usage, "critical,keyEncipherment,dataEncipherment");
	r = ext && X509_add_ext(c, ext, -1) == 1 ? 0 : -EIO;
	X509_EXTENSION_free(ext);
	return r;
}

/* Self-signed, for nothing but the mail that comes back. */
static X509 *
new_transport(EVP_PKEY *key)
{
	static const unsigned char name[] = "Cordon transport to mdmcert.download";
	X509 *c = X509_new();
	unsigned char serial[8];

	random_bytes(serial, sizeof(serial));
	serial[0] &= 0x7f;
	if (c && X509_set_version(c, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), bytes_u64(serial)) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(c), -600) &&
		X509_gmtime_adj(X509_getm_notAfter(c), (long)TRANSPORT_LIFETIME) &&
		X509_set_pubkey(c, key) == 1 &&
		X509_NAME_add_entry_by_NID(X509_get_subject_name(c), NID_commonName,
			V_ASN1_UTF8STRING, name, -1, -1, 0) == 1 &&
		X509_set_issuer_name(c, X509_get_subject_name(c)) == 1 && add_usage(c) == 0 &&
		X509_sign(c, key, EVP_sha256()) > 0)
		return c;
	X509_free(c);
	return NULL;
}

static int
load_transport(const struct site *s, EVP_PKEY **key, X509 **cert)
{
	char *key_path = site_path(s, TRANSPORT_KEY), *cert_path = site_path(s, TRANSPORT_CERT);
	struct buf key_pem = BUF_INIT, cert_pem = BUF_INIT;
	STACK_OF(X509) *certs = NULL;
	const char *why;
	int r = -ENOENT;

	if (file_read(key_path, CSR_FILE_MAX, &key_pem, NULL) == 0 &&
		file_read(cert_path, CSR_FILE_MAX, &cert_pem, NULL) == 0) {
		*key = key_parse(buf_bytes(&key_pem), &why);
		certs = cert_parse(buf_bytes(&cert_pem), &why);
		*cert = certs ? sk_X509_shift(certs) : NULL;
		r = *key && *cert && EVP_PKEY_eq(X509_get0_pubkey(*cert), *key) == 1 ? 0 : -EINVAL;
	}
	ERR_clear_error();
	sk_X509_pop_free(certs, X509_free);
	buf_wipe(&key_pem);
	buf_free(&cert_pem);
	free(key_path);
	free(cert_path);
	return r;
}

static int
make_transport(struct errand *e)
{
	EVP_PKEY *key = key_new_rsa(TRANSPORT_BITS);
	X509 *cert = key ? new_transport(key) : NULL;
	struct buf key_pem = BUF_INIT;
	struct site_file files[2];
	int r = EX_SOFTWARE;

	if (cert && key_to_pem(key, &key_pem) == 0 && cert_to_pem(cert, &e->transport) == 0) {
		files[0] = (struct site_file){ TRANSPORT_KEY, buf_bytes(&key_pem), SITE_ROOT_KEY,
			true };
		files[1] = (struct site_file){ TRANSPORT_CERT, buf_bytes(&e->transport),
			SITE_CERTIFICATE, true };
		r = site_write(e->site, files, 2);
		e->new_transport = r == EX_OK;
	} else {
		tool_fail(r, "the transport key could not be made");
	}
	buf_wipe(&key_pem);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

/* The same one for every attempt, so that a mail which comes late can still be read. */
static int
prepare_transport(struct errand *e)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int r = EX_OK;

	if (load_transport(e->site, &key, &cert) < 0 || cert_validity(cert, clock_wall()) != 0)
		r = make_transport(e);
	else if (cert_to_pem(cert, &e->transport) < 0)
		r = tool_fail(EX_SOFTWARE, "%s/" TRANSPORT_CERT ": could not be written out",
			e->site->certs);
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

static int
read_waiting(struct errand *e, const struct csr_situation *c)
{
	X509_REQ *csr = NULL;
	const char *fault;
	char *path;
	int r;

	if (!c->dir->has_csr)
		return tool_fail(EX_NOINPUT,
			"%s: no CSR is waiting to be signed: make one with cordon-csr %s",
			e->site->certs, c->state == CSR_NONE ? "new" : "renew");
	path = site_path(e->site, c->dir->csr_file);
	r = site_read(path, CSR_FILE_MAX, &e->csr, NULL);
	if (r == EX_OK)
		csr = csr_parse(buf_bytes(&e->csr));
	fault = !csr ? "is no CSR" : csr_request_fault(csr);
	if (r == EX_OK && fault)
		r = tool_fail(EX_DATAERR, "%s: %s", path, fault);
	buf_reset(&e->csr);
	if (r == EX_OK && csr_to_pem(csr, &e->csr) < 0)
		r = tool_fail(EX_SOFTWARE, "%s: could not be written out", path);
	X509_REQ_free(csr);
	free(path);
	return r;
}

static char *
request_body(struct errand *e)
{
	struct buf csr64 = BUF_INIT, cert64 = BUF_INIT;
	json_t *j = json_object();
	char *text;

	encode_base64(&csr64, buf_bytes(&e->csr), 0);
	encode_base64(&cert64, buf_bytes(&e->transport), 0);
	json_object_set_new(j, "csr", json_string(buf_str(&csr64)));
	json_object_set_new(j, "email", json_string(e->email));
	json_object_set_new(j, "key", json_string(buf_str(&e->api_key)));
	json_object_set_new(j, "encrypt", json_string(buf_str(&cert64)));
	text = json_object_size(j) == 4 ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	buf_free(&csr64);
	buf_free(&cert64);
	return text;
}

static size_t
take(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;

	if (answer->len + size * count > ANSWER_MAX)
		return 0;
	buf_add(answer, data, size * count);
	return size * count;
}

static CURLcode
post(struct errand *e, const char *body, struct buf *answer, long *status)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;

	headers = curl_slist_append(headers, "Expect:");
	if (curl && headers) {
		curl_easy_setopt(curl, CURLOPT_URL, e->url);
#if LIBCURL_VERSION_NUM >= 0x075500
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
#else
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_S);
		curl_easy_setopt(curl, CURLOPT_USERAGENT, "cordon/" PACKAGE_VERSION);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
		if (e->options->trust)
			curl_easy_setopt(curl, CURLOPT_CAINFO, e->options->trust);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return code;
}

/* Clients of the service have seen its keys in either case. */
static const char *
member(json_t *j, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(j, key, value)
	{
		if (strcasecmp(key, name) == 0)
			return json_string_value(value);
	}
	return NULL;
}

static int
judge_answer(const struct errand *e, long status, const struct buf *answer)
{
	json_t *j = json_loadb((const char *)answer->data, answer->len, 0, NULL);
	const char *result = member(j, "result"), *reason = member(j, "reason");
	struct buf clean = BUF_INIT;
	int r = EX_OK;

	if (status != 200 || !result || strcasecmp(result, "success") != 0) {
		if (reason)
			encode_visible(&clean, bytes_str(reason));
		else
			buf_printf(&clean, "HTTP status %ld, without a reason that can be read",
				status);
		r = tool_fail(EX_UNAVAILABLE,
			"%s refused the request: %s. Is %s registered at "
			"https://mdmcert.download, and does the API key belong to this project?",
			e->url, buf_str(&clean), e->email);
	}
	buf_free(&clean);
	json_decref(j);
	return r;
}

/* It may have arrived, though no answer came: then a mail is on its way. */
static bool
may_have_arrived(CURLcode code)
{
	return code == CURLE_OPERATION_TIMEDOUT || code == CURLE_RECV_ERROR ||
	       code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE || code == CURLE_WRITE_ERROR;
}

/* A transport key that nobody knows of is not left behind. */
static void
drop_transport(const struct errand *e)
{
	if (!e->new_transport)
		return;
	site_remove(e->site, TRANSPORT_CERT);
	site_remove(e->site, TRANSPORT_KEY);
}

static int
send_errand(struct errand *e)
{
	char *body = request_body(e);
	struct buf answer = BUF_INIT;
	CURLcode code = CURLE_OK;
	long status = 0;
	int r;

	if (!body) {
		drop_transport(e);
		return tool_fail(EX_DATAERR, "the mail address is not UTF-8");
	}
	code = post(e, body, &answer, &status);
	if (code != CURLE_OK)
		r = tool_fail(EX_UNAVAILABLE, "%s: %s%s", e->url, curl_easy_strerror(code),
			may_have_arrived(code)
				? ". It may have arrived all the same: look for a mail before you "
				  "try again"
				: "");
	else
		r = judge_answer(e, status, &answer);
	if (r != EX_OK && !may_have_arrived(code))
		drop_transport(e);
	mem_wipe_str(body);
	buf_free(&answer);
	return r;
}

/* The certificate's time is that of the last request: the overview goes by it. */
static void
note_sent(const struct errand *e)
{
	char *path = site_path(e->site, TRANSPORT_CERT);

	if (utimensat(AT_FDCWD, path, NULL, 0) < 0)
		tool_warn("%s: its time cannot be set: %s", path, strerror(errno));
	free(path);
}

static void
say_sent(const struct errand *e)
{
	printf("sent to %s for %s\n\n"
	       "%sNext: wait for the mail%s. Save its attachment mdm_signed_request.*.p7, then\n"
	       "  cordon-csr decrypt FILE\n"
	       "which makes %s/" CSR_SIGNED " from it, for " CSR_PORTAL ".\n",
		e->url, e->email, terminal_bold(), terminal_plain(), e->site->certs);
	csr_print_legal();
}

static int
request(struct errand *e, const struct csr_situation *c)
{
	int r = read_email(e);

	e->url = e->options->url ? e->options->url : SERVICE;
	if (r == EX_OK)
		r = read_api_key(e);
	if (r == EX_OK)
		r = read_waiting(e, c);
	if (r == EX_OK)
		r = prepare_transport(e);
	if (r == EX_OK)
		r = send_errand(e);
	if (r == EX_OK) {
		note_sent(e);
		say_sent(e);
	}
	return r;
}

int
csr_verb_request(const struct tool_options *o)
{
	struct errand e = { .options = o };
	struct csr_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	e.site = &site;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	csr_situation_read(&c, &site);
	r = request(&e, &c);
	csr_situation_fini(&c);
	buf_wipe(&e.api_key);
	buf_free(&e.csr);
	buf_free(&e.transport);
	curl_global_cleanup();
	site_close(&site);
	return r;
}
