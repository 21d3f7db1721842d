# unit tests of daemon/conf

check_PROGRAMS += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/conf_place.h
tests_unit_test_conf_LDADD = daemon/conf/libconf.a daemon/base/libbase.a \
	$(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_conf

check_PROGRAMS += tests/unit/test_conf_faults
tests_unit_test_conf_faults_SOURCES = tests/unit/test_conf_faults.c tests/unit/conf_place.h
tests_unit_test_conf_faults_LDADD = daemon/conf/libconf.a daemon/base/libbase.a \
	$(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_conf_faults

check_PROGRAMS += tests/unit/test_conf_sample
tests_unit_test_conf_sample_SOURCES = tests/unit/test_conf_sample.c tests/unit/conf_place.h
tests_unit_test_conf_sample_LDADD = daemon/conf/libconf.a daemon/base/libbase.a \
	$(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_conf_sample
