# unit tests of daemon/admin
check_PROGRAMS += tests/unit/test_journal
tests_unit_test_journal_SOURCES = tests/unit/test_journal.c
tests_unit_test_journal_LDADD = daemon/admin/libadmin.a daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_journal

check_PROGRAMS += tests/unit/test_expiry
tests_unit_test_expiry_SOURCES = tests/unit/test_expiry.c $(MDM_KIT)
tests_unit_test_expiry_LDADD = daemon/admin/libadmin.a $(MDM_TEST_LIBS)
TESTS += tests/unit/test_expiry

check_PROGRAMS += tests/unit/test_answer
tests_unit_test_answer_SOURCES = tests/unit/test_answer.c
tests_unit_test_answer_LDADD = daemon/admin/libadmin.a $(MDM_TEST_LIBS)
TESTS += tests/unit/test_answer

check_PROGRAMS += tests/unit/test_webhook
tests_unit_test_webhook_SOURCES = tests/unit/test_webhook.c $(MDM_KIT)
tests_unit_test_webhook_LDADD = daemon/admin/libadmin.a $(MDM_TEST_LIBS)
TESTS += tests/unit/test_webhook
