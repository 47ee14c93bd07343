// zlib, which reads gzip files.
#ifndef CLOUDLET_CZLIB_H
#define CLOUDLET_CZLIB_H

#include <zlib.h>

#endif
