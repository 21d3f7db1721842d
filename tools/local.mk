EXTRA_DIST += tools/quickstart tools/packages.sh

bin_PROGRAMS += cordonctl
cordonctl_SOURCES = \
	tools/cordonctl.c \
	tools/ctl/client.c \
	tools/ctl/client.h \
	tools/ctl/commands.c \
	tools/ctl/devices.c \
	tools/ctl/status.c \
	tools/ctl/table.c \
	tools/ctl/table.h \
	tools/ctl/verbs.h
cordonctl_LDADD = $(LIBS_OF_TOOLS) $(JANSSON_LIBS) $(LIBCURL_LIBS) $(SYSTEM_LIBS_OF_TOOLS)
