# unit tests of daemon/admin
