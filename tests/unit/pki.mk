# unit tests of daemon/pki
