noinst_LIBRARIES += daemon/admin/libadmin.a
daemon_admin_libadmin_a_SOURCES = \
	daemon/admin/accept.c \
	daemon/admin/accept.h \
	daemon/admin/access.c \
	daemon/admin/access.h \
	daemon/admin/admin.h \
	daemon/admin/answer.c \
	daemon/admin/answer.h \
	daemon/admin/commands.c \
	daemon/admin/commands.h \
	daemon/admin/enrollments.c \
	daemon/admin/enrollments.h \
	daemon/admin/journal.c \
	daemon/admin/journal.h \
	daemon/admin/links.c \
	daemon/admin/notify.c \
	daemon/admin/notify.h \
	daemon/admin/problems.c \
	daemon/admin/problems.h \
	daemon/admin/status.c \
	daemon/admin/status.h \
	daemon/admin/steps.c \
	daemon/admin/target.c \
	daemon/admin/renewals.c \
	daemon/admin/renewals.h \
	daemon/admin/target.h \
	daemon/admin/warn.c \
	daemon/admin/warn.h
