/*
 * old-fleet - writes a fleet with a past into the store of a daemon that does not run: for tests
 * that cannot wait for days
 *
 *   old-fleet STATE STORE_KEY TOPIC COUNT SILENT DAYS [REFRESHED]
 *   old-fleet STATE STORE_KEY TOPIC --silent DAYS ID...
 *
 * COUNT devices OLD-0 ... answered a moment ago, but the last SILENT of them were asked DAYS ago
 * and did not answer; the topic's service clock ran all the time.  Their system information is
 * REFRESHED days old (0).  100,000 take a few seconds.  With --silent that is said of enrollments
 * that are there, and all others answered a moment ago.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/meta.h"
#include "store/roster.h"

#define DAY INT64_C(86400)
#define BATCH 1000

static struct seal *
read_key(const char *path)
{
	unsigned char key[SEAL_KEY_LEN];
	struct buf text = BUF_INIT;
	struct seal *seal = NULL;

	if (file_read(path, 4096, &text, NULL) == 0 && seal_key_parse(buf_bytes(&text), key) == 0)
		seal = seal_new(key);
	buf_wipe(&text);
	return seal;
}

static int
add_device(struct store *s, long i, const char *topic, int64_t silent_days, int64_t refreshed)
{
	int64_t now = clock_wall();
	char *id = xasprintf("OLD-%ld", i);
	struct enrollment *e = enrollment_new(id, CHANNEL_DEVICE);
	int rc;

	e->state = STATE_ENROLLED;
	e->state_since = e->enrolled_at = e->first_enrolled_at = now - 100 * DAY;
	e->generation = 1;
	e->topic = xstrdup(topic);
	e->facts.serial = xasprintf("OLDSERIAL%ld", i);
	e->facts.device_name = xasprintf("=Device, \"%ld\"", i);
	e->facts.os_version = xstrdup(i % 2 ? "9.1" : "18.2");
	buf_printf(&e->token, "token of the device %012ld", i);
	e->magic = xstrdup("magic");
	e->token_time = e->enrolled_at;
	e->last_seen = now - silent_days * DAY;
	e->last_push = now;
	e->unanswered_since = silent_days > 0;
	e->unanswered = (unsigned)silent_days;
	for (size_t k = 0; k < ENROLLMENT_REFRESH; k++)
		e->refreshed[k] = now - refreshed * DAY;
	rc = enrollment_save(s, e);
	enrollment_free(e);
	free(id);
	return rc;
}

static int
add_clock(struct store *s, const char *topic, int64_t seconds)
{
	char *name = xasprintf("service-clock/%s", topic);
	int rc = meta_put_int(s, name, seconds);

	free(name);
	if (rc == 0)
		rc = meta_put_int(s, "service-run", seconds);
	return rc == 0 ? meta_put_int(s, "service-wall", clock_wall()) : rc;
}

static int
add_fleet(struct store *s, int argc, char **argv)
{
	long count = strtol(argv[4], NULL, 10), silent = strtol(argv[5], NULL, 10), i;
	int64_t days = strtol(argv[6], NULL, 10);
	int64_t refreshed = argc == 8 ? strtol(argv[7], NULL, 10) : 0;
	int rc = add_clock(s, argv[3], days * DAY + 1);

	for (i = 0; i < count && rc == 0; i++) {
		rc = add_device(s, i, argv[3], i >= count - silent ? days : 0, refreshed);
		if (rc == 0 && i % BATCH == BATCH - 1)
			rc = store_commit(s);
	}
	return rc;
}

static bool
is_named(char *const *ids, const char *id)
{
	while (*ids && strcmp(*ids, id) != 0)
		ids++;
	return *ids != NULL;
}

static int
silence(struct store *s, const char *id, bool silent, int64_t days)
{
	struct enrollment *e = NULL;
	int rc = enrollment_load(s, id, &e);

	if (rc < 0)
		return rc;
	e->unanswered_since = silent ? 1 : 0;
	e->unanswered = silent ? (unsigned)days : 0;
	rc = enrollment_save(s, e);
	enrollment_free(e);
	return rc;
}

static int
silence_some(struct store *s, char **argv)
{
	int64_t days = strtol(argv[5], NULL, 10);
	struct roster *roster = roster_new();
	int rc = roster_load(roster, s);
	size_t i;

	if (rc == 0)
		rc = add_clock(s, argv[3], days * DAY + 1);
	for (i = 0; i < roster_count(roster) && rc == 0; i++) {
		const struct roster_line *line = roster_at(roster, i);

		if (line)
			rc = silence(s, line->id, is_named(argv + 6, line->id), days);
	}
	roster_free(roster);
	return rc;
}

int
main(int argc, char **argv)
{
	struct store_options o = { 0 };
	struct store *s;
	char *why = NULL;
	int rc;

	if (argc < 7)
		return EX_USAGE;
	o.directory = argv[1];
	o.seal = read_key(argv[2]);
	if (!o.seal || store_open(&o, &s, &why) < 0) {
		fprintf(stderr, "old-fleet: %s\n", why ? why : "the key cannot be read");
		return EX_NOINPUT;
	}
	rc = strcmp(argv[4], "--silent") == 0 ? silence_some(s, argv) : add_fleet(s, argc, argv);
	if (rc == 0)
		rc = store_commit(s);
	store_close(s);
	seal_free((struct seal *)(uintptr_t)o.seal);
	if (rc < 0)
		fprintf(stderr, "old-fleet: %s\n", strerror(-rc));
	return rc < 0 ? EX_IOERR : 0;
}
