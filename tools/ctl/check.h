/* check.h - what cordonctl check finds: one line each, good or not */
#ifndef CORDON_CTL_CHECK_H
#define CORDON_CTL_CHECK_H

#include <jansson.h>

#include "conf/conf.h"

enum check_result { CHECK_GOOD, CHECK_NOTE, CHECK_FAULT };

struct check {
	const struct conf *conf;
	json_t *list; /* {"check", "result", "text"} */
	unsigned faults;
	bool faults_only; /* print nothing else */
};

/* `about` is a short static word: "push", "name", "disk". */
void check_say(struct check *c, const char *about, enum check_result result, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* check_network.c */
void check_push(struct check *c);
void check_name(struct check *c); /* our own, as devices call us */

/* check_host.c */
void check_certificates(struct check *c);
void check_directories(struct check *c);
void check_resources(struct check *c);

/* firewall.c: the request to whoever runs the firewall, on stdout. */
void firewall_print(const struct conf *c);

#endif
