# unit tests of daemon/policy
POLICY_TEST_LIBS = daemon/policy/libpolicy.a daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)

check_PROGRAMS += tests/unit/test_states
tests_unit_test_states_SOURCES = tests/unit/test_states.c
tests_unit_test_states_LDADD = $(POLICY_TEST_LIBS)
TESTS += tests/unit/test_states

check_PROGRAMS += tests/unit/test_gate
tests_unit_test_gate_SOURCES = tests/unit/test_gate.c
tests_unit_test_gate_LDADD = $(POLICY_TEST_LIBS)
TESTS += tests/unit/test_gate

check_PROGRAMS += tests/unit/test_inactivity
tests_unit_test_inactivity_SOURCES = tests/unit/test_inactivity.c
tests_unit_test_inactivity_LDADD = $(POLICY_TEST_LIBS)
TESTS += tests/unit/test_inactivity

check_PROGRAMS += tests/unit/test_refresh_due
tests_unit_test_refresh_due_SOURCES = tests/unit/test_refresh_due.c
tests_unit_test_refresh_due_LDADD = $(POLICY_TEST_LIBS)
TESTS += tests/unit/test_refresh_due
