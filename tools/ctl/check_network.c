/* check_network.c - the way to Apple, and the way from our own name to us */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "ctl/check.h"
#include "ctl/probe.h"

#define OTHER_PORT 2197 /* the same service, easier to open in a firewall */
#define SKEW_MAX 60	/* seconds of difference that are worth a word */
#define ANSWER_MAX 4096

static enum probe_end
probe_push(struct check *c, unsigned port, bool needed)
{
	const char *host = c->conf->push.host;
	struct buf words = BUF_INIT;
	enum probe_end end;
	struct probe p;

	probe_run(&p, host, port, c->conf->push.trust ? c->conf->push.trust : "system", true);
	probe_words(&p, host, port, &words);
	end = p.end;
	if (end == PROBE_GOOD)
		check_say(c, "push", CHECK_GOOD, "%s", buf_str(&words));
	else
		check_say(c, "push", needed ? CHECK_FAULT : CHECK_NOTE, "%s%s", buf_str(&words),
			needed ? "" : " (not needed while the other port works)");
	probe_free(&p);
	buf_free(&words);
	return end;
}

void
check_push(struct check *c)
{
	unsigned port = c->conf->push.port, other = port == OTHER_PORT ? 443 : OTHER_PORT;
	enum probe_end first = probe_push(c, port, true);

	if (first == PROBE_NO_NAME || first == PROBE_WRONG_NAME)
		return; /* the other port has the same name */
	if (probe_push(c, other, false) == PROBE_GOOD && first != PROBE_GOOD)
		check_say(c, "push", CHECK_NOTE,
			"port %u works where %u does not: push: { port = %u; }; would do", other,
			port, other);
}

static size_t
take(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;

	if (answer->len + size * count > ANSWER_MAX)
		return 0;
	buf_add(answer, data, size * count);
	return size * count;
}

static size_t
take_date(char *data, size_t size, size_t count, void *arg)
{
	size_t n = size * count;
	char line[128];

	if (n > 6 && n < sizeof(line) && strncasecmp(data, "Date: ", 6) == 0) {
		memcpy(line, data + 6, n - 6);
		line[n - 6] = '\0';
		*(time_t *)arg = curl_getdate(line, NULL);
	}
	return n;
}

static void
judge_date(struct check *c, const char *who, time_t date)
{
	int64_t skew = (int64_t)date - clock_wall();

	if (date <= 0)
		return;
	if (skew > SKEW_MAX || skew < -SKEW_MAX)
		check_say(c, "clock", CHECK_FAULT,
			"the clock of this machine is %" PRId64 " s %s that of %s: certificates "
			"and pushes are judged by it; set it (timedatectl set-ntp true)",
			skew < 0 ? -skew : skew, skew < 0 ? "ahead of" : "behind", who);
	else
		check_say(c, "clock", CHECK_GOOD, "agrees with that of %s", who);
}

/* Devices have our own root from the profile; here it lies beside. */
static char *
own_root(const struct conf *c)
{
	char *path = xasprintf("%s/tls-ca.crt", c->certificates);

	if (file_exists(path))
		return path;
	free(path);
	return NULL;
}

struct asking {
	struct buf answer;
	time_t date;
	long status;
	char error[CURL_ERROR_SIZE];
};

static CURLcode
ask(const char *url, const char *root, struct asking *a)
{
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;

	if (!curl)
		return code;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 8L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 15L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, a->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a->answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_date);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a->date);
	if (root)
		curl_easy_setopt(curl, CURLOPT_CAINFO, root);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
	curl_easy_cleanup(curl);
	return code;
}

static void
say_unreachable(struct check *c, const char *url, CURLcode code, const struct asking *a)
{
	const char *why = *a->error ? a->error : curl_easy_strerror(code);
	const char *remedy = "see that the name leads here and the port is open from outside";

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		remedy = "make the name in DNS";
		break;
	case CURLE_COULDNT_CONNECT:
		remedy = "is cordond running, with a TLS certificate, and does the name lead here?";
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		remedy = "devices will refuse it too: see the TLS certificate";
		break;
	default:
		break;
	}
	check_say(c, "name", CHECK_FAULT, "%s cannot be had: %s: %s", url, why, remedy);
}

void
check_name(struct check *c)
{
	char *url = xasprintf("https://%s/version", c->conf->server_name),
	     *root = own_root(c->conf);
	struct asking a = { .status = 0 };
	CURLcode code = ask(url, root, &a);

	if (code != CURLE_OK)
		say_unreachable(c, url, code, &a);
	else if (a.status != 200 || strncmp(buf_str(&a.answer), "cordon", 6) != 0)
		check_say(c, "name", CHECK_FAULT,
			"%s is answered by another program (HTTP %ld): the name or the proxy leads "
			"to the wrong server",
			url, a.status);
	else
		check_say(c, "name", CHECK_GOOD,
			"%s answers from here; try it once from the internet too, as devices do",
			url);
	if (code == CURLE_OK)
		judge_date(c, c->conf->server_name, a.date);
	a = (struct asking){ .answer = a.answer };
	free(url);
	buf_reset(&a.answer);
	url = xasprintf("https://%s:%u/", c->conf->push.host, c->conf->push.port);
	if (ask(url,
		    c->conf->push.trust && strcmp(c->conf->push.trust, "system") != 0
			    ? c->conf->push.trust
			    : NULL,
		    &a) == CURLE_OK &&
		a.date > 0)
		judge_date(c, c->conf->push.host, a.date);
	buf_free(&a.answer);
	free(url);
	free(root);
}
