#ifndef BASE_PRIORITY_H
#define BASE_PRIORITY_H

/*
 * How much the calling thread, and threads that it starts from now on, stand back for others.
 * Low: SCHED_BATCH (sched(7)) and the lowest best-effort I/O priority (ioprio_set(2)).  Where the
 * kernel refuses, nothing changes: it is a courtesy.
 */
void priority_low(void);
void priority_normal(void);

#endif
