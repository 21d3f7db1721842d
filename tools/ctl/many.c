/* many.c - chooses enrollments, counts them, asks, works through them */
#include "ctl/many.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encode.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define BAR 30

bool
many_option(struct many *m, int option)
{
	if (option == 'a')
		m->all = true;
	else if (option == 'y')
		m->yes = true;
	else if (option == 'g')
		m->group_by = optarg;
	else
		return bulk_filter_option(&m->filter, option);
	return true;
}

/* ---- whom ---- */

static void
filter_path(const struct bulk_filter *f, struct buf *path)
{
	buf_add_str(path, "/v1/enrollments?limit=500");
	if (f->state) {
		buf_add_str(path, "&state=");
		encode_percent(path, bytes_str(f->state));
	}
	if (f->locked)
		buf_add_str(path, "&locked=true");
	if (f->users)
		buf_add_str(path, "&users=true");
}

static bool
takes_commands(const char *state)
{
	return strcmp(state, "Enrolled") == 0 || strcmp(state, "Inactive") == 0;
}

/* Without a state: those that take commands, as POST /v1/bulk has it. */
static void
take_page(struct many *m, const json_t *page)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(page, "enrollments"), i, e)
	{
		if (!m->filter.state && !takes_commands(member(e, "state")))
			continue;
		if (!m->filter.system || strcasecmp(member(e, "system"), m->filter.system) == 0)
			json_array_append(m->list, e);
	}
}

static int
find(struct many *m)
{
	struct buf first = BUF_INIT, path = BUF_INIT, cursor = BUF_INIT;
	int code;

	filter_path(&m->filter, &first);
	do {
		json_t *page = NULL;

		buf_reset(&path);
		buf_printf(&path, "%s%s%s", buf_str(&first), cursor.len ? "&cursor=" : "",
			buf_str(&cursor));
		code = verdict(client_get(buf_str(&path), &page), &page);
		take_page(m, page);
		buf_reset(&cursor);
		buf_add_str(&cursor, member(page, "cursor"));
		json_decref(page);
	} while (code == EXIT_FINE && cursor.len);
	buf_free(&first);
	buf_free(&path);
	buf_free(&cursor);
	return code;
}

/* Only groups need more of a named one than its name. */
static int
look_up(const struct many *m, const char *id, json_t **ret)
{
	struct buf path = BUF_INIT;
	int code = EXIT_FINE;

	*ret = NULL;
	if (m->group_by) {
		buf_add_str(&path, "/v1/enrollments");
		client_add_segment(&path, id);
		code = verdict(client_get(buf_str(&path), ret), ret);
	} else {
		*ret = json_object();
		json_object_set_new(*ret, "id", json_string(id));
	}
	buf_free(&path);
	return code;
}

static int
name_them(struct many *m, char **ids, int count)
{
	int code = EXIT_FINE;

	for (int i = 0; code == EXIT_FINE && i < count; i++) {
		json_t *e;

		code = look_up(m, ids[i], &e);
		if (code == EXIT_FINE)
			json_array_append(m->list, e);
		json_decref(e);
	}
	return code;
}

int
many_choose(struct many *m, const char *verb, char **ids, int count)
{
	bool filtered = m->all || bulk_filter_narrows(&m->filter);

	if (filtered == (count > 0)) {
		fprintf(stderr,
			"cordonctl %s: either IDs are wanted, or --all, or one or more of "
			"--state, --system, --locked and --users\n",
			verb);
		return EXIT_USAGE_FAULT;
	}
	m->list = json_array();
	return filtered ? find(m) : name_them(m, ids, count);
}

int
many_parse(struct many *m, int argc, char **argv)
{
	static const struct option options[] = { MANY_OPTIONS, { 0 } };
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!many_option(m, c))
			return EXIT_USAGE_FAULT;
	return many_choose(m, argv[0], argv + optind, argc - optind);
}

size_t
many_count(const struct many *m)
{
	return json_array_size(m->list);
}

void
many_free(struct many *m)
{
	json_decref(m->list);
	m->list = NULL;
}

/* ---- groups and questions ---- */

void
many_print_groups(struct many *m)
{
	json_t *groups = json_object(), *count;
	const json_t *e;
	const char *name;
	size_t i;

	json_array_foreach(m->list, i, e)
	{
		const json_t *value = json_object_get(e, m->group_by ? m->group_by : "");

		name = json_is_true(value)    ? "yes"
		       : json_is_false(value) ? "no"
					      : json_string_value(value);
		name = name && *name ? name : "-";
		json_object_set_new(groups, name,
			json_integer(json_integer_value(json_object_get(groups, name)) + 1));
	}
	json_object_foreach(groups, name, count)
	{
		if (m->group_by && *m->group_by)
			fprintf(stderr, "%8lld  %s\n", (long long)json_integer_value(count), name);
	}
	m->group_by = NULL;
	json_decref(groups);
}

int
many_find_groups(struct many *m, const char *verb)
{
	int code = m->group_by ? many_choose(m, verb, NULL, 0) : EXIT_FINE;

	if (code == EXIT_FINE)
		many_print_groups(m);
	return code;
}

int
many_consent(struct many *m, const char *what)
{
	size_t n = many_count(m);
	char line[16] = "";

	many_print_groups(m);
	if (m->yes || n == 0)
		return EXIT_FINE;
	fprintf(stderr, "%s %zu %s: this cannot be taken back.\n", what, n,
		n == 1 ? "device" : "devices");
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "cordonctl: nobody is here to ask: say it with --yes\n");
		return EXIT_REFUSED;
	}
	fputs("Type yes to go on: ", stderr);
	if (fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0)
		return EXIT_FINE;
	fputs("Nothing was changed.\n", stderr);
	return EXIT_REFUSED;
}

/* ---- the work ---- */

void
many_bar(size_t done, size_t all)
{
	static const char full[] = "##############################",
			  none[] = "..............................";
	int filled = all ? (int)(BAR * done / all) : BAR;

	if (verbs_json || !terminal_is() || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r[%.*s%.*s] %zu of %zu%s", filled, full, BAR - filled, none, done, all,
		done >= all ? "\n" : "");
}

static bool
has_bar(const struct many *m)
{
	return (m->all || bulk_filter_narrows(&m->filter)) && terminal_is() &&
	       isatty(STDERR_FILENO) && !verbs_json;
}

bool
many_tells(const struct many *m)
{
	return !has_bar(m);
}

int
many_each(struct many *m, int (*one)(void *arg, const char *id), void *arg)
{
	size_t n = many_count(m), i, good = 0;
	int worst = EXIT_FINE;
	const json_t *e;

	many_print_groups(m);
	json_array_foreach(m->list, i, e)
	{
		int code = one(arg, member(e, "id"));

		good += code == EXIT_FINE;
		worst = code > worst ? code : worst;
		if (has_bar(m))
			many_bar(i + 1, n);
		if (code == EXIT_NO_DAEMON)
			break;
	}
	if (has_bar(m))
		printf("done for %zu of %zu\n", good, n);
	return worst;
}

bool
many_take_flag(int *argc, char **argv, const char *flag)
{
	bool found = false;
	int kept = 0, i;

	for (i = 0; i < *argc; i++) {
		if (i > 0 && strcmp(argv[i], flag) == 0)
			found = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return found;
}
