# unit tests of daemon/base

check_PROGRAMS += tests/unit/test_buf
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c
tests_unit_test_buf_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_buf

check_PROGRAMS += tests/unit/test_encode
tests_unit_test_encode_SOURCES = tests/unit/test_encode.c
tests_unit_test_encode_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_encode

check_PROGRAMS += tests/unit/test_file
tests_unit_test_file_SOURCES = tests/unit/test_file.c
tests_unit_test_file_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_file

check_PROGRAMS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_log

check_PROGRAMS += tests/unit/test_proplist
tests_unit_test_proplist_SOURCES = tests/unit/test_proplist.c
tests_unit_test_proplist_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_proplist

check_PROGRAMS += tests/unit/test_seal
tests_unit_test_seal_SOURCES = tests/unit/test_seal.c
tests_unit_test_seal_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_seal

check_PROGRAMS += tests/unit/test_table
tests_unit_test_table_SOURCES = tests/unit/test_table.c
tests_unit_test_table_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_table

# what the kernel and systemd-timesyncd say is made up
check_PROGRAMS += tests/unit/test_clock
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_LDADD = daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_clock_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=adjtimex,--wrap=access
TESTS += tests/unit/test_clock
