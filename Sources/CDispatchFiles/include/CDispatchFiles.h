// Survives that the system has no more files for libdispatch. Stands in front of the C library's open(2), so it is for programs
// that live long, not for libraries.
#ifndef CLOUDLET_CDISPATCHFILES_H
#define CLOUDLET_CDISPATCHFILES_H

// Keeps what libdispatch is given where the system has no files for it. -1 when there is none now either.
int cloudlet_keep_thread_state(void);

#endif
