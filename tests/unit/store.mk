# unit tests of daemon/store
LIBS_OF_STORE = daemon/store/libstore.a daemon/base/libbase.a
# the calls by which the store touches the disk: the tests make them fail, or kill at them
STORE_STEPS = -Wl,--wrap=fsync,--wrap=fdatasync,--wrap=pwrite,--wrap=rename,--wrap=renameat \
	-Wl,--wrap=linkat,--wrap=unlink,--wrap=unlinkat,--wrap=ftruncate,--wrap=copy_file_range \
	-Wl,--wrap=gdbm_sync,--wrap=gdbm_store,--wrap=gdbm_delete,--wrap=gdbm_close
STORE_BED = tests/unit/store_bed.c tests/unit/store_bed.h

check_PROGRAMS += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/test_store.c $(STORE_BED)
tests_unit_test_store_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_store_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_store

check_PROGRAMS += tests/unit/test_store_crash
tests_unit_test_store_crash_SOURCES = tests/unit/test_store_crash.c $(STORE_BED)
tests_unit_test_store_crash_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_store_crash_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_store_crash

check_PROGRAMS += tests/unit/test_record
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_record

check_PROGRAMS += tests/unit/test_enrollment
tests_unit_test_enrollment_SOURCES = tests/unit/test_enrollment.c $(STORE_BED)
tests_unit_test_enrollment_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_enrollment_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_enrollment

check_PROGRAMS += tests/unit/test_issuance
tests_unit_test_issuance_SOURCES = tests/unit/test_issuance.c $(STORE_BED)
tests_unit_test_issuance_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_issuance_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_issuance

check_PROGRAMS += tests/unit/test_queue
tests_unit_test_queue_SOURCES = tests/unit/test_queue.c $(STORE_BED)
tests_unit_test_queue_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_queue_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_queue

check_PROGRAMS += tests/unit/test_result
tests_unit_test_result_SOURCES = tests/unit/test_result.c $(STORE_BED)
tests_unit_test_result_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_result_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_result

check_PROGRAMS += tests/unit/test_roster
tests_unit_test_roster_SOURCES = tests/unit/test_roster.c $(STORE_BED)
tests_unit_test_roster_LDADD = $(LIBS_OF_STORE) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_roster_LDFLAGS = $(AM_LDFLAGS) $(STORE_STEPS)
TESTS += tests/unit/test_roster
