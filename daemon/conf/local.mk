noinst_LIBRARIES += daemon/conf/libconf.a
daemon_conf_libconf_a_SOURCES = \
	daemon/conf/check.c \
	daemon/conf/check.h \
	daemon/conf/conf.c \
	daemon/conf/conf.h \
	daemon/conf/fault.c \
	daemon/conf/fault.h \
	daemon/conf/format.c \
	daemon/conf/keys.c \
	daemon/conf/keys.h \
	daemon/conf/kinds.c \
	daemon/conf/load.c \
	daemon/conf/peek.c \
	daemon/conf/scan.c \
	daemon/conf/scan.h \
	daemon/conf/syntax.c \
	daemon/conf/syntax.h \
	daemon/conf/walk.c
