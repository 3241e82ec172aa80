/* The kernels of both number types for one kind of processor; tiles.h includes this
 * file once for each, with KIND, TARGET, BYTES, ROWS, DROWS and DCOLS set. */

#define REAL float
#define ROOT sqrtf
#include "softmax_kernel.h"
#include "tile_kernels.h"
#undef REAL
#undef ROOT

#define REAL double
#define ROOT sqrt
#include "tile_kernels.h"
#undef REAL
#undef ROOT

#undef KIND
#undef TARGET
#undef BYTES
