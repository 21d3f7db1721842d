/* Tests of daemon/policy/gate: every cell of the gate's table */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/gate.h"

struct cell {
	enum state state;
	bool locked, unenrolled, allowed;
	const char *reason;
};

static const struct cell cells[] = {
	{ STATE_NONE, false, false, false, "not enrolled" },
	{ STATE_NONE, false, true, true, "not enrolled" },
	{ STATE_NONE, true, false, false, "locked" },
	{ STATE_NONE, true, true, false, "locked" },
	{ STATE_PENDING, false, false, false, "not enrolled" },
	{ STATE_PENDING, false, true, true, "not enrolled" },
	{ STATE_PENDING, true, false, false, "locked" },
	{ STATE_PENDING, true, true, false, "locked" },
	{ STATE_ENROLLED, false, false, true, "enrolled" },
	{ STATE_ENROLLED, false, true, true, "enrolled" },
	{ STATE_ENROLLED, true, false, false, "locked" },
	{ STATE_ENROLLED, true, true, false, "locked" },
	{ STATE_INACTIVE, false, false, false, "inactive" },
	{ STATE_INACTIVE, false, true, false, "inactive" },
	{ STATE_INACTIVE, true, false, false, "locked" },
	{ STATE_INACTIVE, true, true, false, "locked" },
	{ STATE_REMOVED, false, false, false, "removed" },
	{ STATE_REMOVED, false, true, false, "removed" },
	{ STATE_REMOVED, true, false, false, "locked" },
	{ STATE_REMOVED, true, true, false, "locked" },
};

static void
every_cell_is_the_designs(void **ctx)
{
	size_t i;

	(void)ctx;
	assert_int_equal(sizeof(cells) / sizeof(cells[0]), STATE_COUNT * 4);
	for (i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct gate_answer a =
			gate_decide(cells[i].state, cells[i].locked, cells[i].unenrolled);

		if (a.allowed != cells[i].allowed)
			fail_msg("%s, locked %d, allow-unenrolled %d: allowed %d",
				state_name(cells[i].state), cells[i].locked, cells[i].unenrolled,
				a.allowed);
		assert_string_equal(a.reason, cells[i].reason);
	}
}

static void
certificates_are_judged_by_their_own_fate_first(void **ctx)
{
	static const struct {
		enum gate_identity identity;
		enum state state;
		bool locked, unenrolled, allowed;
		const char *reason;
	} rows[] = {
		{ GATE_STRANGER, STATE_NONE, false, false, false, "not enrolled" },
		{ GATE_STRANGER, STATE_NONE, false, true, true, "not enrolled" },
		{ GATE_WAITING, STATE_PENDING, false, true, false, "not enrolled" },
		{ GATE_WAITING, STATE_ENROLLED, false, true, false, "not enrolled" },
		{ GATE_WAITING, STATE_ENROLLED, true, true, false, "locked" },
		{ GATE_REVOKED, STATE_ENROLLED, false, true, false, "revoked" },
		{ GATE_EXPIRED, STATE_ENROLLED, false, true, false, "expired" },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gate_answer a = gate_decide_certificate(
			rows[i].identity, rows[i].state, rows[i].locked, rows[i].unenrolled);

		assert_int_equal(a.allowed, rows[i].allowed);
		assert_string_equal(a.reason, rows[i].reason);
	}
	for (i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct gate_answer a = gate_decide_certificate(
			GATE_BOUND, cells[i].state, cells[i].locked, cells[i].unenrolled);

		assert_int_equal(a.allowed, cells[i].allowed);
		assert_string_equal(a.reason, cells[i].reason);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_the_designs),
		cmocka_unit_test(certificates_are_judged_by_their_own_fate_first),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
