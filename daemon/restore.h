/* restore.h - cordond --restore: a backup into an empty state directory */
#ifndef CORDON_RESTORE_H
#define CORDON_RESTORE_H

/* An exit status, after saying what was done or what is wrong. */
int restore_run(const char *conf_file, const char *backup);

#endif
