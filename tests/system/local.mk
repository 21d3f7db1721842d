# tests/system: scripts that drive the programs; the long ones stay out of distcheck, which builds without sanitizers
TESTS += tests/system/layers.sh tests/system/catalog.sh tests/system/manuals.sh
if SYSTEM_TESTS
TESTS += tests/system/tools.py tests/system/api.py
TESTS += tests/system/profile.py tests/system/reload.py tests/system/candidate.py
TESTS += tests/system/hostile.py tests/system/fleet.py tests/system/kill.py
TESTS += tests/system/scep-foreign.py tests/system/http-smuggling.py
TESTS += tests/system/check.py tests/system/topic.py tests/system/dropin.py tests/system/renewal.py
endif
EXTRA_DIST += tests/system/layers.sh tests/system/catalog.sh tests/system/manuals.sh tests/apple.sh
EXTRA_DIST += tests/system/bed.py tests/system/signer.py tests/system/terminal.py
EXTRA_DIST += tests/system/tools.py tests/system/api.py
EXTRA_DIST += tests/system/profile.py tests/system/reload.py tests/system/candidate.py
EXTRA_DIST += tests/system/hostile.py tests/system/fleet.py tests/system/kill.py
EXTRA_DIST += tests/system/scep-foreign.py tests/system/http-smuggling.py
check_PROGRAMS += tests/system/old-fleet
tests_system_old_fleet_SOURCES = tests/system/old-fleet.c
tests_system_old_fleet_LDADD = daemon/store/libstore.a daemon/base/libbase.a $(SYSTEM_LIBS)
if SYSTEM_TESTS
TESTS += tests/system/inactivity.py tests/system/large.py tests/system/screen.py
endif
EXTRA_DIST += tests/system/inactivity.py tests/system/large.py tests/system/screen.py
TESTS += tests/system/vendor.sh
if SYSTEM_TESTS
TESTS += tests/system/csr.py tests/system/ssc.py tests/system/steps.py
endif
EXTRA_DIST += tests/system/vendor.sh tests/system/csr.py tests/system/ssc.py tests/system/steps.py
EXTRA_DIST += tests/system/check.py tests/system/firewall.txt tests/system/topic.py
EXTRA_DIST += tests/system/dropin.py tests/system/renewal.py
if SYSTEM_TESTS
TESTS += tests/system/commands.py
TESTS += tests/system/webhook.py tests/system/backup.py tests/system/events.py tests/system/openapi.py
endif
EXTRA_DIST += tests/system/webhook.py tests/system/backup.py tests/system/events.py tests/system/openapi.py
EXTRA_DIST += tests/system/commands.py
if SYSTEM_TESTS
TESTS += tests/system/identity.py tests/system/links.py tests/system/proxy.py tests/system/takeover.py
endif
EXTRA_DIST += tests/system/identity.py tests/system/links.py tests/system/proxy.py tests/system/takeover.py
# the daemon itself with calls that can be made to fail
check_PROGRAMS += tests/system/faulty-cordond
tests_system_faulty_cordond_SOURCES = daemon/main.c tests/system/faults.c
tests_system_faulty_cordond_LDADD = $(LIBS_OF_DAEMON) $(SYSTEM_LIBS)
tests_system_faulty_cordond_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwrite,--wrap=fdatasync,--wrap=fsync \
	-Wl,--wrap=store_file_put,--wrap=store_get,--wrap=store_unseal \
	-Wl,--wrap=ca_issue_identity,--wrap=scep_reply_success,--wrap=cms_sign,--wrap=X509_verify \
	-Wl,--wrap=d2i_X509,--wrap=d2i_CMS_ContentInfo,--wrap=proplist_parse
if SYSTEM_TESTS
TESTS += tests/system/faults.py tests/system/signature.py
endif
EXTRA_DIST += tests/system/faults.py tests/system/signature.py
if SYSTEM_TESTS
TESTS += tests/system/fields.py tests/system/rollover.py
endif
EXTRA_DIST += tests/system/fields.py tests/system/rollover.py
if SYSTEM_TESTS
TESTS += tests/system/year.py tests/system/dashboard.py
endif
EXTRA_DIST += tests/system/year.py tests/system/dashboard.py
if SYSTEM_TESTS
TESTS += tests/system/declarative.py tests/system/cordonctl.py
endif
if SYSTEM_TESTS
TESTS += tests/system/control-limits.py
endif
EXTRA_DIST += tests/system/control-limits.py
if SYSTEM_TESTS
TESTS += tests/system/migration.py tests/system/importing.py tests/system/adopt.py
endif
EXTRA_DIST += tests/system/earlier.py tests/system/migration.py tests/system/importing.py tests/system/adopt.py
EXTRA_DIST += tests/system/declarative.py tests/system/cordonctl.py
if SYSTEM_TESTS
TESTS += tests/system/upgrade.py
endif
EXTRA_DIST += tests/system/upgrade.py tests/system/first-store.txt
