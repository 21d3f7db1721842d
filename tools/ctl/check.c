/* check.c - cordonctl check: the world around the daemon, from this machine */
#include "ctl/check.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/table.h"
#include "ctl/verbs.h"

static const char *const result_names[] = { "good", "note", "fault" };

void
check_say(struct check *c, const char *about, enum check_result result, const char *fmt, ...)
{
	json_t *line = json_object();
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* out of memory */
	va_end(ap);
	json_object_set_new(line, "check", json_string(about));
	json_object_set_new(line, "result", json_string(result_names[result]));
	json_object_set_new(line, "text", json_string(text));
	json_array_append_new(c->list, line);
	c->faults += result == CHECK_FAULT;
	if (!verbs_json && (result == CHECK_FAULT || !c->faults_only)) {
		const char *color = result == CHECK_FAULT  ? terminal_red()
				    : result == CHECK_GOOD ? terminal_green()
							   : "";

		printf("%s%-5s%s %-13s %s\n", color, result_names[result], terminal_plain(), about,
			text);
		fflush(stdout);
	}
	free(text);
}

static struct conf *
load(struct check *c, const char *file)
{
	struct conf_faults faults = { 0 };
	struct conf *conf = conf_load(file, NULL, NULL, &faults);
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < faults.count; i++) {
		buf_reset(&line);
		conf_fault_format(&faults.items[i], &line);
		check_say(c, "configuration", faults.items[i].warning ? CHECK_NOTE : CHECK_FAULT,
			"%s", buf_str(&line));
	}
	if (conf)
		check_say(c, "configuration", CHECK_GOOD, "%s has no fault", file);
	conf_faults_free(&faults);
	buf_free(&line);
	return conf;
}

static void
check_all(struct check *c)
{
	check_push(c);
	check_name(c);
	check_certificates(c);
	check_directories(c);
	check_resources(c);
	check_say(c, "old gateway", CHECK_NOTE,
		"gateway.push.apple.com:2195 and feedback.push.apple.com:2196 are gone since March "
		"2021; api.push.apple.com on 443 or 2197 took their place, and its answer 410 that "
		"of the feedback service: close the two ports");
}

int
verb_check(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "firewall", no_argument, NULL, 'f' }, { 0 } };
	const char *file = CORDON_SYSCONFDIR "/cordon/cordond.conf";
	struct check c = { 0 };
	struct conf *conf;
	int o, code;

	optind = 0;
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (o == '?')
			return EXIT_USAGE_FAULT;
		if (o == 'c')
			file = optarg;
		c.faults_only = c.faults_only || o == 'f';
	}
	c.list = json_array();
	conf = load(&c, file);
	c.conf = conf;
	if (conf && c.faults_only)
		firewall_print(conf);
	else if (conf)
		check_all(&c);
	if (verbs_json && !c.faults_only)
		print_json(c.list);
	code = !conf ? EX_CONFIG : c.faults ? EXIT_ATTENTION : EXIT_FINE;
	conf_unref(conf);
	json_decref(c.list);
	return code;
}
