/* command_fill.c - what a command gets when it is handed out */
#include "mdm/command_fill.h"

#include "base/proplist.h"
#include "mdm/command.h"
#include "mdm/command_pin.h"

#include <errno.h>
#include <string.h>

static int
fill_pin(struct mdm *m, const struct enrollment *e, const struct queue_entry *entry, plist_t inner)
{
	char pin[COMMAND_PIN_LEN + 1];
	int rc;

	if (proplist_has(inner, "PIN"))
		return 0;
	/* Queued before the device was known to be a Mac. */
	rc = command_pin_keep(m, e, entry->type, entry->uuid, NULL);
	if (rc == 0)
		rc = command_pin_get(m, e, entry->uuid, pin);
	if (rc == 0)
		plist_dict_set_item(inner, "PIN", plist_new_string(pin));
	explicit_bzero(pin, sizeof(pin));
	return rc == -ENOENT ? 0 : rc;
}

static int
fill_unlock_token(
	struct mdm *m, const struct enrollment *e, const struct queue_entry *entry, plist_t inner)
{
	struct buf token = BUF_INIT;
	int rc;

	(void)entry;
	if (proplist_data(inner, "UnlockToken").len > 0)
		return 0;
	rc = secret_get(m->store, e->id, e->generation, SECRET_UNLOCK_TOKEN, &token);
	if (rc == 0)
		plist_dict_set_item(
			inner, "UnlockToken", plist_new_data((const char *)token.data, token.len));
	buf_wipe(&token);
	return rc == -ENOENT ? -ENODATA : rc;
}

static const struct filler {
	const char *type;
	int (*fill)(struct mdm *m, const struct enrollment *e, const struct queue_entry *entry,
		plist_t inner);
} fillers[] = {
	{ "DeviceLock", fill_pin },
	{ "EraseDevice", fill_pin },
	{ "ClearPasscode", fill_unlock_token },
};

int
command_fill(struct mdm *m, const struct enrollment *e, const struct queue_entry *entry,
	struct buf *body)
{
	const struct filler *f = NULL;
	plist_t root, inner;
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof(fillers) / sizeof(fillers[0]) && !f; i++)
		if (strcmp(fillers[i].type, entry->type) == 0)
			f = &fillers[i];
	if (!f)
		return 0;
	if (proplist_parse(buf_bytes(body), &root) < 0)
		return -EBADMSG;
	inner = proplist_dict(root, "Command");
	rc = inner ? f->fill(m, e, entry, inner) : -EBADMSG;
	if (rc == 0) {
		buf_wipe(body);
		proplist_to_xml(root, body);
	}
	plist_free(root);
	return rc;
}

int
command_fillable(struct mdm *m, const struct enrollment *e, const char *type)
{
	struct buf token = BUF_INIT;
	int rc;

	if (!command_fills(type, "UnlockToken"))
		return 0;
	rc = secret_get(m->store, e->id, e->generation, SECRET_UNLOCK_TOKEN, &token);
	buf_wipe(&token);
	return rc == -ENOENT ? -ENODATA : rc;
}
