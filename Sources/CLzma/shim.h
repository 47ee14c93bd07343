// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// liblzma, with the macros that Swift can't import as constants.
#ifndef CLOUDLET_CLZMA_H
#define CLOUDLET_CLZMA_H

#include <stddef.h>
#include <lzma.h>

static const lzma_vli cloudlet_lzma_filter_lzma2 = LZMA_FILTER_LZMA2;
static const uint32_t cloudlet_lzma_concatenated = LZMA_CONCATENATED;
static const lzma_vli cloudlet_lzma_vli_unknown = LZMA_VLI_UNKNOWN;

#endif
