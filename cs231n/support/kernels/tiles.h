/* Convolution and softmax on registers, the widest that the processor has at run time.
 *
 * Written with the vector types of GCC and Clang; other compilers get none of it, and
 * what serves then is NumPy, or a matrix product. Letters: as in im2col_cython.pyx.
 */

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    ptrdiff_t C, H, W, F, HH, WW, stride, pad, out_h, out_w;
    ptrdiff_t tall, wide; /* rows and columns of an image's planes */
    ptrdiff_t plane;      /* numbers from one plane to the next */
    ptrdiff_t few;        /* images that lie side by side in each plane */
} Conv;

static int width = -1;

#define DEPTH 288   /* weights of a filter that are gone through at a time */
#define LENGTH 1280 /* places, for the gradient at the filters */

static ptrdiff_t up(ptrdiff_t number, ptrdiff_t step)
{
    return (number + step - 1) / step * step;
}

static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* Return a distance between planes that spreads them over all sets of a cache. */
static ptrdiff_t apart(ptrdiff_t size)
{
    const ptrdiff_t lines = up(size, 16) / 16;
    return 16 * (lines + !(lines % 2));
}

/* Complete the sizes of a convolution, with this many places in a plane if images are
 * that small. */
static void settle(Conv *s, ptrdiff_t places)
{
    s->tall = s->out_h + (s->HH - 1) / s->stride;
    s->wide = s->out_w + (s->WW - 1) / s->stride;
    s->few = larger(1, places / (s->tall * s->wide));
    s->plane = apart(s->few * s->tall * s->wide);
}

/* Return where each weight's row of places begins, repeated to a full tile. */
static ptrdiff_t *offsets(const Conv *s, ptrdiff_t K)
{
    ptrdiff_t *offset = (ptrdiff_t *)malloc((K + 16) * sizeof(ptrdiff_t));
    ptrdiff_t k = 0;
    if (!offset)
        return NULL;
    for (ptrdiff_t c = 0; c < s->C; c++)
        for (ptrdiff_t i = 0; i < s->HH; i++)
            for (ptrdiff_t j = 0; j < s->WW; j++)
                offset[k++] = ((c * s->stride + i % s->stride) * s->stride +
                               j % s->stride) * s->plane +
                              i / s->stride * s->wide + j / s->stride;
    for (int extra = 0; extra < 16; extra++)
        offset[k++] = offset[0];
    return offset;
}

#if defined(__GNUC__)

/* A kernel's name has its number type and its kind of processor at the end. */
#define PASTE(x, type, kind) x##_##type##_##kind
#define NAMED(x, type, kind) PASTE(x, type, kind)
#define NAME(x) NAMED(x, REAL, KIND)

/* What every processor has: 16 bytes. */
#define KIND plain
#define TARGET
#define BYTES 16
#define ROWS 6
#define DROWS 3
#define DCOLS 4
#include "tile_types.h"

#if defined(__x86_64__)
#define KIND avx2
#define TARGET __attribute__((target("avx2,fma")))
#define BYTES 32
#include "tile_types.h"

/* Twice as many registers, twice as wide. */
#undef ROWS
#undef DROWS
#undef DCOLS
#define KIND avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define BYTES 64
#define ROWS 12
#define DROWS 4
#define DCOLS 6
#include "tile_types.h"

#define CALL(what, type, ...)                                                          \
    (width == 2   ? what##_##type##_avx512(__VA_ARGS__)                                \
     : width == 1 ? what##_##type##_avx2(__VA_ARGS__)                                  \
                  : what##_##type##_plain(__VA_ARGS__))
#else
#define CALL(what, type, ...) what##_##type##_plain(__VA_ARGS__)
#endif

/* Return how wide the processor's registers are: 0 plain, 1 AVX2, 2 AVX-512. */
static int widest(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 1;
#endif
    return 0;
}

#else /* no vector types: nothing below is called */

#define CALL(what, type, ...) 0

static int widest(void)
{
    return -1;
}

#endif

/* Arrays come as void, with the size of their numbers: that of float or of double. */
#define CALL_OF_SIZE(what, ...)                                                        \
    (size == sizeof(float) ? CALL(what, float, __VA_ARGS__)                            \
                           : CALL(what, double, __VA_ARGS__))

static double softmax(const float *x, const ptrdiff_t *y, const float *weight,
                      float *out, ptrdiff_t R, ptrdiff_t V)
{
    return CALL(softmax, float, x, y, weight, out, R, V);
}

static void adam_step(size_t size, void *x, const void *dx, void *m, void *v,
                      ptrdiff_t n, double beta1, double beta2, double step,
                      double epsilon)
{
    CALL_OF_SIZE(adam, x, dx, m, v, n, beta1, beta2, step, epsilon);
}

static int tiles_forward(size_t size, const void *x, const void *w, const void *b,
                         void *out, ptrdiff_t N, const Conv *s)
{
    return CALL_OF_SIZE(forward, x, w, b, out, N, s);
}

static int tiles_weights(size_t size, const void *dout, const void *x, void *dw,
                         ptrdiff_t N, const Conv *s)
{
    return CALL_OF_SIZE(weights, dout, x, dw, N, s);
}

static int tiles_images(size_t size, const void *dout, const void *w, void *dx,
                        ptrdiff_t N, const Conv *s)
{
    return CALL_OF_SIZE(images, dout, w, dx, N, s);
}
