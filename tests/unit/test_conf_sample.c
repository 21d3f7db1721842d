/* test_conf_sample.c - etc/cordond.conf against the table of keys, in both directions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libconfig.h>

#include "conf_place.h"

/* The table has the directories of this build, the sample those of a package. */
#ifndef CORDON_SYSCONFDIR
#define CORDON_SYSCONFDIR "/etc"
#endif
#ifndef CORDON_STATEDIR
#define CORDON_STATEDIR "/var/lib/cordon"
#endif

static char *sample; /* as shipped, but for the directories */

static char *
replace_all(char *text, const char *from, const char *to)
{
	struct buf out = BUF_INIT;
	const char *at = text, *hit;

	while ((hit = strstr(at, from))) {
		buf_add(&out, at, (size_t)(hit - at));
		buf_add_str(&out, to);
		at = hit + strlen(from);
	}
	buf_add_str(&out, at);
	free(text);
	return buf_steal_str(&out);
}

static int
read_sample(void **unused)
{
	const char *source = getenv("CORDON_SOURCE");
	char *path = xasprintf("%s/etc/cordond.conf", source ? source : ".");
	struct buf text = BUF_INIT;
	int r = file_read(path, 1 << 20, &text, NULL);

	free(path);
	sample = buf_steal_str(&text);
	sample = replace_all(sample, "\"/etc/cordon/certs", "\"" CORDON_SYSCONFDIR "/cordon/certs");
	sample = replace_all(sample, "\"/var/lib/cordon\"", "\"" CORDON_STATEDIR "\"");
	return r < 0 ? r : place_make(unused);
}

static int
forget_sample(void **unused)
{
	free(sample);
	return place_drop(unused);
}

/* Settings are marked by a '#' without a blank behind it. */
static char *
uncommented(void)
{
	struct buf out = BUF_INIT;
	const char *p = sample, *end;
	size_t indent;

	for (; *p; p = end) {
		end = p + strcspn(p, "\n");
		end += *end == '\n';
		indent = strspn(p, "\t");
		buf_add(&out, p, indent);
		p += indent;
		if (p[0] == '#' && p[1] != ' ' && p[1] != '\n')
			p++;
		buf_add(&out, p, (size_t)(end - p));
	}
	return buf_steal_str(&out);
}

static struct conf *
load(const char *text)
{
	struct conf_faults faults = { 0 };
	struct conf *c;
	char *lines;

	place_file("main.conf", text);
	c = conf_load(place_at("main.conf"), NULL, NULL, &faults);
	lines = place_lines(&faults);
	if (!c || faults.count > 0)
		fail_msg("%s", lines);
	free(lines);
	conf_faults_free(&faults);
	return c;
}

static void
loads_with_the_required_keys(void **unused)
{
	char *text = xasprintf("%s%s", sample, REQUIRED);
	struct buf names = BUF_INIT;
	struct conf *c = load(text), *plain = load(REQUIRED);

	(void)unused;
	/* all of it is comment */
	assert_int_equal(conf_changes(c, plain, &names), 0);
	conf_unref(c);
	conf_unref(plain);
	buf_free(&names);
	free(text);
}

/* An unknown key would be a fault: what is in the sample is in the table. */
static void
loads_uncommented(void **unused)
{
	char *text = uncommented();
	struct conf *c = load(text), *plain = load("organization = \"x\"; server-name = \"x\";");
	struct buf changed = BUF_INIT, wanted = BUF_INIT;
	size_t i;

	(void)unused;
	/* what has a default shows it, what has none shows an example */
	for (i = 0; i < conf_key_count(); i++)
		if (!*conf_key_at(i)->standard)
			buf_printf(&wanted, "%s%s", wanted.len ? ", " : "", conf_key_at(i)->name);
	conf_changes(plain, c, &changed);
	assert_string_equal(buf_str(&changed), buf_str(&wanted));
	buf_free(&changed);
	buf_free(&wanted);
	conf_unref(c);
	conf_unref(plain);
	free(text);
}

/* Comments as one line of words, so that wrapping does not matter. */
static char *
words_of_comments(void)
{
	struct buf out = BUF_INIT;
	const char *p;

	for (p = sample; *p; p++) {
		if (strchr("#\t\n ", *p)) {
			if (out.len && out.data[out.len - 1] != ' ')
				buf_add_char(&out, ' ');
		} else {
			buf_add_char(&out, *p);
		}
	}
	return buf_steal_str(&out);
}

static void
has_every_key_with_its_text(void **unused)
{
	char *text = uncommented(), *words = words_of_comments();
	const struct conf_key_info *key;
	struct buf line = BUF_INIT;
	config_t parsed;
	size_t i;

	(void)unused;
	config_init(&parsed);
	assert_int_equal(config_read_string(&parsed, text), CONFIG_TRUE);
	for (i = 0; i < conf_key_count(); i++) {
		key = conf_key_at(i);
		if (!config_lookup(&parsed, key->name))
			fail_msg("%s is not in the sample", key->name);
		if (!strstr(words, key->text))
			fail_msg("the sample does not say of %s: %s", key->name, key->text);
		buf_reset(&line);
		buf_printf(&line, "#%s = %s",
			strrchr(key->name, '.') ? strrchr(key->name, '.') + 1 : key->name,
			key->standard);
		if (!strstr(sample, buf_str(&line)))
			fail_msg("the sample does not have: %s", buf_str(&line));
	}
	config_destroy(&parsed);
	buf_free(&line);
	free(text);
	free(words);
}

static void
table_is_whole(void **unused)
{
	const struct conf_key_info *key;
	size_t i, k;

	(void)unused;
	assert_null(conf_key_at(conf_key_count()));
	for (i = 0; i < conf_key_count(); i++) {
		key = conf_key_at(i);
		assert_true(*key->name && *key->type && *key->text);
		assert_int_equal(key->text[strlen(key->text) - 1], '.');
		for (k = 0; k < i; k++)
			assert_string_not_equal(key->name, conf_key_at(k)->name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(loads_with_the_required_keys, place_clear),
		cmocka_unit_test_setup(loads_uncommented, place_clear),
		cmocka_unit_test_setup(has_every_key_with_its_text, place_clear),
		cmocka_unit_test_setup(table_is_whole, place_clear),
	};

	return cmocka_run_group_tests(tests, read_sample, forget_sample);
}
