/* kinds.c - values of each kind: from libconfig, to text, compared, freed */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "conf/fault.h"
#include "conf/keys.h"

#define WHY 200

/* One value on its way into a field; what is wrong goes where the value stands. */
struct value {
	const struct reader *r;
	const struct key *key;
	const config_setting_t *setting;
	const char *path;
};

struct kind_ops {
	const char *wanted; /* for people, behind "wanted" */
	bool (*read)(const struct value *v, void *base);
	bool (*write)(const struct key *key, const void *base, struct buf *out);
	bool (*equal)(const struct key *key, const void *a, const void *b);
	void (*drop)(const struct key *key, void *base);
};

static const struct kind_ops kinds[KIND_COUNT];

/* `base` is const where the caller only reads. */
static void *
field(const struct key *key, const void *base)
{
	return (char *)(uintptr_t)base + key->offset;
}

static size_t *
field_count(const struct key *key, const void *base)
{
	return (size_t *)(void *)((char *)(uintptr_t)base + key->count);
}

#define REFUSE(v, ...)                                                                     \
	(fault_add((v)->r->faults, (v)->r->file, config_setting_source_line((v)->setting), \
		 (v)->path, __VA_ARGS__),                                                  \
		false)

static const char *
found(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "an integer";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "a boolean";
	case CONFIG_TYPE_ARRAY:
		return "an array";
	default:
		return "a list";
	}
}

static bool
wrong_type(const struct value *v)
{
	return REFUSE(v, "is %s, wanted %s", found(v->setting), kinds[v->key->kind].wanted);
}

/* "https://user:password@host": faults are in the journal, and that must not get there. */
static bool
has_password(const struct key *key, const char *text)
{
	return key->check != syntax_email && strchr(text, '@');
}

/* Text that can stand in one line of a log, a profile and a file. */

static bool
check_text(const struct value *v, const char *text)
{
	const struct key *key = v->key;
	size_t len = strlen(text);
	char why[WHY];
	const char *p;

	if (!utf8_valid(bytes_str(text)))
		return REFUSE(v, "is not UTF-8");
	for (p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return REFUSE(v, "has a line break or another control character");
	if (len < (size_t)key->min)
		return REFUSE(v, "must not be empty");
	if (key->max && len > (size_t)key->max)
		return REFUSE(v, "is %zu bytes long: at most %" PRId64, len, key->max);
	if (key->kind == KIND_PATH && !syntax_path(text, why, sizeof(why)))
		return REFUSE(v, "\"%s\" %s", text, why);
	if (key->check && !key->check(text, why, sizeof(why))) {
		if (has_password(key, text))
			return REFUSE(v, "%s", why);
		return REFUSE(v, "\"%s\" %s", text, why);
	}
	return true;
}

/* The text of a string, or NULL after a fault. */
static const char *
text_of(const struct value *v)
{
	const char *text = config_setting_get_string(v->setting);

	if (!text)
		wrong_type(v);
	return text;
}

static void
write_text(const char *text, struct buf *out)
{
	buf_add_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
	buf_add_char(out, '"');
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Strings and paths; "" takes back what an earlier file set, where there is no default. */

static bool
read_string(const struct value *v, void *base)
{
	char **at = field(v->key, base);
	const char *text = text_of(v);
	bool unset;

	if (!text)
		return false;
	unset = !*text && !v->key->required && !*v->key->info.standard;
	if (!unset && !check_text(v, text))
		return false;
	free(*at);
	*at = unset ? NULL : xstrdup(text);
	return true;
}

static bool
write_string(const struct key *key, const void *base, struct buf *out)
{
	const char *text = *(char **)field(key, base);

	if (!text)
		return false;
	write_text(text, out);
	return true;
}

static bool
equal_string(const struct key *key, const void *a, const void *b)
{
	return same_text(*(char **)field(key, a), *(char **)field(key, b));
}

static void
drop_string(const struct key *key, void *base)
{
	char **at = field(key, base);

	free(*at);
	*at = NULL;
}

/* Durations */

static bool
read_duration(const struct value *v, void *base)
{
	const char *text = text_of(v);
	char least[24], most[24];
	int64_t seconds;

	if (!text)
		return false;
	if (v->key->kind == KIND_SPAN && strcmp(text, "never") == 0) {
		*(int64_t *)field(v->key, base) = DURATION_NEVER;
		return true;
	}
	if (duration_parse(text, &seconds) < 0)
		return REFUSE(v,
			"\"%s\" is no duration: a number and one of s, m, h, d, w, such as "
			"\"7d\"%s",
			text, v->key->kind == KIND_SPAN ? ", or \"never\"" : "");
	if (seconds < v->key->min || seconds > v->key->max)
		return REFUSE(v, "\"%s\" is out of range: %s to %s", text,
			duration_format(v->key->min, least, sizeof(least)),
			duration_format(v->key->max, most, sizeof(most)));
	*(int64_t *)field(v->key, base) = seconds;
	return true;
}

static bool
write_duration(const struct key *key, const void *base, struct buf *out)
{
	char text[24];

	write_text(duration_format(*(int64_t *)field(key, base), text, sizeof(text)), out);
	return true;
}

static bool
equal_wide(const struct key *key, const void *a, const void *b)
{
	return *(int64_t *)field(key, a) == *(int64_t *)field(key, b);
}

static void
drop_nothing(const struct key *key, void *base)
{
	(void)key;
	(void)base;
}

/* Integers: scan.c has refused what libconfig would wrap; 5L is as good as 5. */

static bool
integer_of(const struct value *v, const config_setting_t *setting, int64_t *ret)
{
	int type = config_setting_type(setting);

	if (type == CONFIG_TYPE_INT)
		*ret = config_setting_get_int(setting);
	else if (type == CONFIG_TYPE_INT64)
		*ret = config_setting_get_int64(setting);
	else
		return wrong_type(v);
	if (*ret < v->key->min || *ret > v->key->max)
		return REFUSE(v, "%" PRId64 " is out of range: %" PRId64 " to %" PRId64, *ret,
			v->key->min, v->key->max);
	return true;
}

static bool
read_number(const struct value *v, void *base)
{
	int64_t number;

	if (!integer_of(v, v->setting, &number))
		return false;
	if (v->key->kind == KIND_NUMBER)
		*(int64_t *)field(v->key, base) = number;
	else
		*(unsigned *)field(v->key, base) = (unsigned)number;
	return true;
}

static bool
write_wide(const struct key *key, const void *base, struct buf *out)
{
	buf_printf(out, "%" PRId64, *(int64_t *)field(key, base));
	return true;
}

static bool
write_unsigned(const struct key *key, const void *base, struct buf *out)
{
	buf_printf(out, "%u", *(unsigned *)field(key, base));
	return true;
}

static bool
equal_unsigned(const struct key *key, const void *a, const void *b)
{
	return *(unsigned *)field(key, a) == *(unsigned *)field(key, b);
}

/* Percentages */

static bool
read_percent(const struct value *v, void *base)
{
	const char *text = text_of(v);
	size_t digits;
	long number;

	if (!text)
		return false;
	digits = strspn(text, "0123456789");
	number = digits >= 1 && digits <= 3 && strcmp(text + digits, "%") == 0
			 ? strtol(text, NULL, 10)
			 : -1;
	if (number < v->key->min || number > v->key->max)
		return REFUSE(v,
			"\"%s\" is no percentage from \"%" PRId64 "%%\" to \"%" PRId64 "%%\"", text,
			v->key->min, v->key->max);
	*(unsigned *)field(v->key, base) = (unsigned)number;
	return true;
}

static bool
write_percent(const struct key *key, const void *base, struct buf *out)
{
	buf_printf(out, "\"%u%%\"", *(unsigned *)field(key, base));
	return true;
}

/* Booleans and words */

static bool
read_bool(const struct value *v, void *base)
{
	if (config_setting_type(v->setting) != CONFIG_TYPE_BOOL)
		return wrong_type(v);
	*(bool *)field(v->key, base) = config_setting_get_bool(v->setting);
	return true;
}

static bool
write_bool(const struct key *key, const void *base, struct buf *out)
{
	buf_add_str(out, *(bool *)field(key, base) ? "true" : "false");
	return true;
}

static bool
equal_bool(const struct key *key, const void *a, const void *b)
{
	return *(bool *)field(key, a) == *(bool *)field(key, b);
}

static bool
unknown_word(const struct value *v, const char *text)
{
	struct buf words = BUF_INIT;
	bool no;
	size_t i;

	for (i = 0; v->key->words[i]; i++)
		buf_printf(&words, "%s\"%s\"",
			i == 0		       ? ""
			: v->key->words[i + 1] ? ", "
					       : " or ",
			v->key->words[i]);
	no = REFUSE(v, "is \"%s\", wanted %s", text, buf_str(&words));
	buf_free(&words);
	return no;
}

static bool
read_word(const struct value *v, void *base)
{
	const char *text = text_of(v);
	unsigned i;

	if (!text)
		return false;
	for (i = 0; v->key->words[i]; i++)
		if (strcmp(v->key->words[i], text) == 0)
			break;
	if (!v->key->words[i])
		return unknown_word(v, text);
	if (v->key->kind == KIND_EITHER)
		*(bool *)field(v->key, base) = i == 1;
	else
		*(unsigned *)field(v->key, base) = i; /* what gcc and clang make of such enums */
	return true;
}

static bool
write_either(const struct key *key, const void *base, struct buf *out)
{
	write_text(key->words[*(bool *)field(key, base) ? 1 : 0], out);
	return true;
}

static bool
write_choice(const struct key *key, const void *base, struct buf *out)
{
	write_text(key->words[*(unsigned *)field(key, base)], out);
	return true;
}

/* Lists of strings: arrays and lists alike */

static bool
is_sequence(const config_setting_t *setting)
{
	int type = config_setting_type(setting);

	return type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST;
}

static void
free_strings(struct conf_strings *s)
{
	while (s->count > 0)
		free(s->items[--s->count]);
	free(s->items);
	*s = (struct conf_strings){ 0 };
}

static bool
read_strings(const struct value *v, void *base)
{
	struct conf_strings *at = field(v->key, base), got = { 0 };
	struct value item = *v;
	const char *text;
	int length, i;
	bool fine = true;

	if (!is_sequence(v->setting))
		return wrong_type(v);
	length = config_setting_length(v->setting);
	got.items = length > 0 ? xcalloc((size_t)length, sizeof(char *)) : NULL;
	for (i = 0; i < length; i++) {
		item.setting = config_setting_get_elem(v->setting, (unsigned)i);
		text = text_of(&item);
		if (text && check_text(&item, text))
			got.items[got.count++] = xstrdup(text);
		else
			fine = false;
	}
	if (fine) {
		free_strings(at);
		*at = got;
	} else {
		free_strings(&got);
	}
	return fine;
}

static bool
write_strings(const struct key *key, const void *base, struct buf *out)
{
	const struct conf_strings *s = field(key, base);
	size_t i;

	if (s->count == 0)
		return false;
	buf_add_str(out, "[ ");
	for (i = 0; i < s->count; i++) {
		buf_add_str(out, i ? ", " : "");
		write_text(s->items[i], out);
	}
	buf_add_str(out, " ]");
	return true;
}

static bool
equal_strings(const struct key *key, const void *a, const void *b)
{
	const struct conf_strings *x = field(key, a), *y = field(key, b);
	size_t i;

	if (x->count != y->count)
		return false;
	for (i = 0; i < x->count; i++)
		if (strcmp(x->items[i], y->items[i]) != 0)
			return false;
	return true;
}

static void
drop_strings(const struct key *key, void *base)
{
	free_strings(field(key, base));
}

/* Days */

static bool
read_days(const struct value *v, void *base)
{
	int **at = field(v->key, base), *days, length, i;
	struct value item = *v;
	bool fine = true;
	int64_t number, before = INT64_MAX;

	length = is_sequence(v->setting) ? config_setting_length(v->setting) : -1;
	if (length < 0)
		return wrong_type(v);
	if (length == 0)
		return REFUSE(v, "must not be empty");
	days = xcalloc((size_t)length, sizeof(int));
	for (i = 0; fine && i < length; i++) {
		item.setting = config_setting_get_elem(v->setting, (unsigned)i);
		fine = integer_of(&item, item.setting, &number);
		if (fine && number >= before)
			fine = REFUSE(v, "must descend, but %" PRId64 " follows %" PRId64, number,
				before);
		if (fine)
			days[i] = (int)(before = number);
	}
	if (!fine) {
		free(days);
		return false;
	}
	free(*at);
	*at = days;
	*field_count(v->key, base) = (size_t)length;
	return true;
}

static bool
write_days(const struct key *key, const void *base, struct buf *out)
{
	const int *days = *(int **)field(key, base);
	size_t i;

	buf_add_str(out, "[ ");
	for (i = 0; i < *field_count(key, base); i++)
		buf_printf(out, "%s%d", i ? ", " : "", days[i]);
	buf_add_str(out, " ]");
	return true;
}

static bool
equal_days(const struct key *key, const void *a, const void *b)
{
	size_t count = *field_count(key, a);

	return count == *field_count(key, b) &&
	       memcmp(*(int **)field(key, a), *(int **)field(key, b), count * sizeof(int)) == 0;
}

static void
drop_days(const struct key *key, void *base)
{
	int **at = field(key, base);

	free(*at);
	*at = NULL;
	*field_count(key, base) = 0;
}

/* Addresses with a port; "" switches off what an earlier file set */

static bool
read_endpoint(const struct value *v, void *base)
{
	struct conf_endpoint *at = field(v->key, base), got = { 0 };
	const char *text = text_of(v);
	char why[WHY];

	if (!text)
		return false;
	if (*text && !syntax_endpoint(text, &got.address, &got.port, why, sizeof(why)))
		return REFUSE(v, "\"%s\" %s", text, why);
	free(at->address);
	*at = got;
	return true;
}

static bool
write_endpoint(const struct key *key, const void *base, struct buf *out)
{
	const struct conf_endpoint *e = field(key, base);

	if (!e->address)
		return false;
	buf_printf(out, strchr(e->address, ':') ? "\"[%s]:%u\"" : "\"%s:%u\"", e->address, e->port);
	return true;
}

static bool
equal_endpoint(const struct key *key, const void *a, const void *b)
{
	const struct conf_endpoint *x = field(key, a), *y = field(key, b);

	return same_text(x->address, y->address) && x->port == y->port;
}

static void
drop_endpoint(const struct key *key, void *base)
{
	struct conf_endpoint *e = field(key, base);

	free(e->address);
	*e = (struct conf_endpoint){ 0 };
}

/* Lists of groups */

static void
free_entries(const struct keys *keys, char *entries, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		keys_drop(keys, entries + i * keys->size);
	free(entries);
}

static bool
read_entry(const struct value *v, const config_setting_t *group, void *entry, const char *path)
{
	const struct keys *keys = v->key->entry;
	struct value item = { v->r, v->key, group, path };
	char *prefix;
	bool fine = true;
	size_t i;

	if (!config_setting_is_group(group))
		return wrong_type(&item);
	keys_defaults(keys, entry);
	prefix = xasprintf("%s.", path);
	fine = keys_read(v->r, keys, group, prefix, entry, NULL);
	free(prefix);
	for (i = 0; i < keys->count; i++)
		if (keys->rows[i].required &&
			!config_setting_get_member(group, keys->rows[i].info.name))
			fine = REFUSE(&item, "needs %s: %s", keys->rows[i].info.name,
				keys->rows[i].info.text);
	return fine;
}

static bool
read_groups(const struct value *v, void *base)
{
	const struct keys *keys = v->key->entry;
	char **at = field(v->key, base), *entries, *path;
	bool fine = true;
	int length, i;

	if (config_setting_type(v->setting) != CONFIG_TYPE_LIST)
		return wrong_type(v);
	length = config_setting_length(v->setting);
	entries = length > 0 ? xcalloc((size_t)length, keys->size) : NULL;
	for (i = 0; i < length; i++) {
		path = xasprintf("%s[%d]", v->path, i);
		if (!read_entry(v, config_setting_get_elem(v->setting, (unsigned)i),
			    entries + (size_t)i * keys->size, path))
			fine = false;
		free(path);
	}
	if (!fine) {
		free_entries(keys, entries, (size_t)length);
		return false;
	}
	free_entries(keys, *at, *field_count(v->key, base));
	*at = entries;
	*field_count(v->key, base) = (size_t)length;
	return true;
}

static bool
write_groups(const struct key *key, const void *base, struct buf *out)
{
	const struct keys *keys = key->entry;
	const char *entries = *(char **)field(key, base);
	size_t count = *field_count(key, base), i, k;
	struct buf one = BUF_INIT;

	if (count == 0)
		return false;
	buf_add_str(out, "( ");
	for (i = 0; i < count; i++) {
		buf_add_str(out, i ? ", { " : "{ ");
		for (k = 0; k < keys->count; k++) {
			buf_reset(&one);
			if (kind_write(&keys->rows[k], entries + i * keys->size, &one))
				buf_printf(
					out, "%s = %s; ", keys->rows[k].info.name, buf_str(&one));
		}
		buf_add_char(out, '}');
	}
	buf_add_str(out, " )");
	buf_free(&one);
	return true;
}

static bool
equal_groups(const struct key *key, const void *a, const void *b)
{
	const struct keys *keys = key->entry;
	const char *x = *(char **)field(key, a), *y = *(char **)field(key, b);
	size_t count = *field_count(key, a), i, k;

	if (count != *field_count(key, b))
		return false;
	for (i = 0; i < count; i++)
		for (k = 0; k < keys->count; k++)
			if (!kind_equal(&keys->rows[k], x + i * keys->size, y + i * keys->size))
				return false;
	return true;
}

static void
drop_groups(const struct key *key, void *base)
{
	char **at = field(key, base);

	free_entries(key->entry, *at, *field_count(key, base));
	*at = NULL;
	*field_count(key, base) = 0;
}

static const struct kind_ops kinds[KIND_COUNT] = {
	[KIND_STRING] = { "a string in quotes", read_string, write_string, equal_string,
		drop_string },
	[KIND_PATH] = { "a path in quotes", read_string, write_string, equal_string, drop_string },
	[KIND_DURATION] = { "a duration in quotes such as \"7d\"", read_duration, write_duration,
		equal_wide, drop_nothing },
	[KIND_SPAN] = { "a duration in quotes such as \"7d\", or \"never\"", read_duration,
		write_duration, equal_wide, drop_nothing },
	[KIND_UNSIGNED] = { "an integer", read_number, write_unsigned, equal_unsigned,
		drop_nothing },
	[KIND_NUMBER] = { "an integer", read_number, write_wide, equal_wide, drop_nothing },
	[KIND_PERCENT] = { "a percentage in quotes such as \"20%\"", read_percent, write_percent,
		equal_unsigned, drop_nothing },
	[KIND_BOOL] = { "true or false, without quotes", read_bool, write_bool, equal_bool,
		drop_nothing },
	[KIND_EITHER] = { "a word in quotes", read_word, write_either, equal_bool, drop_nothing },
	[KIND_CHOICE] = { "a word in quotes", read_word, write_choice, equal_unsigned,
		drop_nothing },
	[KIND_STRINGS] = { "a list of strings: [ \"...\", \"...\" ]", read_strings, write_strings,
		equal_strings, drop_strings },
	[KIND_DAYS] = { "a list of integers: [ 30, 7 ]", read_days, write_days, equal_days,
		drop_days },
	[KIND_ENDPOINT] = { "an address and port in quotes such as \"127.0.0.1:9464\"",
		read_endpoint, write_endpoint, equal_endpoint, drop_endpoint },
	[KIND_GROUPS] = { "a list of groups in parentheses: ( { ... }, { ... } )", read_groups,
		write_groups, equal_groups, drop_groups },
};

bool
kind_read(const struct reader *r, const struct key *key, const config_setting_t *setting,
	void *base, const char *path)
{
	struct value v = { r, key, setting, path };

	return kinds[key->kind].read(&v, base);
}

bool
kind_write(const struct key *key, const void *base, struct buf *out)
{
	return kinds[key->kind].write(key, base, out);
}

bool
kind_equal(const struct key *key, const void *a, const void *b)
{
	return kinds[key->kind].equal(key, a, b);
}

void
kind_drop(const struct key *key, void *base)
{
	kinds[key->kind].drop(key, base);
}

void
keys_drop(const struct keys *keys, void *base)
{
	size_t i;

	for (i = 0; i < keys->count; i++)
		kind_drop(&keys->rows[i], base);
}
