// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// libzstd, streaming interface.
#ifndef CLOUDLET_CZSTD_H
#define CLOUDLET_CZSTD_H

#include <zstd.h>
#include <zstd_errors.h>

#endif
