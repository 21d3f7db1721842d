/* target.c - ids as people write them, and the names of callers */
#include "admin/target.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "base/mem.h"

#define BEGINNING_MIN 4

struct newest {
	struct admin *admin;
	struct buf *id;
	int64_t since;
};

static int
take_newest(void *arg, const char *id)
{
	struct newest *n = arg;
	const struct roster_line *line = roster_find(n->admin->mdm.roster, id);

	if (line && (n->id->len == 0 || line->enrolled_at >= n->since)) {
		n->since = line->enrolled_at;
		buf_reset(n->id);
		buf_add_str(n->id, id);
	}
	return 0;
}

static int
by_beginning(struct admin *a, const char *text, struct buf *id)
{
	size_t len = strlen(text), found = 0;
	const char *only = NULL;

	if (len < BEGINNING_MIN)
		return -ENOENT;
	for (size_t i = 0; i < roster_count(a->mdm.roster); i++) {
		const struct roster_line *line = roster_at(a->mdm.roster, i);

		if (line && strncmp(line->id, text, len) == 0) {
			/* a device's user channels begin with its id: the device itself is meant */
			if (only && strncmp(line->id, only, strlen(only)) == 0)
				continue;
			only = line->id;
			found++;
		}
	}
	if (found == 1)
		buf_add_str(id, only);
	return found == 1 ? 0 : found ? -EEXIST : -ENOENT;
}

int
target_resolve(struct admin *a, const char *text, struct buf *id)
{
	struct buf serial = BUF_INIT;
	struct newest n = { a, &serial, 0 };
	int err;

	if (!enrollment_id_valid(text))
		return -ENOENT;
	if (roster_find(a->mdm.roster, text)) {
		buf_add_str(id, text);
		return 0;
	}
	err = enrollment_by_serial(a->mdm.store, text, take_newest, &n);
	if (err >= 0 && serial.len)
		buf_add_bytes(id, buf_bytes(&serial));
	else if (err == 0 || err == -ENOENT)
		err = by_beginning(a, text, id);
	buf_free(&serial);
	return err > 0 ? 0 : err;
}

bool
target_or_answer(struct admin *a, struct http_request *r, const char *text, struct buf *id)
{
	int err = target_resolve(a, text, id);

	if (err == 0)
		return true;
	if (err == -ENOENT)
		answer_error(r, 404, "%s: no enrollment has this id or serial number", text);
	else if (err == -EEXIST)
		answer_error(r, 409, "%s: several ids begin so: write more of it", text);
	else
		answer_error(r, 500, "%s: the store cannot be read", text);
	return false;
}

size_t
target_parts(const char *path, const char *prefix, char **copy, char **parts, size_t max)
{
	size_t count = 0;
	char *rest, *part;

	*copy = xstrdup(path + strlen(prefix));
	rest = *copy;
	while (count < max && (part = strsep(&rest, "/")) != NULL)
		if (*part)
			parts[count++] = part;
	return rest && *rest ? max + 1 : count;
}

void
target_actor(const struct http_request *r, struct buf *out)
{
	struct passwd record, *found = NULL;
	char room[4096];
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (http_caller(r)) {
		buf_printf(out, "api:%s", http_caller(r));
		return;
	}
	if (!http_peer_cred(r, &uid, &gid, &pid)) {
		buf_add_str(out, http_peer(r));
		return;
	}
	if (getpwuid_r(uid, &record, room, sizeof(room), &found) == 0 && found)
		buf_add_str(out, found->pw_name);
	else
		buf_printf(out, "uid %u", (unsigned)uid);
}
