# unit tests of daemon/policy
