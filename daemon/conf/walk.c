/* walk.c - the settings of a group against the table: known ones are read, others explained */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/fault.h"
#include "conf/keys.h"

#define NAME_MAX_LENGTH 64

/* Edit distance; both at most NAME_MAX_LENGTH long. */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[NAME_MAX_LENGTH + 1], corner, above, i, k, best;

	for (k = 0; k <= b_len; k++)
		row[k] = k;
	for (i = 1; i <= a_len; i++) {
		corner = row[0];
		row[0] = i;
		for (k = 1; k <= b_len; k++) {
			above = row[k];
			best = corner + (a[i - 1] != b[k - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			corner = above;
			row[k] = best;
		}
	}
	return row[b_len];
}

/*
 * The part of a row's name that stands in the group `prefix`: "listen" of "gate.listen" in
 * "gate.".  Length 0 when the row is elsewhere.
 */
static struct bytes
part_in(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(name, prefix, len) != 0)
		return bytes_of(NULL, 0);
	return bytes_of(name + len, strcspn(name + len, "."));
}

/* The full name of what was meant, allocated; NULL when nothing is near. */
static char *
guess(const struct keys *keys, const char *prefix, const char *name)
{
	size_t len = strlen(name), best = len / 3 + 1, i, d;
	const char *found = NULL, *leaf;
	size_t found_len = 0;
	struct bytes part;

	if (len > NAME_MAX_LENGTH)
		return NULL;
	for (i = 0; i < keys->count; i++) {
		part = part_in(keys->rows[i].info.name, prefix);
		if (part.len == 0 || part.len > NAME_MAX_LENGTH)
			continue;
		d = distance(name, len, (const char *)part.data, part.len);
		if (d > best || (d == best && found))
			continue;
		best = d;
		found = keys->rows[i].info.name;
		found_len = strlen(prefix) + part.len;
	}
	/* the right name in another group */
	for (i = 0; !found && i < keys->count; i++) {
		leaf = strrchr(keys->rows[i].info.name, '.');
		if (leaf && strcmp(leaf + 1, name) == 0) {
			found = keys->rows[i].info.name;
			found_len = strlen(found);
		}
	}
	return found ? xstrndup(found, found_len) : NULL;
}

static void
refuse_unknown(const struct reader *r, const struct keys *keys, const config_setting_t *setting,
	const char *prefix, const char *path)
{
	char *meant = guess(keys, prefix, config_setting_name(setting));
	unsigned line = config_setting_source_line(setting);

	if (meant)
		fault_add(r->faults, r->file, line, path, "unknown key; did you mean %s?", meant);
	else
		fault_add(r->faults, r->file, line, path, "unknown key");
	free(meant);
}

static bool
is_group_name(const struct keys *keys, const char *path)
{
	size_t len = strlen(path), i;

	for (i = 0; i < keys->count; i++)
		if (strncmp(keys->rows[i].info.name, path, len) == 0 &&
			keys->rows[i].info.name[len] == '.')
			return true;
	return false;
}

static bool
read_group(const struct reader *r, const struct keys *keys, const config_setting_t *setting,
	const char *path, void *base, struct origin *origins)
{
	char *prefix;
	bool fine;

	if (!config_setting_is_group(setting)) {
		fault_add(r->faults, r->file, config_setting_source_line(setting), path,
			"is a group of keys: %s: { ... };", path);
		return false;
	}
	prefix = xasprintf("%s.", path);
	fine = keys_read(r, keys, setting, prefix, base, origins);
	free(prefix);
	return fine;
}

/* Names of entries ("listen[0].port") carry the prefix in `path` alone, not in the table. */
static const struct key *
find(const struct keys *keys, const char *name)
{
	size_t i;

	for (i = 0; i < keys->count; i++)
		if (strcmp(keys->rows[i].info.name, name) == 0)
			return &keys->rows[i];
	return NULL;
}

static bool
read_setting(const struct reader *r, const struct keys *keys, const config_setting_t *setting,
	const char *prefix, void *base, struct origin *origins)
{
	const char *name = config_setting_name(setting);
	bool top = keys == &keys_all, fine;
	char *path = xasprintf("%s%s", prefix, name);
	const struct key *key = find(keys, top ? path : name);

	if (key) {
		fine = kind_read(r, key, setting, base, path);
		if (origins)
			origins[key - keys->rows] = (struct origin){ r->file,
				config_setting_source_line(setting), !fine };
	} else if (top && is_group_name(keys, path)) {
		fine = read_group(r, keys, setting, path, base, origins);
	} else {
		refuse_unknown(r, keys, setting, top ? prefix : "", path);
		fine = false;
	}
	free(path);
	return fine;
}

bool
keys_read(const struct reader *r, const struct keys *keys, const config_setting_t *group,
	const char *prefix, void *base, struct origin *origins)
{
	int length = config_setting_length(group), i;
	bool fine = true;

	for (i = 0; i < length; i++)
		if (!read_setting(r, keys, config_setting_get_elem(group, (unsigned)i), prefix,
			    base, origins))
			fine = false;
	return fine;
}

/* Defaults go through the same readers as files, so the table can say nothing else than they. */
void
keys_defaults(const struct keys *keys, void *base)
{
	struct conf_faults faults = { 0 };
	struct reader r = { "defaults", &faults };
	struct buf text = BUF_INIT;
	config_t parsed;
	size_t i;

	for (i = 0; i < keys->count; i++) {
		if (!*keys->rows[i].info.standard)
			continue;
		buf_reset(&text);
		buf_printf(&text, "v = %s;", keys->rows[i].info.standard);
		config_init(&parsed);
		if (config_read_string(&parsed, buf_str(&text)) != CONFIG_TRUE ||
			!kind_read(&r, &keys->rows[i], config_lookup(&parsed, "v"), base,
				keys->rows[i].info.name))
			abort(); /* a default of the table is no value of its kind */
		config_destroy(&parsed);
	}
	buf_free(&text);
	conf_faults_free(&faults);
}
