# unit tests of daemon/conf
