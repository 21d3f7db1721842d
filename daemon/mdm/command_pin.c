/* command_pin.c - the PINs that DeviceLock and EraseDevice leave on a Mac */
#include "mdm/command_pin.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/command.h"
#include "store/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (1u << 20)

/* What the device itself said last; absent is no. */
static bool
apple_silicon(struct mdm *m, const char *id)
{
	struct buf body = BUF_INIT;
	plist_t root = NULL, answers;
	bool is = false;

	if (result_latest_get(m->store, id, "DeviceInformation", ANSWER_MAX, NULL, &body) == 0 &&
		proplist_parse(buf_bytes(&body), &root) == 0) {
		answers = proplist_dict(root, "QueryResponses");
		is = answers && proplist_bool(answers, "IsAppleSilicon", false);
	}
	plist_free(root);
	buf_free(&body);
	return is;
}

bool
command_pin_needed(struct mdm *m, const struct enrollment *e, const char *type)
{
	if (!command_takes_pin(type) || schema_os_of(&e->facts) != OS_MACOS)
		return false;
	return strcmp(type, "DeviceLock") == 0 || !apple_silicon(m, e->id);
}

/* Six digits, each as likely as any other. */
static void
make(char pin[COMMAND_PIN_LEN + 1])
{
	unsigned char byte;
	size_t i = 0;

	while (i < COMMAND_PIN_LEN) {
		random_bytes(&byte, 1);
		if (byte < 250)
			pin[i++] = (char)('0' + byte % 10);
	}
	pin[COMMAND_PIN_LEN] = '\0';
}

/* A line each: UUID, type, PIN, time. */
static bool
read_line(char *line, struct command_pin *ret)
{
	char *at;

	ret->uuid = strsep(&line, "\t");
	ret->type = strsep(&line, "\t");
	ret->pin = strsep(&line, "\t");
	at = strsep(&line, "\t");
	if (!at || !ret->pin || strlen(ret->pin) != COMMAND_PIN_LEN)
		return false;
	ret->at = strtoll(at, NULL, 10);
	return true;
}

int
command_pin_each(struct mdm *m, const char *id, unsigned generation,
	void (*each)(void *arg, const struct command_pin *pin), void *arg)
{
	struct buf kept = BUF_INIT;
	struct command_pin pin;
	char *rest, *line;
	int rc = secret_get(m->store, id, generation, SECRET_PIN, &kept);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	buf_add_char(&kept, '\0');
	for (rest = (char *)kept.data; (line = strsep(&rest, "\n")) != NULL;)
		if (read_line(line, &pin))
			each(arg, &pin);
	buf_wipe(&kept);
	return 0;
}

struct search {
	const char *uuid;
	char *pin;
	bool found;
};

static void
look(void *arg, const struct command_pin *pin)
{
	struct search *s = arg;

	if (strcmp(pin->uuid, s->uuid) != 0)
		return;
	s->found = true;
	memcpy(s->pin, pin->pin, COMMAND_PIN_LEN + 1);
}

int
command_pin_get(
	struct mdm *m, const struct enrollment *e, const char *uuid, char pin[COMMAND_PIN_LEN + 1])
{
	struct search s = { uuid, pin, false };
	int rc = command_pin_each(m, e->id, e->generation, look, &s);

	return rc < 0 ? rc : s.found ? 0 : -ENOENT;
}

struct copying {
	struct buf *out;
	size_t skip; /* the oldest */
};

static void
number(void *arg, const struct command_pin *pin)
{
	(void)pin;
	(*(size_t *)arg)++;
}

static void
copy(void *arg, const struct command_pin *pin)
{
	struct copying *c = arg;

	if (c->skip > 0)
		c->skip--;
	else
		buf_printf(c->out, "%s\t%s\t%s\t%" PRId64 "\n", pin->uuid, pin->type, pin->pin,
			pin->at);
}

static int
append(struct mdm *m, const struct enrollment *e, const struct command_pin *pin)
{
	struct buf all = BUF_INIT;
	struct copying c = { &all, 0 };
	size_t count = 0;
	int rc = command_pin_each(m, e->id, e->generation, number, &count);

	c.skip = count >= COMMAND_PINS ? count - COMMAND_PINS + 1 : 0;
	if (rc == 0)
		rc = command_pin_each(m, e->id, e->generation, copy, &c);
	if (rc == 0) {
		c.skip = 0;
		copy(&c, pin);
		rc = secret_put(m->store, e->id, e->generation, SECRET_PIN, buf_bytes(&all));
	}
	buf_wipe(&all);
	return rc;
}

int
command_pin_keep(struct mdm *m, const struct enrollment *e, const char *type, const char *uuid,
	const char *given)
{
	char made[COMMAND_PIN_LEN + 1];
	struct command_pin pin = { uuid, type, given, mdm_now(m) };
	int rc;

	if (!command_takes_pin(type) || (!given && !command_pin_needed(m, e, type)))
		return 0;
	if (given && strlen(given) != COMMAND_PIN_LEN)
		return -EINVAL;
	rc = command_pin_get(m, e, uuid, made);
	if (rc == -ENOENT) {
		if (!given) {
			make(made);
			pin.pin = made;
		}
		rc = append(m, e, &pin);
	}
	explicit_bzero(made, sizeof(made));
	return rc;
}
