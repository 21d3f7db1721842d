/* device.c - one device: who it is, what is installed on it, and its place on disk */
#include "device.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust.h"

#define STATE_MAX (16u * 1024 * 1024)

static const char *const state_words[] = { "new", "enrolled", "unenrolled" };

enum outcome
device_fault(struct device *d, enum outcome o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
	return o;
}

static char *
in_dir(const char *dir, const char *name)
{
	return util_printf("%s/%s", dir, name);
}

static char *
take_text(const json_t *o, const char *key)
{
	return util_dup(json_string_value(json_object_get(o, key)));
}

static struct blob
take_hex(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	struct blob b = { NULL, 0 };
	unsigned char *bytes;
	long len;

	if (s == NULL || *s == '\0')
		return b;
	bytes = OPENSSL_hexstr2buf(s, &len);
	if (bytes != NULL)
		b = blob_copy(bytes, (size_t)len);
	OPENSSL_free(bytes);
	return b;
}

static void
set_hex(json_t *o, const char *key, const struct blob *b)
{
	char *hex = util_hex(b->data, b->len);

	json_object_set_new(o, key, json_string(hex));
	free(hex);
}

/* A made-up serial number in Apple's twelve characters, stable for a number. */
static char *
make_serial(unsigned number)
{
	uint8_t r[4];
	char *hex, *s;

	if (number > 0)
		return util_printf("F2LX%08u", number);
	util_random(r, sizeof(r));
	hex = util_hex(r, sizeof(r));
	s = util_printf("F2LX%s", hex);
	for (char *p = s; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	free(hex);
	return s;
}

static char *
make_udid(const struct device *d)
{
	char uuid[UTIL_UUID_SIZE];
	uint8_t r[8];
	char *hex, *udid;

	util_uuid(uuid);
	if (d->mac)
		return util_dup(uuid);
	util_random(r, sizeof(r));
	hex = util_hex(r, sizeof(r));
	for (char *p = hex; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	udid = util_printf("00008120-%s", hex);
	free(hex);
	return udid;
}

static void
make_hardware(struct device *d, unsigned number)
{
	const struct options *o = d->o;
	uint32_t r;

	util_random(&r, sizeof(r));
	d->product = util_dup(o->product != NULL ? o->product : "iPhone15,2");
	d->mac = strstr(d->product, "Mac") != NULL;
	d->serial = o->serial != NULL ? util_dup(o->serial) : make_serial(number);
	d->udid = o->udid != NULL ? util_dup(o->udid) : make_udid(d);
	d->os = util_dup(o->os != NULL ? o->os : d->mac ? "15.1" : "18.1");
	d->build = util_dup(o->build != NULL ? o->build : d->mac ? "24B83" : "22B83");
	d->name = o->name != NULL ? util_dup(o->name)
				  : util_printf("%s %s", d->mac ? "Mac" : "iPhone", d->serial);
	d->imei = d->mac ? NULL : util_printf("35 %06u %06u 3", r % 1000000, r / 1000000 % 1000000);
	d->awaiting = o->awaiting;
	d->installed = json_array();
	d->declarations = json_object();
}

static void
load_facts(struct device *d, const json_t *j)
{
	const char *state = json_string_value(json_object_get(j, "state"));

	d->udid = take_text(j, "udid");
	d->serial = take_text(j, "serial");
	d->product = take_text(j, "product");
	d->os = take_text(j, "os");
	d->build = take_text(j, "build");
	d->name = take_text(j, "name");
	d->imei = take_text(j, "imei");
	d->mac = json_is_true(json_object_get(j, "mac"));
	d->awaiting = json_is_true(json_object_get(j, "awaiting"));
	d->then = (enum device_then)json_integer_value(json_object_get(j, "then"));
	d->cause = take_text(j, "cause");
	d->magic = take_text(j, "magic");
	d->token = take_hex(j, "token");
	d->unlock = take_hex(j, "unlock");
	d->bootstrap = take_hex(j, "bootstrap");
	d->declarations_token = take_text(j, "declarations-token");
	d->installed = json_deep_copy(json_object_get(j, "installed"));
	d->declarations = json_deep_copy(json_object_get(j, "declarations"));
	if (d->installed == NULL)
		d->installed = json_array();
	if (d->declarations == NULL)
		d->declarations = json_object();
	for (size_t i = 0; state != NULL && i < 3; i++)
		if (strcmp(state, state_words[i]) == 0)
			d->state = (enum device_state)i;
}

int
device_read_identity(const char *dir, struct identity *ret)
{
	char *path = in_dir(dir, "identity.pem");
	struct identity id = { NULL, NULL };
	struct blob pem;
	int rc = util_read(path, STATE_MAX, &pem);
	BIO *in;

	free(path);
	if (rc < 0)
		return rc;
	ERR_clear_error();
	in = BIO_new_mem_buf(pem.data, (int)pem.len);
	id.cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	id.key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	blob_free(&pem);
	ERR_clear_error();
	if (id.cert == NULL || id.key == NULL) {
		device_free_identity(&id);
		return -EINVAL;
	}
	*ret = id;
	return 0;
}

void
device_free_identity(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	id->cert = NULL;
	id->key = NULL;
}

static int
load_profile(struct device *d)
{
	char *path = in_dir(d->dir, "profile"), why[256];
	struct blob raw;
	int rc = util_read(path, STATE_MAX, &raw);

	free(path);
	if (rc == -ENOENT)
		return d->state == DEVICE_ENROLLED ? rc : 0;
	if (rc < 0)
		return rc;
	d->profile = profile_parse(raw.data, raw.len, why, sizeof(why));
	blob_free(&raw);
	return d->profile != NULL ? 0 : -EINVAL;
}

static void
load_ca(struct device *d)
{
	char *path = in_dir(d->dir, "ca.der");
	const unsigned char *at;
	struct blob der;

	if (util_read(path, STATE_MAX, &der) == 0) {
		at = der.data;
		d->ca = d2i_X509(NULL, &at, (long)der.len);
		blob_free(&der);
	}
	free(path);
}

/* 1: a state was there, 0: none yet, -errno. */
static int
load(struct device *d)
{
	char *path = in_dir(d->dir, "device.json");
	json_t *j = NULL;
	struct blob text;
	int rc = util_read(path, STATE_MAX, &text);

	free(path);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0) {
		j = json_loadb((const char *)text.data, text.len, 0, NULL);
		blob_free(&text);
		rc = j != NULL ? 0 : -EINVAL;
	}
	if (rc == 0)
		load_facts(d, j);
	json_decref(j);
	if (rc == 0 && (d->udid == NULL || d->serial == NULL || d->product == NULL))
		rc = -EINVAL;
	if (rc == 0)
		rc = load_profile(d);
	if (rc == 0 && d->profile != NULL)
		rc = device_read_identity(d->dir, &d->id);
	if (rc < 0)
		return rc;
	load_ca(d);
	path = in_dir(d->dir, "pending.plist");
	util_read(path, STATE_MAX, &d->pending);
	free(path);
	return 1;
}

struct device *
device_open(const struct options *o, const char *dir, unsigned number)
{
	struct device *d = util_alloc(sizeof(*d));
	int rc = 0;

	d->o = o;
	d->dir = util_dup(dir);
	memcpy(d->not_now, o->not_now, sizeof(d->not_now));
	memcpy(d->error, o->error, sizeof(d->error));
	if (dir != NULL && (rc = util_mkdirs(dir)) == 0)
		rc = load(d);
	if (rc < 0) {
		fprintf(stderr, "fake-device: %s: the state cannot be read: %s\n", dir,
			strerror(-rc));
		device_close(d);
		return NULL;
	}
	if (rc == 0)
		make_hardware(d, number);
	if (rc == 1 && o->os != NULL) {
		free(d->os);
		d->os = util_dup(o->os); /* an update of the system */
	}
	return d;
}

static void
set_text(json_t *j, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(j, key, json_string(value));
}

static int
save_facts(const struct device *d)
{
	json_t *j = json_pack("{s:s, s:i, s:b, s:b, s:O, s:O}", "state", state_words[d->state],
		"then", (int)d->then, "mac", d->mac, "awaiting", d->awaiting, "installed",
		d->installed, "declarations", d->declarations);
	char *path, *text;
	int rc;

	set_text(j, "udid", d->udid);
	set_text(j, "serial", d->serial);
	set_text(j, "product", d->product);
	set_text(j, "os", d->os);
	set_text(j, "build", d->build);
	set_text(j, "name", d->name);
	set_text(j, "imei", d->imei);
	set_text(j, "cause", d->cause);
	set_text(j, "magic", d->magic);
	set_text(j, "declarations-token", d->declarations_token);
	set_hex(j, "token", &d->token);
	set_hex(j, "unlock", &d->unlock);
	set_hex(j, "bootstrap", &d->bootstrap);
	text = json_dumps(j, JSON_INDENT(1));
	path = in_dir(d->dir, "device.json");
	rc = util_write(path, text, strlen(text), 0600);
	free(path);
	free(text);
	json_decref(j);
	return rc;
}

static int
save_identity(const struct device *d)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *path, *pem;
	long len;
	int rc;

	PEM_write_bio_X509(out, d->id.cert);
	PEM_write_bio_PrivateKey(out, d->id.key, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(out, &pem);
	path = in_dir(d->dir, "identity.pem");
	rc = util_write(path, pem, (size_t)len, 0600);
	free(path);
	OPENSSL_cleanse(pem, (size_t)len);
	BIO_free(out);
	return rc;
}

static int
save_ca(const struct device *d)
{
	unsigned char *der = NULL;
	int len = i2d_X509(d->ca, &der), rc;
	char *path = in_dir(d->dir, "ca.der");

	rc = len < 0 ? -EINVAL : util_write(path, der, (size_t)len, 0600);
	free(path);
	OPENSSL_free(der);
	return rc;
}

/* Keep `b` under a name, or see that there is no such file. */
static int
save_blob(const struct device *d, const char *name, const struct blob *b)
{
	char *path = in_dir(d->dir, name);
	int rc = 0;

	if (b != NULL && b->len > 0)
		rc = util_write(path, b->data, b->len, 0600);
	else if (unlink(path) < 0 && errno != ENOENT)
		rc = -errno;
	free(path);
	return rc;
}

int
device_save(struct device *d)
{
	int rc = 0;

	if (d->dir == NULL)
		return 0;
	if (d->id.cert != NULL)
		rc = save_identity(d);
	else
		rc = save_blob(d, "identity.pem", NULL);
	if (rc == 0 && d->ca != NULL)
		rc = save_ca(d);
	if (rc == 0)
		rc = save_blob(d, "profile", d->profile != NULL ? &d->profile->raw : NULL);
	if (rc == 0)
		rc = save_blob(d, "pending.plist", &d->pending);
	if (rc == 0)
		rc = save_facts(d);
	if (rc < 0)
		device_fault(d, OUTCOME_LOCAL, "%s: cannot be written: %s", d->dir, strerror(-rc));
	return rc;
}

void
device_forget(struct device *d, const char *cause)
{
	device_hang_up(d);
	profile_free(d->profile);
	d->profile = NULL;
	device_free_identity(&d->id);
	blob_free(&d->token);
	blob_free(&d->unlock);
	blob_free(&d->pending);
	blob_free(&d->idle_body);
	blob_free(&d->idle_signature);
	free(d->magic);
	d->magic = NULL;
	free(d->declarations_token);
	d->declarations_token = NULL;
	json_array_clear(d->installed);
	json_object_clear(d->declarations);
	free(d->cause);
	d->cause = util_dup(cause);
	d->state = DEVICE_UNENROLLED;
	d->then = DEVICE_GOES_ON;
}

void
device_new_token(struct device *d)
{
	char uuid[UTIL_UUID_SIZE];
	uint8_t token[32];

	util_random(token, sizeof(token));
	util_uuid(uuid);
	blob_free(&d->token);
	d->token = blob_copy(token, sizeof(token));
	free(d->magic);
	d->magic = util_dup(uuid);
}

void
device_set_identity(struct device *d, struct identity *id)
{
	device_free_identity(&d->id);
	d->id = *id;
	memset(id, 0, sizeof(*id));
	blob_free(&d->idle_signature);
	device_hang_up(d);
}

struct http *
device_http(struct device *d)
{
	const struct options *o = d->o;
	struct http_conf conf = { .connect = o->connect,
		.cert = d->id.cert,
		.key = d->id.key,
		.new_connections = o->new_connections,
		.no_resume = o->no_resume,
		.timeout = o->timeout };

	if (d->http != NULL)
		return d->http;
	conf.store = trust_store(o->public_roots, d->profile != NULL ? d->profile->roots : NULL,
		d->profile != NULL ? d->profile->n_roots : 0);
	if (conf.store == NULL)
		device_fault(d, OUTCOME_LOCAL, "the public roots cannot be read");
	else
		d->http = http_new(&conf);
	return d->http;
}

void
device_hang_up(struct device *d)
{
	http_free(d->http);
	d->http = NULL;
}

void
device_close(struct device *d)
{
	if (d == NULL)
		return;
	device_hang_up(d);
	profile_free(d->profile);
	device_free_identity(&d->id);
	X509_free(d->ca);
	json_decref(d->installed);
	json_decref(d->declarations);
	blob_free(&d->token);
	blob_free(&d->unlock);
	blob_free(&d->bootstrap);
	blob_free(&d->pending);
	blob_free(&d->idle_body);
	blob_free(&d->idle_signature);
	char *const texts[] = { d->dir, d->udid, d->serial, d->product, d->os, d->build, d->name,
		d->imei, d->cause, d->magic, d->declarations_token };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	free(d);
}
