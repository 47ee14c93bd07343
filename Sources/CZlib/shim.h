// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// zlib, which reads gzip files.
#ifndef CLOUDLET_CZLIB_H
#define CLOUDLET_CZLIB_H

#include <zlib.h>

#endif
