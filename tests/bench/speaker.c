/* speaker.c - devices of a fleet that bench-store made, and what they say */
#include "speaker.h"

#include <err.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define KEYS_MAX 64
#define THREADS_MAX 64
#define LINE_MAX_BYTES 16384

/* ---- reading ---- */

static size_t
read_keys(const char *path, EVP_PKEY *keys[KEYS_MAX])
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f == NULL)
		err(EX_NOINPUT, "%s", path);
	while (n < KEYS_MAX && (keys[n] = PEM_read_PrivateKey(f, NULL, NULL, NULL)) != NULL)
		n++;
	ERR_clear_error();
	fclose(f);
	if (n == 0)
		errx(EX_DATAERR, "%s: no private key", path);
	return n;
}

static X509 *
read_certificate(const char *base64)
{
	unsigned char der[LINE_MAX_BYTES];
	const unsigned char *p = der;
	int len = (int)strlen(base64);

	if ((size_t)len > sizeof(der) ||
		EVP_DecodeBlock(der, (const unsigned char *)base64, len) < 0)
		return NULL;
	return d2i_X509(NULL, &p, len / 4 * 3);
}

static void
add_speaker(struct speakers *s, char *line, EVP_PKEY **keys, size_t n_keys)
{
	struct speaker *sp;
	char *rest = NULL, *id = strtok_r(line, " \n", &rest), *key = strtok_r(NULL, " \n", &rest),
	     *der = strtok_r(NULL, " \n", &rest);

	if (der == NULL)
		errx(EX_DATAERR, "a line of speakers is damaged");
	s->all = util_grow(s->all, (s->count + 1) * sizeof(*s->all));
	sp = &s->all[s->count++];
	memset(sp, 0, sizeof(*sp));
	sp->id = util_dup(id);
	sp->number = strtol(strrchr(id, '-') + 1, NULL, 10);
	sp->cert = read_certificate(der);
	sp->key = keys[strtoul(key, NULL, 10) % n_keys];
	EVP_PKEY_up_ref(sp->key);
	if (sp->cert == NULL)
		errx(EX_DATAERR, "the certificate of %s is damaged", sp->id);
}

void
speakers_read(struct speakers *s, const char *file, const char *keys, size_t max)
{
	static char line[LINE_MAX_BYTES];
	EVP_PKEY *key[KEYS_MAX];
	size_t n_keys = read_keys(keys, key);
	FILE *f = fopen(file, "r");

	memset(s, 0, sizeof(*s));
	if (f == NULL)
		err(EX_NOINPUT, "%s", file);
	while ((max == 0 || s->count < max) && fgets(line, sizeof(line), f) != NULL)
		add_speaker(s, line, key, n_keys);
	fclose(f);
	for (size_t i = 0; i < n_keys; i++)
		EVP_PKEY_free(key[i]);
	if (s->count == 0)
		errx(EX_DATAERR, "%s: no devices", file);
}

void
speakers_free(struct speakers *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->all[i].id);
		blob_free(&s->all[i].idle);
		X509_free(s->all[i].cert);
		EVP_PKEY_free(s->all[i].key);
		SSL_SESSION_free(s->all[i].session);
	}
	free(s->all);
}

/* ---- what they say ---- */

static struct blob
sign(const struct speaker *s, const char *body, bool odd)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
	BIO *in = BIO_new_mem_buf(body, -1);
	struct blob out = { NULL, 0 };
	unsigned char *der = NULL;
	CMS_SignerInfo *si =
		cms ? CMS_add1_signer(cms, s->cert, s->key, EVP_sha256(), flags | CMS_NOSMIMECAP)
		    : NULL;
	int len = -1;

	if (si != NULL && in != NULL &&
		(!odd || CMS_signed_add1_attr_by_NID(si, NID_pkcs9_unstructuredName,
				 V_ASN1_PRINTABLESTRING, "bench", 5) == 1) &&
		CMS_final(cms, in, NULL, flags) == 1)
		len = i2d_CMS_ContentInfo(cms, &der);
	if (len < 0)
		errx(EX_SOFTWARE, "a message of %s cannot be signed", s->id);
	out.data = (uint8_t *)util_base64(der, (size_t)len);
	out.len = strlen((char *)out.data);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return out;
}

#define TYPE_COMMAND "application/x-apple-aspen-mdm; charset=UTF-8"
#define TYPE_CHECKIN "application/x-apple-aspen-mdm-checkin"

static struct blob
put(const struct speaker *s, const char *path, const char *type, const char *body,
	enum speaker_form form)
{
	struct blob signature = { NULL, 0 };
	char *text;

	if (form != SPEAKER_UNSIGNED)
		signature = sign(s, body, form == SPEAKER_ODD);
	text = util_printf("PUT %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: MDM/1.0\r\n"
			   "Content-Type: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
		path, type, signature.len ? "Mdm-Signature: " : "",
		signature.len ? (char *)signature.data : "", signature.len ? "\r\n" : "",
		strlen(body), body);
	blob_free(&signature);
	return (struct blob){ (uint8_t *)text, strlen(text) };
}

struct blob
speaker_request(const struct speaker *s, const char *body, enum speaker_form form)
{
	return put(s, "/mdm", TYPE_COMMAND, body, form);
}

#define HEAD                                                      \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"            \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" " \
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"   \
	"<plist version=\"1.0\">\n<dict>\n"
#define FOOT "</dict>\n</plist>\n"

struct signing {
	struct speakers *s;
	enum speaker_form form;
};

struct blob
speaker_idle(const struct speaker *s, enum speaker_form form)
{
	char *body = util_printf(HEAD "\t<key>Status</key>\n\t<string>Idle</string>\n"
				      "\t<key>UDID</key>\n\t<string>%s</string>\n" FOOT,
		s->id);
	struct blob request = speaker_request(s, body, form);

	free(body);
	return request;
}

static void
sign_idle(void *arg, size_t i)
{
	struct signing *w = arg;
	struct speaker *s = &w->s->all[i];

	blob_free(&s->idle);
	s->idle = speaker_idle(s, w->form);
}

void
speakers_sign_idle(struct speakers *s, enum speaker_form form)
{
	struct signing w = { s, form };

	speakers_parallel(s->count, sign_idle, &w);
}

struct blob
speaker_report(const struct speaker *s, const char *uuid, size_t room, enum speaker_form form)
{
	char *filler = util_alloc(room + 1), *body;
	struct blob request;

	for (size_t i = 0; i < room; i++)
		filler[i] = (char)('A' + (i * 7 + i / 61) % 26);
	body = util_printf(HEAD "\t<key>CommandUUID</key>\n\t<string>%s</string>\n"
				"\t<key>QueryResponses</key>\n\t<dict>\n"
				"\t\t<key>BuildVersion</key>\n\t\t<string>22C152</string>\n"
				"\t\t<key>DeviceName</key>\n\t\t<string>iPhone</string>\n"
				"\t\t<key>Filler</key>\n\t\t<string>%s</string>\n\t</dict>\n"
				"\t<key>Status</key>\n\t<string>Acknowledged</string>\n"
				"\t<key>UDID</key>\n\t<string>%s</string>\n" FOOT,
		uuid, filler, s->id);
	request = speaker_request(s, body, form);
	free(filler);
	free(body);
	return request;
}

struct blob
speaker_authenticate(const struct speaker *s, const char *topic)
{
	char *body =
		util_printf(HEAD "\t<key>BuildVersion</key>\n\t<string>22C152</string>\n"
				 "\t<key>DeviceName</key>\n\t<string>iPhone</string>\n"
				 "\t<key>MessageType</key>\n\t<string>Authenticate</string>\n"
				 "\t<key>Model</key>\n\t<string>MQ0G3ZD/A</string>\n"
				 "\t<key>ModelName</key>\n\t<string>iPhone</string>\n"
				 "\t<key>OSVersion</key>\n\t<string>18.2</string>\n"
				 "\t<key>ProductName</key>\n\t<string>iPhone15,2</string>\n"
				 "\t<key>SerialNumber</key>\n\t<string>C39BENCH%07ld</string>\n"
				 "\t<key>Topic</key>\n\t<string>%s</string>\n"
				 "\t<key>UDID</key>\n\t<string>%s</string>\n" FOOT,
			s->number, topic, s->id);
	struct blob request = put(s, "/checkin", TYPE_CHECKIN, body, SPEAKER_SIGNED);

	free(body);
	return request;
}

struct blob
speaker_token_update(const struct speaker *s, const char *topic)
{
	uint8_t token[32] = { 0xbe, 0x9c }, unlock[1536] = { 0 };
	char *token_text, *unlock_text, *body;
	struct blob request;

	for (size_t k = 0; k < 8; k++)
		token[sizeof(token) - 1 - k] = (uint8_t)((uint64_t)s->number >> (8 * k));
	token_text = util_base64(token, sizeof(token));
	unlock_text = util_base64(unlock, sizeof(unlock));
	body = util_printf(HEAD "\t<key>AwaitingConfiguration</key>\n\t<false/>\n"
				"\t<key>MessageType</key>\n\t<string>TokenUpdate</string>\n"
				"\t<key>PushMagic</key>\n"
				"\t<string>BEACBE9C-0000-4000-8000-%012ld</string>\n"
				"\t<key>Token</key>\n\t<data>%s</data>\n"
				"\t<key>Topic</key>\n\t<string>%s</string>\n"
				"\t<key>UDID</key>\n\t<string>%s</string>\n"
				"\t<key>UnlockToken</key>\n\t<data>%s</data>\n" FOOT,
		s->number, token_text, topic, s->id, unlock_text);
	request = put(s, "/checkin", TYPE_CHECKIN, body, SPEAKER_SIGNED);
	free(token_text);
	free(unlock_text);
	free(body);
	return request;
}

/* ---- threads ---- */

struct share {
	void (*work)(void *arg, size_t i);
	void *arg;
	size_t n;
	atomic_size_t next;
};

static void *
run_share(void *arg)
{
	struct share *s = arg;
	size_t i;

	while ((i = atomic_fetch_add(&s->next, 1)) < s->n)
		s->work(s->arg, i);
	return NULL;
}

void
speakers_parallel(size_t n, void (*work)(void *arg, size_t i), void *arg)
{
	struct share s = { .work = work, .arg = arg, .n = n };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[THREADS_MAX];
	int started = 0;

	while (started < processors - 1 && started < THREADS_MAX &&
		pthread_create(&threads[started], NULL, run_share, &s) == 0)
		started++;
	run_share(&s);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}
