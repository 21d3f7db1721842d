/* fuzz_message.c - property lists of devices: check-in messages and command reports */
#include <jansson.h>
#include <string.h>

#include "admin/answer.h"
#include "base/encode.h"
#include "base/proplist.h"
#include "fuzz/fuzz.h"
#include "mdm/endpoint.h"
#include "mdm/message.h"

/* What becomes part of a URL has nothing in it that could leave its place there. */
static void
look_at_endpoint(const char *endpoint)
{
	struct buf path = BUF_INIT;
	enum endpoint kind;

	if (endpoint_read(endpoint, &kind, &path) == 0) {
		MUST(path.len > 0 && path.data[0] != '/' && !strstr(buf_str(&path), "/."));
		for (size_t i = 0; i < path.len; i++)
			MUST(path.data[i] > ' ' && path.data[i] < 0x7f &&
				!strchr("?#\\:@", path.data[i]));
	}
	buf_free(&path);
}

static void
look(struct message *m)
{
	struct buf xml = BUF_INIT;
	json_t *shown = json_from_plist(m->root);

	MUST(m->id && m->device && enrollment_id_valid(m->id));
	MUST(utf8_valid(bytes_str(m->id)));
	MUST(m->token.len <= MESSAGE_TOKEN_MAX);
	if (m->endpoint)
		look_at_endpoint(m->endpoint);
	proplist_to_xml(m->root, &xml);
	json_decref(shown);
	buf_free(&xml);
	message_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message *m;
	const char *why;

	if (message_parse_checkin(bytes_of(data, size), &m, &why) == 0)
		look(m);
	else
		MUST(why);
	if (message_parse_report(bytes_of(data, size), &m, &why) == 0)
		look(m);
	else
		MUST(why);
	return 0;
}
