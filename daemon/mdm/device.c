/* device.c - /checkin and /mdm over HTTP */
#include "mdm/device.h"

#include "base/log.h"
#include "mdm/checkin.h"
#include "mdm/connect.h"
#include "mdm/declarative.h"
#include "mdm/release.h"
#include "mdm/source.h"

#include <errno.h>
#include <string.h>

#define TYPE_CHECKIN "application/x-apple-aspen-mdm-checkin"
#define UNKNOWN_BODY_MAX 65536u /* what is parsed of a message whose sender is not proven */

bool
device_is_checkin(const char *content_type)
{
	size_t len = strlen(TYPE_CHECKIN);

	if (!content_type || strncasecmp(content_type, TYPE_CHECKIN, len) != 0)
		return false;
	return content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL;
}

size_t
device_limit(const struct http_request *r)
{
	return device_is_checkin(http_header(r, "Content-Type")) ? MESSAGE_CHECKIN_MAX
								 : MESSAGE_REPORT_MAX;
}

static int
parse(bool checkin, struct bytes body, struct message **ret, const char **why)
{
	return checkin ? message_parse_checkin(body, ret, why)
		       : message_parse_report(body, ret, why);
}

/* Whose name it bears is worth noting; a large body from nobody is not worth reading. */
static void
refuse_unidentified(
	struct mdm *m, bool checkin, struct bytes body, const char *why, struct reply *out)
{
	struct message *msg = NULL;
	const char *ignored;

	if (body.len <= UNKNOWN_BODY_MAX)
		parse(checkin, body, &msg, &ignored);
	log_debug("refused a message of %s: %s", msg ? msg->id : "nobody known", why);
	party_refuse_id(m, msg ? msg->device : NULL, why, out);
	release_apply(m, msg ? msg->device : NULL, out);
	message_free(msg);
}

static void
answer_speaker(struct mdm *m, bool checkin, const struct credentials *c, const struct speaker *who,
	struct reply *out)
{
	struct message *msg = NULL;
	const char *why;

	if (parse(checkin, c->body, &msg, &why) < 0) {
		party_heard(m, NULL, who);
		party_refuse_id(m, who->identity ? who->identity->enrollment : NULL, why, out);
		return;
	}
	if (msg->kind == MESSAGE_REPORT)
		connect_answer(m, msg, who, out);
	else
		checkin_answer(m, msg, who, out);
	if (m->heard && !out->refused && out->status != 503)
		m->heard(m->heard_arg, msg, c);
	release_apply(m, msg->device, out);
	message_free(msg);
}

void
device_answer(struct mdm *m, bool checkin, const struct credentials *c, struct reply *out)
{
	struct speaker who;
	const char *why = NULL;
	int rc = auth_identify(m, c, &who, &why);

	if (rc == -EIO)
		reply_busy(out);
	else if (rc < 0)
		refuse_unidentified(m, checkin, c->body, why, out);
	else
		answer_speaker(m, checkin, c, &who, out);
	auth_speaker_free(&who);
}

static void
answer(struct mdm *m, struct http_request *r, struct reply *out)
{
	struct declarative_ask *ask = out->ask;

	out->ask = NULL;
	if (ask)
		declarative_send(m, r, ask);
	else
		http_reply(r, out->status, out->type, buf_bytes(&out->body));
}

void
device_handle(struct http_request *r, void *ctx)
{
	struct credentials c = { .signature = http_header(r, "Mdm-Signature"),
		.signatures = http_header_count(r, "Mdm-Signature"),
		.peer = source_certificate(ctx, r),
		.query = http_query(r),
		.body = http_body(r) };
	struct reply out = REPLY_INIT;

	device_answer(ctx, device_is_checkin(http_header(r, "Content-Type")), &c, &out);
	X509_free(c.peer);
	answer(ctx, r, &out);
	reply_free(&out);
}
