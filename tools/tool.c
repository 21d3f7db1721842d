/* tool.c - what cordon-ssc and cordon-csr have in common: verbs and options as tables, help, errors
 */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config.h"
#include "ctl/table.h"

#define FIRST_LONG 256 /* beyond every short option */

static const char *program = "cordon";

enum option_kind { TEXT, NUMBER, SWITCH };

/* One line per option: where its value goes, and what --help says of it. */
static const struct option_info {
	const char *name, *argument, *text;
	enum tool_group group;
	enum option_kind kind;
	size_t offset; /* in struct tool_options */
	int min, max;
} options[] = {
#define AT(field) offsetof(struct tool_options, field)
	{ "config", "FILE", "configuration (default " CORDON_SYSCONFDIR "/cordon/cordond.conf)",
		TOOL_COMMON, TEXT, AT(config), 0, 0 },
	{ "certs", "DIR", "certificate directory (default: as configured)", TOOL_COMMON, TEXT,
		AT(certs), 0, 0 },
	{ "common-name", "TEXT", "common name", TOOL_SUBJECT, TEXT, AT(subject.common_name), 0, 0 },
	{ "country", "CC", "country, two letters", TOOL_SUBJECT, TEXT, AT(subject.country), 0, 0 },
	{ "state", "TEXT", "state or province", TOOL_SUBJECT, TEXT, AT(subject.state), 0, 0 },
	{ "locality", "TEXT", "town", TOOL_SUBJECT, TEXT, AT(subject.locality), 0, 0 },
	{ "organization", "TEXT", "organization", TOOL_SUBJECT, TEXT, AT(subject.organization), 0,
		0 },
	{ "unit", "TEXT", "organizational unit", TOOL_SUBJECT, TEXT, AT(subject.unit), 0, 0 },
	{ "email", "ADDRESS", "e-mail address", TOOL_SUBJECT | TOOL_ACCOUNT, TEXT,
		AT(subject.email), 0, 0 },
	{ "bits", "N", "length of the RSA key", TOOL_BITS, NUMBER, AT(bits), 2048, 8192 },
	{ "years", "N", "how long it is valid", TOOL_YEARS, NUMBER, AT(years), 1, 30 },
	{ "owner", "USER", "owner of new files (default, as root: root)", TOOL_OWNER, TEXT,
		AT(owner), 0, 0 },
	{ "group", "GROUP", "group of new files (default, as root: cordon)", TOOL_OWNER, TEXT,
		AT(group), 0, 0 },
	{ "json", NULL, "print JSON", TOOL_JSON, SWITCH, AT(json), 0, 0 },
	{ "again", NULL, "make another CSR though one waits for its certificate", TOOL_AGAIN,
		SWITCH, AT(again), 0, 0 },
	{ "replace", NULL, "replace what is there", TOOL_REPLACE, SWITCH, AT(replace), 0, 0 },
	{ "compromised", NULL, "drop the old CA at once, because others may have its key",
		TOOL_COMPROMISED, SWITCH, AT(compromised), 0, 0 },
	{ "renew", NULL, "renew the certificate that is there, once it is due", TOOL_RENEW, SWITCH,
		AT(renew), 0, 0 },
	{ "yes", NULL, "do not ask", TOOL_CONSENT, SWITCH, AT(yes), 0, 0 },
	{ "socket", "FILE",
		"control socket of the daemon, which is asked how many devices are enrolled",
		TOOL_CONSENT, TEXT, AT(socket), 0, 0 },
	{ "api-key-file", "FILE", "file with the API key for mdmcert.download", TOOL_ACCOUNT, TEXT,
		AT(api_key_file), 0, 0 },
	{ "url", "URL", "where the request goes, instead of mdmcert.download", TOOL_ACCOUNT, TEXT,
		AT(url), 0, 0 },
	{ "trust", "FILE", "CA certificates to trust instead of the system's", TOOL_ACCOUNT, TEXT,
		AT(trust), 0, 0 },
	{ "password-file", "FILE", "file with the password, instead of asking for it",
		TOOL_PASSWORD, TEXT, AT(password_file), 0, 0 },
	{ "output", "FILE", "where the signed request goes; - is standard output", TOOL_OUTPUT,
		TEXT, AT(output), 0, 0 },
#undef AT
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

int
tool_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

void
tool_warn(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: warning: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void
print_verb(const struct tool_verb *v, bool next)
{
	char head[32];

	snprintf(head, sizeof(head), "%s%s%s", v->name, v->argument ? " " : "",
		v->argument ? v->argument : "");
	printf("  %s%-12s%s %s\n", next ? terminal_bold() : "", head, next ? terminal_plain() : "",
		v->summary);
}

static void
print_options(unsigned groups)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_info *o = &options[i];
		char head[48];

		if (!(o->group & groups))
			continue;
		snprintf(head, sizeof(head), "%s--%s%s%s",
			strcmp(o->name, "config") == 0 ? "-c, " : "    ", o->name,
			o->argument ? " " : "", o->argument ? o->argument : "");
		printf("  %-26s %s\n", head, o->text);
	}
	printf("  %-26s %s\n  %-26s %s\n", "-h, --help", "say this", "-V, --version",
		"say the version");
}

static int
print_help(const struct tool *t, const struct tool_verb *v)
{
	unsigned groups = TOOL_COMMON;

	if (v) {
		printf("usage: %s %s%s%s [OPTION...]\n\n%s\n\nOptions:\n", t->name, v->name,
			v->argument ? " " : "", v->argument ? v->argument : "", v->summary);
		print_options(TOOL_COMMON | v->groups);
		return EX_OK;
	}
	printf("usage: %s VERB [OPTION...]\n\n%s\n\nVerbs:\n", t->name, t->summary);
	for (size_t i = 0; i < t->verb_count; i++) {
		print_verb(&t->verbs[i], false);
		groups |= t->verbs[i].groups;
	}
	printf("\nOptions, not all with every verb (%s VERB --help):\n", t->name);
	print_options(groups);
	printf("\nThe exit status is one of sysexits.h: 0 done, 64 usage, 65 bad data, 66 file "
	       "missing,\n73 refused to overwrite, 74 not written, 77 no permission, 78 faulty "
	       "configuration.\n");
	return EX_OK;
}

static int
set_number(const struct option_info *info, const char *text, int *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < info->min || n > info->max)
		return tool_fail(EX_USAGE, "--%s %s: give a number from %d to %d", info->name, text,
			info->min, info->max);
	*ret = (int)n;
	return EX_OK;
}

static int
set_option(struct tool_options *o, const struct option_info *info, const char *value)
{
	char *at = (char *)o + info->offset;

	switch (info->kind) {
	case TEXT:
		*(const char **)at = value;
		return EX_OK;
	case NUMBER:
		return set_number(info, value, (int *)at);
	case SWITCH:
		*(bool *)at = true;
		return EX_OK;
	}
	return EX_SOFTWARE;
}

static const struct tool_verb *
find_verb(const struct tool *t, const char *name)
{
	for (size_t i = 0; i < t->verb_count; i++)
		if (strcmp(t->verbs[i].name, name) == 0)
			return &t->verbs[i];
	return NULL;
}

void
tool_list_verbs(const struct tool *t, const void *situation)
{
	printf("\nWhat you can do now:\n");
	for (size_t i = 0; i < t->verb_count; i++) {
		int applies = t->verbs[i].applies(situation);

		if (applies >= 0)
			print_verb(&t->verbs[i], applies > 0);
	}
	printf("\n%s --help lists all verbs and options.\n", t->name);
}

struct parsed {
	struct tool_options options;
	bool seen[OPTION_COUNT];
	bool help;
};

static void
build_long(struct option *out)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		out[i] = (struct option){ options[i].name,
			options[i].argument ? required_argument : no_argument, NULL,
			FIRST_LONG + (int)i };
	out[OPTION_COUNT] = (struct option){ "help", no_argument, NULL, 'h' };
	out[OPTION_COUNT + 1] = (struct option){ "version", no_argument, NULL, 'V' };
	out[OPTION_COUNT + 2] = (struct option){ 0 };
}

/* EX_OK to go on, -1 when all is said, else the status to exit with. */
static int
parse(const struct tool *t, int argc, char **argv, struct parsed *p)
{
	struct option longs[OPTION_COUNT + 3];
	int c, r;

	build_long(longs);
	while ((c = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
		if (c == 'V') {
			printf("%s %s\n", t->name, PACKAGE_VERSION);
			return -1;
		}
		if (c == 'h') {
			p->help = true;
			continue;
		}
		c = c == 'c' ? 0 : c - FIRST_LONG;
		if (c < 0 || (size_t)c >= OPTION_COUNT)
			return tool_fail(EX_USAGE, "%s --help lists the options", t->name);
		p->seen[c] = true;
		r = set_option(&p->options, &options[c], optarg);
		if (r != EX_OK)
			return r;
	}
	return EX_OK;
}

static int
check_groups(const struct tool *t, const struct tool_verb *v, const struct parsed *p)
{
	unsigned groups = TOOL_COMMON | (v ? v->groups : 0);
	const char *verb = v ? v->name : "";

	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (p->seen[i] && !(options[i].group & groups))
			return tool_fail(EX_USAGE,
				"--%s does not go with %s%s%s: see %s%s%s --help", options[i].name,
				t->name, v ? " " : "", verb, t->name, v ? " " : "", verb);
	return EX_OK;
}

static int
run_verb(const struct tool *t, int argc, char **argv, struct parsed *p)
{
	const struct tool_verb *v = NULL;
	int given = argc - optind, r;

	if (given > 0) {
		v = find_verb(t, argv[optind]);
		if (!v)
			return tool_fail(EX_USAGE, "there is no verb \"%s\": %s --help lists them",
				argv[optind], t->name);
	}
	if (p->help)
		return print_help(t, v);
	r = check_groups(t, v, p);
	if (r != EX_OK)
		return r;
	if (!v)
		return t->overview(t, &p->options);
	if (given > (v->argument ? 2 : 1) || (given < 2 && v->argument && v->argument[0] != '['))
		return tool_fail(EX_USAGE, "usage: %s %s%s%s [OPTION...]", t->name, v->name,
			v->argument ? " " : "", v->argument ? v->argument : "");
	p->options.argument = given > 1 ? argv[optind + 1] : NULL;
	return v->run(&p->options);
}

int
tool_main(const struct tool *t, int argc, char **argv)
{
	struct parsed p = { 0 };
	int r;

	program = t->name;
	log_set_name(t->name);
	/* getopt names the program by this. */
	argv[0] = (char *)(uintptr_t)t->name;
	r = parse(t, argc, argv, &p);
	if (r < 0)
		return EX_OK;
	if (r != EX_OK)
		return r;
	p.options.config_given = p.options.config != NULL;
	if (!p.options.config)
		p.options.config = CORDON_SYSCONFDIR "/cordon/cordond.conf";
	r = run_verb(t, argc, argv, &p);
	if (fflush(stdout) != 0 && r == EX_OK)
		return tool_fail(EX_IOERR, "standard output: %s", strerror(errno));
	return r;
}
