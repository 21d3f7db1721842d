/*
 * roster.c - every enrollment in memory, a line each
 *
 * Lines are an array in order of first enrollment; ids lie in pages that never move; an
 * open-addressing index of line numbers finds them.  About 130 bytes an enrollment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/roster.h"

#define PAGE (64u << 10)
#define FIRST_SLOTS 64u
#define NO_LINE UINT32_MAX

/* A place of the index: 0 is free, GONE was in use, else line number + FIRST. */
#define GONE 1u
#define FIRST 2u

struct topic {
	char *name;
	size_t devices; /* Enrolled and Inactive */
};

struct page {
	struct page *next;
	size_t used;
	char text[];
};

struct roster {
	struct roster_line *lines; /* id NULL: forgotten, until the next compaction */
	bool *dirty;		   /* last_seen is newer than in the store */
	size_t used, cap, live;
	uint32_t *slots;
	size_t slot_count, slots_used; /* used: also those that are GONE */
	struct page *pages;
	struct topic *topics; /* [0] is none */
	size_t topic_count;
	struct roster_counts counts;
	size_t dirty_count, dirty_from; /* from: no dirty line before it */
};

struct roster *
roster_new(void)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	r->slot_count = FIRST_SLOTS;
	r->slots = xcalloc(r->slot_count, sizeof(*r->slots));
	r->topics = xcalloc(1, sizeof(*r->topics));
	r->topic_count = 1;
	return r;
}

void
roster_free(struct roster *r)
{
	struct page *p;

	if (!r)
		return;
	while ((p = r->pages)) {
		r->pages = p->next;
		free(p);
	}
	for (size_t i = 1; i < r->topic_count; i++)
		free(r->topics[i].name);
	free(r->topics);
	free(r->slots);
	free(r->dirty);
	free(r->lines);
	free(r);
}

/* ---- ids and the index ---- */

static const char *
keep_id(struct roster *r, struct bytes id)
{
	struct page *p = r->pages;
	char *text;

	if (!p || PAGE - p->used < id.len + 1) {
		p = xmalloc(sizeof(*p) + PAGE);
		p->next = r->pages;
		p->used = 0;
		r->pages = p;
	}
	text = p->text + p->used;
	memcpy(text, id.data, id.len);
	text[id.len] = 0;
	p->used += id.len + 1;
	return text;
}

/* The index's place that holds this id, or the free one where the search ended. */
static size_t
probe(const struct roster *r, struct bytes id)
{
	size_t mask = r->slot_count - 1;
	size_t at = (size_t)digest_spread(id) & mask;

	for (; r->slots[at] != 0; at = (at + 1) & mask)
		if (r->slots[at] >= FIRST && bytes_eq_str(id, r->lines[r->slots[at] - FIRST].id))
			break;
	return at;
}

static uint32_t
line_of(const struct roster *r, struct bytes id)
{
	uint32_t v = r->slots[probe(r, id)];

	return v >= FIRST ? v - FIRST : NO_LINE;
}

/* Builds the index anew, at most half full. */
static void
reindex(struct roster *r)
{
	while (r->slot_count < 2 * (r->live + 1))
		r->slot_count *= 2;
	free(r->slots);
	r->slots = xcalloc(r->slot_count, sizeof(*r->slots));
	r->slots_used = 0;
	for (size_t i = 0; i < r->used; i++) {
		if (!r->lines[i].id)
			continue;
		r->slots[probe(r, bytes_str(r->lines[i].id))] = (uint32_t)i + FIRST;
		r->slots_used++;
	}
}

static uint32_t
add_line(struct roster *r, struct bytes id)
{
	size_t i = r->used;

	if (4 * (r->slots_used + 1) > 3 * r->slot_count)
		reindex(r);
	if (i == r->cap) {
		r->cap = r->cap ? r->cap + r->cap / 2 : 16;
		r->lines = xrealloc(r->lines, r->cap * sizeof(*r->lines));
		r->dirty = xrealloc(r->dirty, r->cap * sizeof(*r->dirty));
	}
	r->slots[probe(r, id)] = (uint32_t)i + FIRST;
	r->slots_used++;
	r->lines[i] = (struct roster_line){ .id = keep_id(r, id) };
	r->dirty[i] = false;
	r->used++;
	r->live++;
	return (uint32_t)i;
}

/* Takes the lines of forgotten enrollments and the pages of their ids out. */
static void
compact(struct roster *r)
{
	struct page *old = r->pages, *next;
	size_t to = 0;

	r->pages = NULL;
	r->dirty_from = 0;
	for (size_t i = 0; i < r->used; i++) {
		if (!r->lines[i].id)
			continue;
		r->lines[to] = r->lines[i];
		r->dirty[to] = r->dirty[i];
		r->lines[to].id = keep_id(r, bytes_str(r->lines[i].id));
		to++;
	}
	r->used = to;
	for (; old; old = next) {
		next = old->next;
		free(old);
	}
	reindex(r);
}

/* ---- counts ---- */

static uint16_t
topic_index(struct roster *r, const char *name)
{
	if (!name || !*name)
		return 0;
	for (size_t i = 1; i < r->topic_count; i++)
		if (strcmp(r->topics[i].name, name) == 0)
			return (uint16_t)i;
	if (r->topic_count > UINT16_MAX)
		return 0;
	r->topics = xrealloc(r->topics, (r->topic_count + 1) * sizeof(*r->topics));
	r->topics[r->topic_count] = (struct topic){ .name = xstrdup(name) };
	return (uint16_t)r->topic_count++;
}

/* Adds the line to the sums, or takes it out. */
static void
count_line(struct roster *r, const struct roster_line *l, bool in)
{
	size_t by = in ? 1 : (size_t)-1;

	if (channel_is_user((enum channel)l->channel)) {
		r->counts.users += by;
		return;
	}
	r->counts.state[l->state] += by;
	r->counts.removal[l->removal] += by;
	if (l->locked)
		r->counts.locked += by;
	if (l->state != STATE_ENROLLED && l->state != STATE_INACTIVE)
		return;
	r->topics[l->topic].devices += by;
	if (l->imported)
		r->counts.imported += by;
	if (l->awaited)
		r->counts.awaited += by;
}

/* ---- following the store ---- */

/* A field that is new here must be kept by brief.c, too, or a start does not see it. */
static void
fill_line(struct roster *r, struct roster_line *l, const struct enrollment *e)
{
	l->state = (uint8_t)e->state;
	l->removal = (uint8_t)e->removal;
	l->channel = (uint8_t)e->channel;
	l->lock_cause = (uint8_t)e->lock_cause;
	l->locked = e->locked;
	l->token_bad = e->token_bad;
	l->has_token = e->has_token;
	l->paused = e->paused_since != 0;
	l->imported = e->imported_at != 0;
	l->awaited = enrollment_awaited(e);
	l->topic = topic_index(r, e->topic);
	if (e->last_seen > l->last_seen)
		l->last_seen = e->last_seen;
	l->enrolled_at = e->enrolled_at;
	l->state_since = e->state_since;
	l->unanswered_since = e->unanswered_since;
	l->identity_not_after = e->current.set ? e->current.not_after : 0;
	l->token_time = e->token_time;
	if (e->last_push > l->asked)
		l->asked = e->last_push;
	for (size_t i = 0; i < ENROLLMENT_REFRESH; i++)
		l->refreshed[i] = (uint32_t)e->refreshed[i];
}

static void
set_dirty(struct roster *r, size_t line, bool dirty)
{
	if (r->dirty[line] == dirty)
		return;
	r->dirty[line] = dirty;
	r->dirty_count += dirty ? 1 : (size_t)-1;
	if (dirty && line < r->dirty_from)
		r->dirty_from = line;
}

static void
forget_line(struct roster *r, struct bytes id)
{
	size_t at = probe(r, id);

	if (r->slots[at] < FIRST)
		return;

	size_t line = r->slots[at] - FIRST;

	count_line(r, &r->lines[line], false);
	set_dirty(r, line, false);
	r->lines[line].id = NULL;
	r->slots[at] = GONE;
	r->live--;
	if (r->used - r->live > r->live + FIRST_SLOTS)
		compact(r);
}

static void
follow_enrollment(struct roster *r, struct bytes key, struct bytes value)
{
	struct bytes id = bytes_of(key.data + 1, key.len - 1);
	struct enrollment *e;
	uint32_t line;

	if (!value.data) {
		forget_line(r, id);
		return;
	}
	if (enrollment_decode(key, value, &e) < 0)
		return; /* a damaged record: what was known of it stands */
	line = line_of(r, id);
	if (line == NO_LINE)
		line = add_line(r, id);
	else
		count_line(r, &r->lines[line], false);
	fill_line(r, &r->lines[line], e);
	count_line(r, &r->lines[line], true);
	enrollment_free(e);
}

#define TAG_SEEN 1

static void
follow_seen(struct roster *r, struct bytes key, struct bytes value)
{
	uint32_t line = line_of(r, bytes_of(key.data + 1, key.len - 1));
	struct record_reader reader;
	struct bytes field;
	uint8_t tag;

	if (line == NO_LINE || !value.data || record_open(&reader, value) < 0)
		return;
	while (record_next(&reader, &tag, &field))
		if (tag == TAG_SEEN && record_int(field) > r->lines[line].last_seen)
			r->lines[line].last_seen = record_int(field);
}

void
roster_follow(struct roster *r, struct bytes key, struct bytes value)
{
	if (key.len < 2)
		return;
	if (key.data[0] == 'e')
		follow_enrollment(r, key, value);
	else if (key.data[0] == 't')
		follow_seen(r, key, value);
}

/* ---- start ---- */

/* What the lines are sorted by at start; afterwards they are added in that order anyway. */
struct place {
	int64_t first;
	struct roster_line line;
};

struct load {
	struct roster *roster;
	struct place *places;
	size_t count, cap;
};

static int
load_enrollment(void *arg, struct bytes key, struct bytes value)
{
	struct load *l = arg;
	struct enrollment *e;

	if (enrollment_decode(key, value, &e) < 0)
		return 0;
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->places = xrealloc(l->places, l->cap * sizeof(*l->places));
	}
	struct place *p = &l->places[l->count++];

	*p = (struct place){ .first =
				     e->first_enrolled_at ? e->first_enrolled_at : e->state_since };
	p->line.id = keep_id(l->roster, bytes_str(e->id));
	fill_line(l->roster, &p->line, e);
	enrollment_free(e);
	return 0;
}

static int
earlier(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return strcmp(x->line.id, y->line.id);
}

static int
load_seen(void *arg, struct bytes key, struct bytes value)
{
	roster_follow(arg, key, value);
	return 0;
}

int
roster_load(struct roster *r, struct store *s)
{
	struct load l = { .roster = r };
	int err = store_each(s, bytes_str("e"), load_enrollment, &l);

	if (l.count > 0)
		qsort(l.places, l.count, sizeof(*l.places), earlier);
	r->cap = l.count + l.count / 8 + 16;
	r->lines = xrealloc(r->lines, r->cap * sizeof(*r->lines));
	r->dirty = xrealloc(r->dirty, r->cap * sizeof(*r->dirty));
	for (size_t i = 0; i < l.count; i++) {
		r->lines[i] = l.places[i].line;
		r->dirty[i] = false;
		count_line(r, &r->lines[i], true);
	}
	r->used = r->live = l.count;
	free(l.places);
	reindex(r);
	return err < 0 ? err : store_each(s, bytes_str("t"), load_seen, r);
}

/* ---- asking ---- */

size_t
roster_count(const struct roster *r)
{
	return r->live;
}

const struct roster_line *
roster_find(const struct roster *r, const char *id)
{
	uint32_t line = line_of(r, bytes_str(id));

	return line == NO_LINE ? NULL : &r->lines[line];
}

const struct roster_line *
roster_at(const struct roster *r, size_t index)
{
	/* Lines only: what is compacted is how the roster is kept, not what it says. */
	if (r->used != r->live)
		compact((struct roster *)(uintptr_t)r);
	return index < r->live ? &r->lines[index] : NULL;
}

const char *
roster_topic(const struct roster *r, uint16_t topic)
{
	return topic > 0 && topic < r->topic_count ? r->topics[topic].name : NULL;
}

void
roster_counts(const struct roster *r, struct roster_counts *ret)
{
	*ret = r->counts;
}

size_t
roster_topic_devices(const struct roster *r, const char *topic)
{
	for (size_t i = 1; i < r->topic_count; i++)
		if (strcmp(r->topics[i].name, topic) == 0)
			return r->topics[i].devices;
	return 0;
}

/* ---- last seen ---- */

void
roster_seen(struct roster *r, const char *id, int64_t wall)
{
	uint32_t line = line_of(r, bytes_str(id));

	if (line == NO_LINE)
		return;
	r->lines[line].heard = true;
	if (r->lines[line].last_seen == wall)
		return;
	r->lines[line].last_seen = wall;
	set_dirty(r, line, true);
}

int64_t
roster_last_seen(const struct roster *r, const char *id)
{
	uint32_t line = line_of(r, bytes_str(id));

	return line == NO_LINE ? 0 : r->lines[line].last_seen;
}

void
roster_asked(struct roster *r, const char *id, int64_t wall)
{
	uint32_t line = line_of(r, bytes_str(id));

	if (line != NO_LINE)
		r->lines[line].asked = wall;
}

void
roster_refreshed(struct roster *r, const char *id, unsigned kind, int64_t wall)
{
	uint32_t line = line_of(r, bytes_str(id));

	if (line != NO_LINE && kind < ENROLLMENT_REFRESH)
		r->lines[line].refreshed[kind] = (uint32_t)wall;
}

void
roster_set_heard(struct roster *r, const char *id, bool heard)
{
	uint32_t line = line_of(r, bytes_str(id));

	if (line != NO_LINE)
		r->lines[line].heard = heard;
}

static int
put_seen(struct store *s, const struct roster_line *l)
{
	struct buf value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	record_add_int(&value, TAG_SEEN, l->last_seen);
	r = access_put(s, 't', l->id, NULL, &value);
	buf_free(&value);
	return r;
}

int
roster_flush(struct roster *r, struct store *s)
{
	size_t done = 0;

	for (; r->dirty_count > 0 && r->dirty_from < r->used; r->dirty_from++) {
		if (!r->dirty[r->dirty_from])
			continue;
		if (done++ == ROSTER_FLUSH)
			return 1;

		int err = put_seen(s, &r->lines[r->dirty_from]);

		if (err < 0)
			return err;
		set_dirty(r, r->dirty_from, false);
	}
	return 0;
}
