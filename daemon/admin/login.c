/* login.c - who calls the control API over TCP: HTTP Basic with keys from files */
#include "admin/login.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/role.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define KEY_FILE_MAX 4096
#define COMPATIBLE_USER "nanomdm"
#define REALM "Basic realm=\"nanomdm\""
#define STRANGER "?" /* all users that no key is named after are one subject */

/* A key's file as it was read last. */
struct key {
	char *file;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
	bool good;
	char *said; /* what the journal has of its fault */
	unsigned char hash[SHA256_LEN];
};

struct subject {
	uint64_t who;
	unsigned failures; /* in a row */
	int64_t last_ms;
};

struct login {
	struct key *keys; /* in the order of conf's, by file */
	size_t count;
	struct subject subjects[LOGIN_SUBJECTS];
	struct log_budget chatter;
};

struct login *
login_new(void)
{
	struct login *l = xcalloc(1, sizeof(*l));

	l->chatter = (struct log_budget){ .burst = 50, .every_s = 2 };
	return l;
}

static void
keys_free(struct login *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->keys[i].file);
		free(l->keys[i].said);
	}
	free(l->keys);
	l->keys = NULL;
	l->count = 0;
}

void
login_free(struct login *l)
{
	if (!l)
		return;
	keys_free(l);
	free(l);
}

/* ---- the keys ---- */

/* Each fault is said once, until it is another. */
static void
key_fault(struct key *k, const char *text)
{
	k->good = false;
	if (k->said && strcmp(k->said, text) == 0)
		return;
	log_error("%s: this API key cannot be used: %s", k->file, text);
	free(k->said);
	k->said = xstrdup(text);
}

static struct bytes
without_end(struct bytes text)
{
	while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	return text;
}

static void
read_key(struct key *k)
{
	struct buf content = BUF_INIT;
	struct bytes key;
	struct stat st;
	char why[256];
	int err = file_read(k->file, KEY_FILE_MAX, &content, &st);

	key = without_end(buf_bytes(&content));
	if (err < 0) {
		snprintf(why, sizeof(why), "%s", strerror(-err));
		key_fault(k, why);
	} else if (file_key_check(&st, why, sizeof(why)) != 0) {
		key_fault(k, why);
	} else if (key.len < LOGIN_KEY_MIN || memchr(key.data, '\n', key.len)) {
		snprintf(why, sizeof(why), "it must be one line of %u characters or more",
			LOGIN_KEY_MIN);
		key_fault(k, why);
	} else {
		digest_sha256(key, k->hash);
		k->good = true;
		k->dev = st.st_dev;
		k->ino = st.st_ino;
		k->size = st.st_size;
		k->changed = st.st_ctim;
		free(k->said);
		k->said = NULL;
	}
	buf_wipe(&content);
}

static bool
is_current(const struct key *k, const struct stat *st)
{
	return k->good && k->dev == st->st_dev && k->ino == st->st_ino && k->size == st->st_size &&
	       k->changed.tv_sec == st->st_ctim.tv_sec && k->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static void
refresh(struct key *k)
{
	struct stat st;

	if (stat(k->file, &st) != 0 || !is_current(k, &st))
		read_key(k);
}

static void
follow_conf(struct login *l, const struct conf *c)
{
	bool same = l->count == c->api_key_count;

	for (size_t i = 0; same && i < l->count; i++)
		same = strcmp(l->keys[i].file, c->api_keys[i].file) == 0;
	if (!same) {
		keys_free(l);
		l->keys = xcalloc(c->api_key_count ? c->api_key_count : 1, sizeof(*l->keys));
		l->count = c->api_key_count;
		for (size_t i = 0; i < l->count; i++)
			l->keys[i].file = xstrdup(c->api_keys[i].file);
	}
	for (size_t i = 0; i < l->count; i++)
		refresh(&l->keys[i]);
}

/* All keys are compared, and each in constant time.  NULL: none fits. */
static const struct conf_api_key *
key_of(const struct login *l, const struct conf *c, const char *user, struct bytes password)
{
	unsigned char hash[SHA256_LEN];
	const struct conf_api_key *found = NULL;

	digest_sha256(password, hash);
	for (size_t i = 0; i < l->count; i++) {
		bool equal = CRYPTO_memcmp(hash, l->keys[i].hash, sizeof(hash)) == 0;
		bool meant = strcmp(user, COMPATIBLE_USER) == 0 ||
			     strcmp(user, c->api_keys[i].name) == 0;

		if (equal && meant && l->keys[i].good && !found)
			found = &c->api_keys[i];
	}
	OPENSSL_cleanse(hash, sizeof(hash));
	return found;
}

/* ---- failures ---- */

static const char *
known_user(const struct conf *c, const char *user)
{
	if (strcmp(user, COMPATIBLE_USER) == 0)
		return user;
	for (size_t i = 0; i < c->api_key_count; i++)
		if (strcmp(user, c->api_keys[i].name) == 0)
			return user;
	return STRANGER;
}

/* The subject's line; the one that has been quiet longest gives way to a new one. */
static struct subject *
subject_of(struct login *l, const char *peer, const char *user, int64_t now)
{
	struct buf name = BUF_INIT;
	struct subject *s = &l->subjects[0];
	uint64_t who;

	buf_printf(&name, "%s\n%s", peer, user);
	who = digest_spread(buf_bytes(&name));
	buf_free(&name);
	for (size_t i = 0; i < LOGIN_SUBJECTS; i++) {
		if (l->subjects[i].who == who) {
			s = &l->subjects[i];
			if (now - s->last_ms > LOGIN_REST_S * 1000)
				s->failures = 0;
			return s;
		}
		if (l->subjects[i].last_ms < s->last_ms)
			s = &l->subjects[i];
	}
	*s = (struct subject){ .who = who, .last_ms = now };
	return s;
}

static void
say_refused(struct login *l, struct http_request *r, const char *user, const char *why)
{
	unsigned swallowed = 0;

	if (!log_allowed(&l->chatter, clock_mono_ms(), &swallowed))
		return;
	if (swallowed)
		log_warn("API: %u refusals were not logged: there were too many", swallowed);
	log_event(EV_API_REFUSED, FIELDS(F_ACTOR(user), F_REASON(why)),
		"API: refused %s from %s: %s", user, http_peer(r), why);
}

static bool
answer_unknown(struct http_request *r)
{
	http_reply_header(r, "WWW-Authenticate", REALM);
	answer_error(
		r, 401, "a key is needed: HTTP Basic, user " COMPATIBLE_USER " or the key's name");
	return false;
}

static bool
answer_resting(struct http_request *r)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", LOGIN_REST_S);
	http_reply_header(r, "Retry-After", seconds);
	answer_error(r, 429, "too many wrong keys: this user is closed for %d s", LOGIN_REST_S);
	return false;
}

/* ---- one request ---- */

struct credentials_given {
	struct buf text; /* user:password */
	const char *user;
	struct bytes password;
};

static bool
parse_basic(const struct http_request *r, struct credentials_given *g)
{
	const char *header = http_header(r, "Authorization");
	unsigned char *colon;

	if (!header || http_header_count(r, "Authorization") != 1 ||
		strncasecmp(header, "Basic ", 6) != 0)
		return false;
	header += 6 + strspn(header + 6, " ");
	if (decode_base64(&g->text, bytes_str(header)) < 0 || g->text.len == 0)
		return false;
	colon = memchr(g->text.data, ':', g->text.len);
	if (!colon || memchr(g->text.data, 0, g->text.len))
		return false;
	*colon = 0;
	g->user = (const char *)g->text.data;
	g->password = bytes_of(colon + 1, g->text.len - (size_t)(colon + 1 - g->text.data));
	return true;
}

static bool
check_role(struct login *l, struct http_request *r, const struct conf_api_key *key, int needed)
{
	char why[128];

	if ((int)key->role >= needed)
		return true;
	snprintf(why, sizeof(why), "this needs the role %s, the key has %s",
		role_name((enum conf_role)needed), role_name(key->role));
	say_refused(l, r, key->name, why);
	answer_error(r, 403, "%s", why);
	return false;
}

static bool
judge(struct admin *a, struct http_request *r, const struct credentials_given *g, int needed)
{
	struct login *l = a->login;
	const struct conf *c = a->mdm.conf;
	int64_t now = clock_mono_ms();
	const char *user = known_user(c, g->user);
	struct subject *s = subject_of(l, http_peer(r), user, now);
	const struct conf_api_key *key;

	if (s->failures >= LOGIN_TRIES) {
		say_refused(l, r, user, "too many wrong keys");
		return answer_resting(r);
	}
	follow_conf(l, c);
	key = key_of(l, c, g->user, g->password);
	if (!key) {
		s->failures++;
		s->last_ms = now;
		say_refused(l, r, user, "wrong key");
		return answer_unknown(r);
	}
	s->failures = 0;
	http_set_caller(r, key->name, key->role);
	return check_role(l, r, key, needed);
}

bool
login_admit(struct http_request *r, void *ctx)
{
	int needed = role_needed(http_method(r), http_path(r));
	struct credentials_given g = { .text = BUF_INIT };
	bool admitted;

	if (http_side(r) != HTTP_API || needed == ROLE_NOBODY)
		return true;
	if (parse_basic(r, &g))
		admitted = judge(ctx, r, &g, needed);
	else
		admitted = answer_unknown(r);
	buf_wipe(&g.text);
	return admitted;
}
