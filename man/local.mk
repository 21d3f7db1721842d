dist_man_MANS += man/cordond.8 man/cordond.conf.5 man/cordonctl.1 man/cordon-gate.7
