/* release.c - ids that an administrator told to go */
#include "mdm/release.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/meta.h"

#include <errno.h>
#include <stdlib.h>

static bool
enrolled(const struct mdm *m, const char *id)
{
	const struct roster_line *line = roster_find(m->roster, id);

	return line && (line->state == STATE_ENROLLED || line->state == STATE_INACTIVE);
}

int
release_set(struct mdm *m, const char *id, const char *actor)
{
	char *key;
	int rc;

	if (!enrollment_id_valid(id))
		return -EINVAL;
	if (enrolled(m, id))
		return -EBUSY;
	key = xasprintf("release/%s", id);
	rc = meta_put_int(m->store, key, mdm_now(m));
	free(key);
	if (rc == 0)
		log_event(EV_DEVICE_RELEASED, FIELDS(F_ENROLLMENT(id), F_ACTOR(actor)),
			"Device %s is told to unenroll when it comes next, by %s", id, actor);
	return rc;
}

int
release_clear(struct mdm *m, const char *id)
{
	char *key = xasprintf("release/%s", id);
	int64_t at;
	int rc = meta_get_int(m->store, key, &at);

	if (rc == 0)
		rc = meta_put_str(m->store, key, NULL);
	free(key);
	return rc;
}

int64_t
release_at(struct mdm *m, const char *id)
{
	const struct roster_line *line = roster_find(m->roster, id);
	char *key = xasprintf("release/%s", id);
	int64_t at = 0;

	if (meta_get_int(m->store, key, &at) < 0 || (line && line->enrolled_at > at))
		at = 0;
	free(key);
	return at;
}

void
release_apply(struct mdm *m, const char *id, struct reply *out)
{
	if (out->status != 400 || !id || enrolled(m, id) || !release_at(m, id))
		return;
	reply_text(out, 403, "");
	buf_reset(&out->body);
	buf_add_str(&out->body, "{\"code\":\"com.apple.unrecognized.device\"}");
	out->type = "application/json";
	log_info("device %s was told to unenroll", id);
}
