# the commented sample of the configuration and worked examples
exampledir = $(docdir)/examples
dist_example_DATA = etc/cordond.conf

# the table of commands, with Apple's notice; a newer one in the configuration directory takes its place
dist_pkgdata_DATA = etc/apple-schema/commands.tsv etc/apple-schema/LICENSE.apple-device-management.txt

completiondir = $(datadir)/bash-completion/completions
nodist_completion_DATA = etc/completion/cordonctl
etc/completion/cordonctl: $(srcdir)/etc/completion/cordonctl.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/completion && $(SED) -e 's,[@]sysconfdir[@],$(sysconfdir),g' \
		-e 's,[@]pkgdatadir[@],$(pkgdatadir),g' $(srcdir)/etc/completion/cordonctl.in >$@
CLEANFILES += etc/completion/cordonctl
EXTRA_DIST += etc/completion/cordonctl.in
