// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// Keeps a program alive when the system has no more files for libdispatch. It replaces the C library's open(2), so it
// is for long-running programs, not for libraries.
#ifndef CLOUDLET_CDISPATCHFILES_H
#define CLOUDLET_CDISPATCHFILES_H

// Prepares the file that libdispatch gets when the system has no more files. Returns -1 when there is none for this
// file either.
int cloudlet_keep_thread_state(void);

#endif
