// libzstd, streaming interface.
#ifndef CLOUDLET_CZSTD_H
#define CLOUDLET_CZSTD_H

#include <zstd.h>
#include <zstd_errors.h>

#endif
