/* change.c - what a device's answer says that the one before did not */
#include "mdm/change.h"

#include "base/log.h"
#include "base/proplist.h"
#include "base/table.h"
#include "store/enrollment.h"
#include "store/result.h"

#include <errno.h>
#include <string.h>

/* Two answers of one kind. */
struct comparison {
	struct mdm *m;
	const struct enrollment *e;
	plist_t old, new;
	int64_t old_at;
};

static const char *
serial(const struct comparison *c)
{
	return c->e->facts.serial ? c->e->facts.serial : "no serial number";
}

/* ---- sets of names ---- */

/* What makes two entries of a list the same, and what people call it. */
struct naming {
	const char *key, *otherwise; /* of an entry without `key` */
	const char *title;
};

/* NULL: this entry has no name, and is left out. */
static const char *
name_of(const struct naming *n, plist_t entry)
{
	const char *name = proplist_str(entry, n->key);

	return name || !n->otherwise ? name : proplist_str(entry, n->otherwise);
}

struct set {
	const struct naming *naming;
	struct table *names;
};

static bool
put_name(void *arg, plist_t entry)
{
	static char there;
	struct set *s = arg;
	const char *name = name_of(s->naming, entry);

	if (name)
		table_put(s->names, bytes_str(name), &there);
	return true;
}

/* As much of a name as fits, not ending within a character. */
static void
add_name(struct buf *out, const char *name)
{
	size_t len = strnlen(name, CHANGE_NAME_MAX + 1);

	if (len <= CHANGE_NAME_MAX) {
		buf_add_str(out, name);
		return;
	}
	for (len = CHANGE_NAME_MAX; len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80;)
		len--;
	buf_add(out, name, len);
	buf_add_str(out, "...");
}

static void
add_entry(struct buf *out, const struct naming *n, plist_t entry, const char *name)
{
	const char *title = proplist_str(entry, n->title);

	if (!title || strcmp(title, name) == 0) {
		add_name(out, name);
		return;
	}
	add_name(out, title);
	buf_add_str(out, " (");
	add_name(out, name);
	buf_add_char(out, ')');
}

/* Says whether an entry that is in one list alone is of no interest. */
typedef bool (*excused)(void *arg, plist_t entry);

struct difference {
	struct set known; /* names of the other list, and those that were seen */
	excused excuse;	  /* NULL: none is */
	void *arg;
	size_t count;
	struct buf *out;
};

static bool
look_at(void *arg, plist_t entry)
{
	struct difference *d = arg;
	const struct naming *n = d->known.naming;
	const char *name = name_of(n, entry);

	if (!name || table_get(d->known.names, bytes_str(name)))
		return true;
	put_name(&d->known, entry);
	if (d->excuse && d->excuse(d->arg, entry))
		return true;
	if (d->count++ < CHANGE_NAMES_MAX) {
		buf_add_str(d->out, d->out->len ? ", " : "");
		add_entry(d->out, n, entry, name);
	}
	return true;
}

/* Appends the entries of `list` that `other` lacks, each name once.  How many there are. */
static size_t
missing_from(const struct naming *n, plist_t list, plist_t other, excused excuse, void *arg,
	struct buf *out)
{
	struct difference d = {
		.known = { n, table_new(NULL) }, .excuse = excuse, .arg = arg, .out = out
	};

	proplist_each(other, put_name, &d.known);
	proplist_each(list, look_at, &d);
	if (d.count > CHANGE_NAMES_MAX)
		buf_printf(out, " and %zu more", d.count - CHANGE_NAMES_MAX);
	table_free(d.known.names);
	return d.count;
}

/* ---- kinds ---- */

static void
version_text(plist_t answers, struct buf *out)
{
	const char *build = proplist_str(answers, "BuildVersion");

	add_name(out, proplist_str(answers, "OSVersion"));
	if (build) {
		buf_add_str(out, " (");
		add_name(out, build);
		buf_add_char(out, ')');
	}
}

static void
compare_information(const struct comparison *c)
{
	plist_t old = proplist_dict(c->old, "QueryResponses"),
		new = proplist_dict(c->new, "QueryResponses");
	struct buf from = BUF_INIT, to = BUF_INIT;

	if (!proplist_str(old, "OSVersion") || !proplist_str(new, "OSVersion"))
		return;
	version_text(old, &from);
	version_text(new, &to);
	if (strcmp(buf_str(&from), buf_str(&to)) != 0)
		log_event(EV_OS_CHANGED,
			FIELDS(F_ENROLLMENT(c->e->id), F_SERIAL(c->e->facts.serial),
				F_FROM(buf_str(&from)), F_TO(buf_str(&to))),
			"%s (%s): OS version changed from %s to %s", c->e->id, serial(c),
			buf_str(&from), buf_str(&to));
	buf_free(&from);
	buf_free(&to);
}

static void
compare_security(const struct comparison *c)
{
	plist_t old = proplist_dict(c->old, "SecurityInfo"),
		new = proplist_dict(c->new, "SecurityInfo");

	if (proplist_bool(old, "PasscodePresent", false) &&
		!proplist_bool(new, "PasscodePresent", true))
		log_event(EV_PASSCODE_REMOVED,
			FIELDS(F_ENROLLMENT(c->e->id), F_SERIAL(c->e->facts.serial)),
			"%s (%s): the passcode was removed: the device opens for everybody",
			c->e->id, serial(c));
}

static bool
is_no_mdm_payload(void *arg, plist_t payload)
{
	const char *type = proplist_str(payload, "PayloadType");
	bool *found = arg;

	*found = type && strcmp(type, "com.apple.mdm") == 0;
	return !*found;
}

static bool
is_mdm_profile(plist_t profile)
{
	bool found = false;

	proplist_each(proplist_array(profile, "PayloadContent"), is_no_mdm_payload, &found);
	return found;
}

struct profiles {
	struct result_list commands; /* that ended */
	int64_t since;
	bool mdm; /* the MDM profile is among them */
};

/* A command of ours removed it: what we did is no news. */
static bool
removed_by_command(void *arg, plist_t profile)
{
	struct profiles *p = arg;
	const char *identifier = proplist_str(profile, "PayloadIdentifier");
	size_t i;

	for (i = 0; i < p->commands.count; i++) {
		const struct result *r = &p->commands.items[i];

		if (r->at >= p->since && r->subject && strcmp(r->type, "RemoveProfile") == 0 &&
			strcmp(r->status, "Acknowledged") == 0 &&
			strcmp(r->subject, identifier) == 0)
			return true;
	}
	p->mdm = p->mdm || is_mdm_profile(profile);
	return false;
}

static void
compare_profiles(const struct comparison *c)
{
	static const struct naming names = { "PayloadIdentifier", NULL, "PayloadDisplayName" };
	plist_t old = proplist_array(c->old, "ProfileList"),
		new = proplist_array(c->new, "ProfileList");
	struct profiles p = { .since = c->old_at };
	struct buf gone = BUF_INIT;

	if (!old || !new || result_list_load(c->m->store, c->e->id, &p.commands) < 0)
		return;
	if (missing_from(&names, old, new, removed_by_command, &p, &gone))
		log_event(EV_PROFILE_REMOVED,
			FIELDS(F_ENROLLMENT(c->e->id), F_SERIAL(c->e->facts.serial),
				F_REMOVED(buf_str(&gone))),
			"%s (%s): removed from the device, and not by a command of ours: %s%s",
			c->e->id, serial(c), buf_str(&gone),
			p.mdm ? "; the MDM profile is among them" : "");
	result_list_free(&p.commands);
	buf_free(&gone);
}

static void
compare_applications(const struct comparison *c)
{
	static const struct naming names = { "Identifier", "Name", "Name" };
	plist_t old = proplist_array(c->old, "InstalledApplicationList"),
		new = proplist_array(c->new, "InstalledApplicationList");
	struct buf came = BUF_INIT, gone = BUF_INIT;
	size_t added, removed;

	if (!old || !new)
		return;
	added = missing_from(&names, new, old, NULL, NULL, &came);
	removed = missing_from(&names, old, new, NULL, NULL, &gone);
	if (added || removed)
		log_event(EV_APPS_CHANGED,
			FIELDS(F_ENROLLMENT(c->e->id), F_SERIAL(c->e->facts.serial),
				F_ADDED(added ? buf_str(&came) : NULL),
				F_REMOVED(removed ? buf_str(&gone) : NULL)),
			"%s (%s): applications%s%s%s%s%s", c->e->id, serial(c),
			added ? " added: " : "", buf_str(&came), added && removed ? ";" : "",
			removed ? " removed: " : "", buf_str(&gone));
	buf_free(&came);
	buf_free(&gone);
}

/* ---- what is asked for a part ---- */

/* Keys of a question that leave something out of its answer, when they are not false. */
static const char *const narrowing[] = { "Identifiers", "ManagedAppsOnly", "ManagedOnly" };

static bool
narrows(plist_t question)
{
	size_t i;

	for (i = 0; i < sizeof(narrowing) / sizeof(narrowing[0]); i++)
		if (proplist_has(question, narrowing[i]) &&
			proplist_bool(question, narrowing[i], true))
			return true;
	return false;
}

/* The daemon's own questions are whole.  What cannot be read any more is taken for a part. */
static bool
is_part(struct mdm *m, const struct queue_entry *asked, plist_t root)
{
	struct buf body = BUF_INIT;
	plist_t question = NULL;
	bool part;

	if (asked->refresh)
		return false;
	if (strcmp(asked->type, "DeviceInformation") == 0)
		return !proplist_str(proplist_dict(root, "QueryResponses"), "OSVersion");
	part = queue_body_get(m->store, asked->uuid, &body) < 0 ||
	       proplist_parse(buf_bytes(&body), &question) < 0 ||
	       narrows(proplist_dict(question, "Command"));
	plist_free(question);
	buf_wipe(&body);
	return part;
}

/* ---- one answer ---- */

static const struct {
	const char *type;
	void (*compare)(const struct comparison *c);
} kinds[] = {
	{ "DeviceInformation", compare_information },
	{ "SecurityInfo", compare_security },
	{ "ProfileList", compare_profiles },
	{ "InstalledApplicationList", compare_applications },
};

/* An answer that cannot be read is none: comparing must never keep a newer one out. */
static void
compare(struct comparison *c, const char *type, struct bytes body)
{
	struct buf before = BUF_INIT;
	size_t i = 0;

	while (i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].type, type) != 0)
		i++;
	if (i == sizeof(kinds) / sizeof(kinds[0]) || body.len > CHANGE_BODY_MAX)
		return;
	if (result_latest_get(c->m->store, c->e->id, type, CHANGE_BODY_MAX, &c->old_at, &before) ==
			0 &&
		c->old_at >= c->e->enrolled_at && !bytes_eq(buf_bytes(&before), body) &&
		proplist_parse(buf_bytes(&before), &c->old) == 0)
		kinds[i].compare(c);
	plist_free(c->old);
	buf_wipe(&before);
}

int
change_keep(struct mdm *m, const struct enrollment *e, const struct queue_entry *asked,
	plist_t root, struct bytes body)
{
	struct comparison c = { .m = m, .e = e, .new = root };

	if (is_part(m, asked, root))
		return 0;
	compare(&c, asked->type, body);
	return result_latest_put(m->store, e->id, asked->type, mdm_now(m), body);
}
