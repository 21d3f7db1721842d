/* silence.h - what an administrator says about silent devices */
#ifndef CORDON_CTL_SILENCE_H
#define CORDON_CTL_SILENCE_H

/* lock --silent: all that are silent for lock-after, whatever lock-limit says; the exit status */
int silence_lock_all(void);

#endif
