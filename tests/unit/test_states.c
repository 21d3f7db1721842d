/* Tests of daemon/policy/states: every cell of DESIGN "States, lock, inactivity" */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "policy/lapse.h"
#include "policy/states.h"

/* The columns as the design writes them, and what it writes into each cell. */
struct column {
	const char *name;
	enum state now;
	enum removal removal;
};

static const struct column columns[] = {
	{ "none", STATE_NONE, REMOVAL_NONE },
	{ "Pending", STATE_PENDING, REMOVAL_NONE },
	{ "Enrolled", STATE_ENROLLED, REMOVAL_NONE },
	{ "Inactive", STATE_INACTIVE, REMOVAL_NONE },
	{ "Removed(push)", STATE_REMOVED, REMOVAL_PUSH },
	{ "Removed(checkout)", STATE_REMOVED, REMOVAL_CHECKOUT },
	{ "Removed(admin)", STATE_REMOVED, REMOVAL_ADMIN },
	{ "Removed(erased)", STATE_REMOVED, REMOVAL_ERASED },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* clang-format off */
static const struct {
	const char *name;
	enum state_event event;
	const char *cells[COLUMNS];
} rows[] = {
	{ "Authenticate", ON_AUTHENTICATE,
	  { "Pending", "candidate", "candidate", "candidate", "candidate", "candidate", "candidate", "candidate" } },
	{ "TokenUpdate of the candidate", ON_TOKEN_CANDIDATE,
	  { "enroll", "enroll", "reenroll", "reenroll", "reenroll", "reenroll", "reenroll", "reenroll" } },
	{ "renewal", ON_RENEWAL,
	  { "400", "400", "keep", "keep", "keep", "400", "400", "400" } },
	{ "any other message", ON_MESSAGE,
	  { "400", "400", "-", "Enrolled", "Enrolled", "400 counted", "400 counted", "400 counted" } },
	{ "CheckOut", ON_CHECKOUT,
	  { "-", "-", "Removed(checkout)", "Removed(checkout)", "Removed(checkout)", "-", "-", "-" } },
	{ "410", ON_PUSH_GONE,
	  { "-", "-", "Removed(push)", "Removed(push)", "-", "-", "-", "-" } },
	{ "EraseDevice acknowledged", ON_ERASED,
	  { "-", "-", "Removed(erased)", "-", "-", "-", "-", "-" } },
	{ "silent", ON_SILENT,
	  { "-", "-", "Inactive", "-", "-", "-", "-", "-" } },
	{ "removal by an administrator", ON_ADMIN_REMOVE,
	  { "-", "-", "Removed(admin)", "Removed(admin)", "Removed(admin)", "-", "-", "-" } },
};
/* clang-format on */

/* Says an outcome in the design's words. */
static void
say(const struct column *c, const struct state_outcome *o, char *out, size_t size)
{
	switch (o->action) {
	case ACT_NOTHING:
		snprintf(out, size, "-");
		break;
	case ACT_REFUSE:
		snprintf(out, size, "400%s", o->count_refusal ? " counted" : "");
		break;
	case ACT_CANDIDATE:
		snprintf(out, size, "%s", o->next == c->now ? "candidate" : state_name(o->next));
		break;
	case ACT_ENROLL:
		snprintf(out, size, "enroll");
		break;
	case ACT_REENROLL:
		snprintf(out, size, "reenroll");
		break;
	case ACT_KEEP:
		snprintf(out, size, "keep");
		break;
	case ACT_BACK:
	case ACT_LOCK:
		snprintf(out, size, "%s", state_name(o->next));
		break;
	case ACT_REMOVE:
		snprintf(out, size, "Removed(%s)", removal_name(o->removal));
		break;
	}
}

static void
every_cell_is_the_designs(void **ctx)
{
	char words[64];
	size_t r, c;

	(void)ctx;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), STATE_EVENT_COUNT);
	for (r = 0; r < STATE_EVENT_COUNT; r++) {
		for (c = 0; c < COLUMNS; c++) {
			struct state_outcome o =
				state_decide(columns[c].now, columns[c].removal, rows[r].event);

			say(&columns[c], &o, words, sizeof(words));
			if (strcmp(words, rows[r].cells[c]) != 0)
				fail_msg("%s when %s: %s, should be %s", rows[r].name,
					columns[c].name, words, rows[r].cells[c]);
		}
	}
}

static void
next_state_fits_the_action(void **ctx)
{
	size_t r, c;

	(void)ctx;
	for (r = 0; r < STATE_EVENT_COUNT; r++) {
		for (c = 0; c < COLUMNS; c++) {
			struct state_outcome o =
				state_decide(columns[c].now, columns[c].removal, rows[r].event);
			bool enrolled = o.action == ACT_ENROLL || o.action == ACT_REENROLL ||
					o.action == ACT_KEEP || o.action == ACT_BACK;

			if (enrolled) {
				assert_int_equal(o.next, STATE_ENROLLED);
			} else if (o.action == ACT_REMOVE) {
				assert_int_equal(o.next, STATE_REMOVED);
				assert_int_not_equal(o.removal, REMOVAL_NONE);
				continue;
			} else if (o.action == ACT_NOTHING || o.action == ACT_REFUSE) {
				assert_int_equal(o.next, columns[c].now);
				assert_int_equal(o.removal, columns[c].removal);
				continue;
			}
			if (o.next != STATE_REMOVED)
				assert_int_equal(o.removal, REMOVAL_NONE);
		}
	}
}

static void
a_candidate_lapses_after_its_lifetime(void **ctx)
{
	(void)ctx;
	assert_false(lapse_due(1000, 3600, 1000));
	assert_false(lapse_due(1000, 3600, 4600));
	assert_true(lapse_due(1000, 3600, 4601));
	/* the clock was set back */
	assert_false(lapse_due(1000000, 3600, 5));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_the_designs),
		cmocka_unit_test(next_state_fits_the_action),
		cmocka_unit_test(a_candidate_lapses_after_its_lifetime),
	};

	return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}
