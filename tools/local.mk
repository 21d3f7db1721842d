EXTRA_DIST += tools/quickstart tools/packages.sh

bin_PROGRAMS += cordonctl
cordonctl_SOURCES = \
	tools/cordonctl.c \
	tools/ctl/client.c \
	tools/ctl/client.h \
	tools/ctl/commands.c \
	tools/ctl/devices.c \
	tools/ctl/links.c \
	tools/ctl/qr.c \
	tools/ctl/qr.h \
	tools/ctl/status.c \
	tools/ctl/table.c \
	tools/ctl/table.h \
	tools/ctl/verbs.h
cordonctl_LDADD = $(LIBS_OF_TOOLS) $(QRENCODE_LIBS) $(JANSSON_LIBS) $(LIBCURL_LIBS) $(SYSTEM_LIBS_OF_TOOLS)

SOURCES_OF_PKI_TOOLS = \
	tools/ask.c \
	tools/ask.h \
	tools/ctl/table.c \
	tools/ctl/table.h \
	tools/fields.c \
	tools/fields.h \
	tools/show.c \
	tools/show.h \
	tools/site.c \
	tools/site.h \
	tools/tool.c \
	tools/tool.h

bin_PROGRAMS += cordon-ssc cordon-csr
cordon_ssc_SOURCES = \
	tools/cordon-ssc.c \
	tools/cordon-ssc.h \
	tools/cordon-ssc-tls.c \
	$(SOURCES_OF_PKI_TOOLS)
cordon_ssc_LDADD = $(LIBS_OF_TOOLS) $(SYSTEM_LIBS_OF_TOOLS)
cordon_csr_SOURCES = \
	tools/cordon-csr.c \
	$(SOURCES_OF_PKI_TOOLS)
cordon_csr_LDADD = $(LIBS_OF_TOOLS) $(SYSTEM_LIBS_OF_TOOLS)
dist_man_MANS += tools/cordon-csr.1 tools/cordon-ssc.1
