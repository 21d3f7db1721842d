/*
 * room.c - sees a disk fill up before the store must refuse
 *
 * Segments of the log are prepared ahead, so that changes are taken for a while on a full disk: 32
 * to 64 MiB of them.  That reserve is for the time in which a person makes room, so the person must
 * hear when it begins to be all there is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/internal.h"

#define LOOK_MS 5000

/* Bytes that this process may still write; UINT64_MAX when nobody can tell. */
static uint64_t
free_bytes(const struct store *s)
{
	struct statvfs fs;

	if (fstatvfs(s->lock, &fs) < 0)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* A sentence's end, NULL when all is well; the caller frees. */
static char *
look(const struct store *s, uint64_t room)
{
	if (s->checkpoint_err)
		return xasprintf("changes cannot be brought from the log into the database (%s)",
			strerror(-s->checkpoint_err));
	if (room / ROOM_SEGMENTS < s->options.segment_size)
		return xasprintf(
			"only %.1f MiB are free on its file system", (double)room / (1024 * 1024));
	if (s->prepare_err)
		return xasprintf("the next segment of the log cannot be prepared (%s)",
			strerror(-s->prepare_err));
	return NULL;
}

void
room_tick(struct store *s)
{
	char *before = s->short_words;
	uint64_t room;

	if (s->now_ms < s->room_ms)
		return;
	s->room_ms = s->now_ms + LOOK_MS;
	room = free_bytes(s);
	s->short_words = look(s, room);
	if (s->short_words && !before)
		log_event(EV_STORE_SHORT, NO_FIELDS, "%s: %s; changes go on from a reserve",
			s->directory, s->short_words);
	else if (before && !s->short_words)
		log_info("%s: there is room again", s->directory);
	/* What failed for want of room need not wait for its time. */
	if (s->short_words && room / ROOM_SEGMENTS >= s->options.segment_size && s->room_was_short)
		s->retry_ms = s->now_ms;
	s->room_was_short = room / ROOM_SEGMENTS < s->options.segment_size;
	free(before);
}
