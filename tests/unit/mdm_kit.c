/* mdm_kit.c - a server without sockets for the tests of daemon/mdm */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mdm_kit.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/crl.h"
#include "mdm/device.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#include <ftw.h>
#include <openssl/cms.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define YEAR (365 * INT64_C(86400))

static int64_t kit_offset;

int64_t
kit_now(void)
{
	return clock_wall() + kit_offset;
}

void
kit_forward(int64_t seconds)
{
	kit_offset += seconds;
}

static void
follow(void *arg, struct bytes key, struct bytes value)
{
	roster_follow(((struct kit *)arg)->m.roster, key, value);
	crl_follow(&((struct kit *)arg)->m, key, value);
}

static void
fill_conf(struct conf *c)
{
	c->organization = xstrdup("Example & Söhne");
	c->server_name = xstrdup("mdm.example.org:8443");
	c->device_authentication = AUTH_SIGNATURE;
	c->identity_grace = YEAR;
	c->refresh.device_information = 86400;
	c->refresh.security_info = DURATION_NEVER;
	c->refresh.profile_list = DURATION_NEVER;
	c->refresh.certificate_list = DURATION_NEVER;
	c->refresh.installed_applications = DURATION_NEVER;
	c->enrollment.link_lifetime = 7 * 86400;
	c->enrollment.access_rights = 8191;
	c->identity.lifetime = YEAR;
	c->queue.limit = 5;
	c->queue.keep_results = 20;
	c->queue.lifetime = 30 * 86400;
	c->push.rate = 200;
	c->push.expiration = 7 * 86400;
	c->push.host = xstrdup("127.0.0.1");
	c->push.trust = xstrdup("system");
	c->push.port = 1;
}

static void
pair_fill(struct certpair *p, X509 *cert, EVP_PKEY *key, const char *name)
{
	p->chain = sk_X509_new_null();
	sk_X509_push(p->chain, cert);
	p->key = key;
	p->name = xstrdup(name);
	p->cert_file = xasprintf("%s.crt", name);
	p->not_before = cert_not_before(cert);
	p->not_after = cert_not_after(cert);
	assert_int_equal(cert_sha256(cert, p->sha256), 0);
}

static void
fill_certs(struct kit *k)
{
	struct subject ssc = { .common_name = (char *)(uintptr_t) "Müller & <Co>" };
	struct subject push = { .common_name = (char *)(uintptr_t) "APSP:1111" };
	EVP_PKEY *key = key_new_rsa(2048);

	k->certs.refs = 1;
	k->certs.directory = xstrdup("/etc/cordon/certs");
	pair_fill(&k->certs.ssc, ca_new_ssc(key, &ssc, clock_wall(), 10 * YEAR), key,
		ssc.common_name);
	key = key_new_p256();
	pair_fill(&k->push, ca_new_ssc(key, &push, clock_wall(), YEAR), key, "push");
	k->push.topic = xstrdup(KIT_TOPIC);
	k->certs.push = &k->push;
	k->certs.push_count = 1;
}

/* Tests must not hang on how the machine that runs them keeps its time. */
static bool unsynchronised;

void
kit_unsynchronise(bool yes)
{
	unsynchronised = yes;
}

static bool
kit_synchronised(void)
{
	return !unsynchronised;
}

void
kit_open(struct kit *k)
{
	struct store_options o = { .directory = k->directory,
		.seal = k->seal,
		.segment_size = k->segment_size,
		.on_change = follow,
		.arg = k };

	k->m.roster = roster_new();
	assert_int_equal(store_open(&o, &k->m.store, NULL), 0);
	assert_int_equal(roster_load(k->m.roster, k->m.store), 0);
}

void
kit_close(struct kit *k)
{
	mdm_fini(&k->m);
	store_close(k->m.store);
	roster_free(k->m.roster);
	k->m.store = NULL;
	k->m.roster = NULL;
}

struct kit *
kit_new(void)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	unsigned char key[SEAL_KEY_LEN];

	kit_offset = 0;
	unsynchronised = false;
	snprintf(k->directory, sizeof(k->directory), "mdm-kit-XXXXXX");
	assert_non_null(mkdtemp(k->directory));
	random_bytes(key, sizeof(key));
	k->seal = seal_new(key);
	fill_conf(&k->conf);
	fill_certs(k);
	kit_open(k);
	k->m.conf = &k->conf;
	k->m.certs = &k->certs;
	k->m.wall = kit_now;
	k->m.synchronised = kit_synchronised;
	return k;
}

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

void
kit_empty(struct kit *k)
{
	assert_int_equal(nftw(k->directory, unlink_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
pair_free(struct certpair *p)
{
	sk_X509_pop_free(p->chain, X509_free);
	EVP_PKEY_free(p->key);
	free(p->name);
	free(p->cert_file);
	free(p->topic);
}

void
kit_free(struct kit *k)
{
	if (k->m.store)
		kit_close(k);
	kit_drop_tls(k);
	seal_free(k->seal);
	pair_free(&k->certs.ssc);
	pair_free(&k->push);
	free(k->certs.directory);
	free(k->conf.organization);
	free(k->conf.server_name);
	free(k->conf.push.host);
	free(k->conf.push.trust);
	kit_empty(k);
	rmdir(k->directory);
	free(k);
}

void
kit_serve_tls(struct kit *k, const char *name, int64_t lifetime)
{
	struct certpair *p = &k->certs.tls;
	EVP_PKEY *root_key = key_new_p256(), *key = key_new_p256();
	X509 *root = ca_new_tls_root(root_key, name, kit_now(), 4 * YEAR), *leaf;

	kit_drop_tls(k);
	leaf = ca_issue_server(key, name, root, root_key, kit_now(), lifetime);
	assert_non_null(leaf);
	pair_fill(p, leaf, key, "server");
	p->not_before = kit_now() - 3600;
	p->not_after = kit_now() + lifetime;
	k->listen = (struct conf_listen){ .tls = true };
	k->conf.listen = &k->listen;
	k->conf.listen_count = 1;
	X509_free(root);
	EVP_PKEY_free(root_key);
}

void
kit_drop_tls(struct kit *k)
{
	pair_free(&k->certs.tls);
	memset(&k->certs.tls, 0, sizeof(k->certs.tls));
	k->conf.listen_count = 0;
}

static void
record_identity(struct kit_device *d, const struct kit_issue *issue)
{
	struct identity *i = identity_new();
	const ASN1_INTEGER *serial = X509_get0_serialNumber(d->cert);

	memcpy(i->cert, d->sha256, SHA256_LEN);
	memcpy(i->number, d->number, sizeof(i->number));
	memcpy(i->ca, d->kit->certs.ssc.sha256, SHA256_LEN);
	cert_to_der(d->cert, &i->der);
	buf_add(&i->serial, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	if (issue->link)
		snprintf(i->link, sizeof(i->link), "%s", issue->link);
	i->renewal_of = issue->renewal_of ? xstrdup(issue->renewal_of) : NULL;
	i->issued_at = kit_now();
	i->not_after = cert_not_after(d->cert);
	assert_int_equal(identity_save(d->kit->m.store, i), 0);
	assert_int_equal(store_commit(d->kit->m.store), 0);
	identity_free(i);
}

void
kit_device_init(struct kit_device *d, struct kit *k, const char *id, const char *serial,
	const struct kit_issue *issue)
{
	struct ca_identity ci = { .common_name = "Cordon test",
		.now = kit_now(),
		.lifetime = issue->lifetime ? issue->lifetime : YEAR };

	memset(d, 0, sizeof(*d));
	d->kit = k;
	d->id = id;
	d->serial = serial;
	d->key = issue->rsa ? key_new_rsa(2048) : key_new_p256();
	uuid_new(d->number);
	if (issue->number)
		snprintf(d->number, sizeof(d->number), "%s", issue->number);
	ci.subject_key = d->key;
	ci.number = d->number;
	d->cert = ca_issue_identity(certpair_leaf(&k->certs.ssc), k->certs.ssc.key, &ci);
	assert_non_null(d->cert);
	assert_int_equal(cert_sha256(d->cert, d->sha256), 0);
	if (!issue->unrecorded)
		record_identity(d, issue);
}

void
kit_device_free(struct kit_device *d)
{
	EVP_PKEY_free(d->key);
	X509_free(d->cert);
	memset(d, 0, sizeof(*d));
}

char *
kit_sign(const struct kit_device *d, struct bytes body)
{
	BIO *in = BIO_new_mem_buf(body.data, (int)body.len);
	CMS_ContentInfo *cms =
		CMS_sign(d->cert, d->key, NULL, in, CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP);
	unsigned char *der = NULL;
	struct buf text = BUF_INIT;
	int len;

	assert_non_null(cms);
	len = i2d_CMS_ContentInfo(cms, &der);
	encode_base64(&text, bytes_of(der, (size_t)len), 0);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return buf_steal_str(&text);
}

int
kit_send(const struct kit_device *d, bool checkin, const char *xml, struct reply *out)
{
	struct reply own = REPLY_INIT;
	struct credentials c = { .signatures = 1, .body = bytes_str(xml) };
	char *signature = kit_sign(d, c.body);

	c.signature = signature;
	device_answer(&d->kit->m, checkin, &c, &own);
	free(signature);
	assert_int_not_equal(own.status, 401);
	if (store_commit(d->kit->m.store) < 0)
		own.status = 503;
	if (!out) {
		reply_free(&own);
		return own.status;
	}
	*out = own;
	return own.status;
}

/* "AA:user" is the user channel of AA. */
static void
add_ids(struct buf *xml, const char *id)
{
	const char *colon = strchr(id, ':');
	int device = colon ? (int)(colon - id) : (int)strlen(id);

	buf_printf(xml, "<key>UDID</key><string>%.*s</string>", device, id);
	if (colon)
		buf_printf(xml, "<key>UserID</key><string>%s</string>", colon + 1);
}

static int
send_dict(const struct kit_device *d, bool checkin, struct buf *inner, struct reply *out)
{
	char *xml = xasprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist "
			      "version=\"1.0\"><dict>%s</dict></plist>\n",
		buf_str(inner));
	int status = kit_send(d, checkin, xml, out);

	free(xml);
	buf_free(inner);
	return status;
}

int
kit_checkin(const struct kit_device *d, const char *type, const char *more, struct reply *out)
{
	struct buf inner = BUF_INIT;

	add_ids(&inner, d->id);
	buf_printf(&inner, "<key>MessageType</key><string>%s</string>%s", type, more ? more : "");
	if (!more || !strstr(more, "<key>Topic</key>"))
		buf_printf(&inner, "<key>Topic</key><string>%s</string>", KIT_TOPIC);
	return send_dict(d, true, &inner, out);
}

int
kit_authenticate(const struct kit_device *d)
{
	char *more = xasprintf("<key>SerialNumber</key><string>%s</string>"
			       "<key>OSVersion</key><string>18.1</string>",
		d->serial ? d->serial : "");
	int status = kit_checkin(d, "Authenticate", more, NULL);

	free(more);
	return status;
}

int
kit_token(const struct kit_device *d, const char *more)
{
	char *all = xasprintf("<key>PushMagic</key><string>magic</string>"
			      "<key>Token</key><data>AQIDBA==</data>%s",
		more ? more : "");
	int status = kit_checkin(d, "TokenUpdate", all, NULL);

	free(all);
	return status;
}

int
kit_report(const struct kit_device *d, const char *status, const char *uuid, const char *more,
	struct reply *out)
{
	struct buf inner = BUF_INIT;

	add_ids(&inner, d->id);
	buf_printf(&inner, "<key>Status</key><string>%s</string>%s", status, more ? more : "");
	if (uuid)
		buf_printf(&inner, "<key>CommandUUID</key><string>%s</string>", uuid);
	return send_dict(d, false, &inner, out);
}

void
kit_enroll(const struct kit_device *d)
{
	assert_int_equal(kit_authenticate(d), 200);
	assert_int_equal(kit_token(d, NULL), 200);
}

struct enrollment *
kit_load(struct kit *k, const char *id)
{
	struct enrollment *e = NULL;

	assert_int_equal(enrollment_load(k->m.store, id, &e), 0);
	return e;
}

enum state
kit_state(struct kit *k, const char *id)
{
	struct enrollment *e = NULL;
	enum state s = STATE_NONE;

	if (enrollment_load(k->m.store, id, &e) == 0)
		s = e->state;
	enrollment_free(e);
	return s;
}

size_t
kit_waiting(struct kit *k, const char *id)
{
	struct queue *q = NULL;
	size_t count;

	assert_int_equal(queue_load(k->m.store, id, &q), 0);
	count = q->count;
	queue_free(q);
	return count;
}

char *
kit_offered(const struct reply *r)
{
	plist_t root;
	char *uuid;

	if (r->body.len == 0)
		return NULL;
	assert_int_equal(proplist_parse(buf_bytes(&r->body), &root), 0);
	assert_non_null(proplist_dict(root, "Command"));
	uuid = xstrdup(proplist_str(root, "CommandUUID"));
	plist_free(root);
	return uuid;
}
