# unit tests of daemon/mdm
MDM_KIT = tests/unit/mdm_kit.c tests/unit/mdm_kit.h
MDM_TEST_LIBS = daemon/mdm/libmdm.a daemon/net/libnet.a daemon/store/libstore.a daemon/policy/libpolicy.a \
	daemon/conf/libconf.a daemon/pki/libpki.a daemon/base/libbase.a $(CMOCKA_LIBS) $(SYSTEM_LIBS)

check_PROGRAMS += tests/unit/test_message
tests_unit_test_message_SOURCES = tests/unit/test_message.c
tests_unit_test_message_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_message

check_PROGRAMS += tests/unit/test_endpoint
tests_unit_test_endpoint_SOURCES = tests/unit/test_endpoint.c
tests_unit_test_endpoint_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_endpoint

check_PROGRAMS += tests/unit/test_command
tests_unit_test_command_SOURCES = tests/unit/test_command.c
tests_unit_test_command_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_command

check_PROGRAMS += tests/unit/test_profile
tests_unit_test_profile_SOURCES = tests/unit/test_profile.c
tests_unit_test_profile_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_profile

check_PROGRAMS += tests/unit/test_migrate
tests_unit_test_migrate_SOURCES = tests/unit/test_migrate.c $(MDM_KIT)
tests_unit_test_migrate_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_migrate

check_PROGRAMS += tests/unit/test_reason
tests_unit_test_reason_SOURCES = tests/unit/test_reason.c
tests_unit_test_reason_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_reason

check_PROGRAMS += tests/unit/test_checkin
tests_unit_test_checkin_SOURCES = tests/unit/test_checkin.c $(MDM_KIT)
tests_unit_test_checkin_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_checkin

check_PROGRAMS += tests/unit/test_connect
tests_unit_test_connect_SOURCES = tests/unit/test_connect.c $(MDM_KIT)
tests_unit_test_connect_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_connect

check_PROGRAMS += tests/unit/test_change
tests_unit_test_change_SOURCES = tests/unit/test_change.c $(MDM_KIT)
tests_unit_test_change_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_change

check_PROGRAMS += tests/unit/test_enroll
tests_unit_test_enroll_SOURCES = tests/unit/test_enroll.c $(MDM_KIT)
tests_unit_test_enroll_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_enroll

check_PROGRAMS += tests/unit/test_scep_verb
tests_unit_test_scep_verb_SOURCES = tests/unit/test_scep_verb.c $(MDM_KIT)
tests_unit_test_scep_verb_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_scep_verb

check_PROGRAMS += tests/unit/test_push
tests_unit_test_push_SOURCES = tests/unit/test_push.c $(MDM_KIT)
tests_unit_test_push_LDADD = $(MDM_TEST_LIBS)
tests_unit_test_push_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_mono_ms,--wrap=loop_timer_new,--wrap=loop_timer_set \
	-Wl,--wrap=loop_timer_stop,--wrap=loop_timer_free
TESTS += tests/unit/test_push

# fake time, and a store that can be told to refuse
check_PROGRAMS += tests/unit/test_patrol
tests_unit_test_patrol_SOURCES = tests/unit/test_patrol.c $(MDM_KIT)
tests_unit_test_patrol_LDADD = $(MDM_TEST_LIBS)
tests_unit_test_patrol_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_put,--wrap=store_numbers,--wrap=fdatasync
TESTS += tests/unit/test_patrol

check_PROGRAMS += tests/unit/test_renewal
tests_unit_test_renewal_SOURCES = tests/unit/test_renewal.c $(MDM_KIT)
tests_unit_test_renewal_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_renewal

# the queue over weeks of fake time
check_PROGRAMS += tests/unit/test_month
tests_unit_test_month_SOURCES = tests/unit/test_month.c $(MDM_KIT)
tests_unit_test_month_LDADD = $(MDM_TEST_LIBS)
TESTS += tests/unit/test_month

# commands and answers against Apple's schema; answers are shown as the control API shows them
check_PROGRAMS += tests/unit/test_schema
tests_unit_test_schema_SOURCES = tests/unit/test_schema.c $(MDM_KIT)
tests_unit_test_schema_LDADD = daemon/admin/libadmin.a $(MDM_TEST_LIBS)
TESTS += tests/unit/test_schema

check_PROGRAMS += tests/unit/test_bulk
tests_unit_test_bulk_SOURCES = tests/unit/test_bulk.c $(MDM_KIT)
tests_unit_test_bulk_LDADD = daemon/admin/libadmin.a $(MDM_TEST_LIBS)
TESTS += tests/unit/test_bulk

# a fleet in fake time: clocks, timers, Apple and the way to ourselves are stand-ins
FLEET = tests/unit/fleet.c tests/unit/fleet.h tests/unit/fleet_time.c tests/unit/fleet_time.h $(MDM_KIT)
FLEET_LDFLAGS = -Wl,--wrap=clock_mono_ms,--wrap=clock_wall,--wrap=fdatasync \
	-Wl,--wrap=loop_timer_new,--wrap=loop_timer_set,--wrap=loop_timer_stop,--wrap=loop_timer_free \
	-Wl,--wrap=reach_ask,--wrap=reach_stop

# no outage locks anyone
check_PROGRAMS += tests/unit/test_outage
tests_unit_test_outage_SOURCES = tests/unit/test_outage.c $(FLEET)
tests_unit_test_outage_LDADD = $(MDM_TEST_LIBS)
tests_unit_test_outage_LDFLAGS = $(AM_LDFLAGS) $(FLEET_LDFLAGS)
TESTS += tests/unit/test_outage

# what devices are asked for by themselves
check_PROGRAMS += tests/unit/test_refresh
tests_unit_test_refresh_SOURCES = tests/unit/test_refresh.c $(FLEET)
tests_unit_test_refresh_LDADD = $(MDM_TEST_LIBS)
tests_unit_test_refresh_LDFLAGS = $(AM_LDFLAGS) $(FLEET_LDFLAGS)
TESTS += tests/unit/test_refresh

# a year of it; tests/system/year.py runs and judges it
check_PROGRAMS += tests/unit/year
tests_unit_year_SOURCES = tests/unit/year.c $(FLEET)
tests_unit_year_LDADD = $(MDM_TEST_LIBS)
tests_unit_year_LDFLAGS = $(AM_LDFLAGS) $(FLEET_LDFLAGS)
