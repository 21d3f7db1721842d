# the commented sample of the configuration and worked examples
exampledir = $(docdir)/examples
dist_example_DATA = \
	etc/cordond.conf \
	etc/openapi.yaml \
	etc/examples/README.md \
	etc/examples/cordon-gate-request.conf \
	etc/examples/grafana-dashboard.json \
	etc/examples/nginx-gate-certificate.conf \
	etc/examples/nginx-gate-open.conf \
	etc/examples/nginx-gate.conf \
	etc/examples/nginx-in-front.conf \
	etc/examples/prometheus-alerts.yml \
	etc/examples/socket-only.conf \
	etc/examples/store-key-encrypted.conf
dist_example_SCRIPTS = etc/examples/certbot-deploy-hook

# the Ansible role stays a tree; packages put it beside the examples
EXTRA_DIST += \
	etc/ansible/playbook.yml \
	etc/ansible/roles/cordon/defaults/main.yml \
	etc/ansible/roles/cordon/handlers/main.yml \
	etc/ansible/roles/cordon/meta/argument_specs.yml \
	etc/ansible/roles/cordon/meta/main.yml \
	etc/ansible/roles/cordon/tasks/certificates.yml \
	etc/ansible/roles/cordon/tasks/configure.yml \
	etc/ansible/roles/cordon/tasks/install.yml \
	etc/ansible/roles/cordon/tasks/main.yml \
	etc/ansible/roles/cordon/tasks/run.yml \
	etc/ansible/roles/cordon/templates/drop-in.conf.j2 \
	etc/ansible/roles/cordon/templates/site.conf.j2

# the table of commands, with Apple's notice; a newer one in the configuration directory takes its place
dist_pkgdata_DATA = etc/apple-schema/commands.tsv etc/apple-schema/LICENSE.apple-device-management.txt

completiondir = $(datadir)/bash-completion/completions
nodist_completion_DATA = etc/completion/cordonctl
etc/completion/cordonctl: $(srcdir)/etc/completion/cordonctl.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/completion && $(SED) -e 's,[@]sysconfdir[@],$(sysconfdir),g' \
		-e 's,[@]pkgdatadir[@],$(pkgdatadir),g' $(srcdir)/etc/completion/cordonctl.in >$@
CLEANFILES += etc/completion/cordonctl
EXTRA_DIST += etc/completion/cordonctl.in
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = etc/completion/_cordonctl
