/* check.h - cordond -t: judges configuration and certificate directory without running */
#ifndef CORDON_CHECK_H
#define CORDON_CHECK_H

/*
 * Prints every fault as "file:line: key: text" and every certificate file that cannot be used; 0
 * when the daemon would take the configuration, else 1.  `as` and `candidate` as conf_load.
 */
int check_run(const char *conf_file, const char *as, const char *candidate);

#endif
