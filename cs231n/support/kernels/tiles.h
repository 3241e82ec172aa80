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

#if defined(__GNUC__)

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

/* What every processor has: 16 bytes. */
#define TARGET
#define BYTES 16
#define ROWS 6
#define DROWS 3
#define DCOLS 4
#define REAL float
#define ROOT sqrtf
#define NAME(x) x##_float_plain
#include "softmax_kernel.h"
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
#define REAL double
#define ROOT sqrt
#define NAME(x) x##_double_plain
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
#undef TARGET
#undef BYTES

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define BYTES 32
#define REAL float
#define ROOT sqrtf
#define NAME(x) x##_float_avx2
#include "softmax_kernel.h"
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
#define REAL double
#define ROOT sqrt
#define NAME(x) x##_double_avx2
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
#undef TARGET
#undef BYTES
#undef ROWS
#undef DROWS
#undef DCOLS

/* Twice as many registers, twice as wide. */
#define TARGET __attribute__((target("avx512f,fma")))
#define BYTES 64
#define ROWS 12
#define DROWS 4
#define DCOLS 6
#define REAL float
#define ROOT sqrtf
#define NAME(x) x##_float_avx512
#include "softmax_kernel.h"
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
#define REAL double
#define ROOT sqrt
#define NAME(x) x##_double_avx512
#include "tile_kernels.h"
#undef REAL
#undef ROOT
#undef NAME
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

static int width = -1;

#if defined(__x86_64__)
#define CHOOSE(what, type, ...)                                                        \
    (width == 2   ? what##_##type##_avx512(__VA_ARGS__)                                \
     : width == 1 ? what##_##type##_avx2(__VA_ARGS__)                                  \
                  : what##_##type##_plain(__VA_ARGS__))
#else
#define CHOOSE(what, type, ...) what##_##type##_plain(__VA_ARGS__)
#endif

static double softmax(const float *x, const ptrdiff_t *y, const float *weight,
                      float *out, ptrdiff_t R, ptrdiff_t V)
{
    return CHOOSE(softmax, float, x, y, weight, out, R, V);
}

static void adam_float(float *x, const float *dx, float *m, float *v, ptrdiff_t n,
                       double beta1, double beta2, double step, double epsilon)
{
    CHOOSE(adam, float, x, dx, m, v, n, beta1, beta2, step, epsilon);
}

static void adam_double(double *x, const double *dx, double *m, double *v, ptrdiff_t n,
                        double beta1, double beta2, double step, double epsilon)
{
    CHOOSE(adam, double, x, dx, m, v, n, beta1, beta2, step, epsilon);
}

static int tiles_forward_float(const float *x, const float *w, const float *b,
                               float *out, ptrdiff_t N, const Conv *s)
{
    return CHOOSE(forward, float, x, w, b, out, N, s);
}

static int tiles_forward_double(const double *x, const double *w, const double *b,
                                double *out, ptrdiff_t N, const Conv *s)
{
    return CHOOSE(forward, double, x, w, b, out, N, s);
}

static int tiles_weights_float(const float *dout, const float *x, float *dw,
                               ptrdiff_t N, const Conv *s)
{
    return CHOOSE(weights, float, dout, x, dw, N, s);
}

static int tiles_weights_double(const double *dout, const double *x, double *dw,
                                ptrdiff_t N, const Conv *s)
{
    return CHOOSE(weights, double, dout, x, dw, N, s);
}

static int tiles_images_float(const float *dout, const float *w, float *dx,
                              ptrdiff_t N, const Conv *s)
{
    return CHOOSE(images, float, dout, w, dx, N, s);
}

static int tiles_images_double(const double *dout, const double *w, double *dx,
                               ptrdiff_t N, const Conv *s)
{
    return CHOOSE(images, double, dout, w, dx, N, s);
}

#else /* no vector types */

static int width = -1;

static int widest(void)
{
    return -1;
}

static void settle(Conv *s, ptrdiff_t places)
{
    (void)s, (void)places;
}

static double softmax(const float *x, const ptrdiff_t *y, const float *weight,
                      float *out, ptrdiff_t R, ptrdiff_t V)
{
    (void)x, (void)y, (void)weight, (void)out, (void)R, (void)V;
    return 0;
}

static void adam_float(float *x, const float *dx, float *m, float *v, ptrdiff_t n,
                       double beta1, double beta2, double step, double epsilon)
{
    (void)x, (void)dx, (void)m, (void)v, (void)n;
    (void)beta1, (void)beta2, (void)step, (void)epsilon;
}

static void adam_double(double *x, const double *dx, double *m, double *v, ptrdiff_t n,
                        double beta1, double beta2, double step, double epsilon)
{
    (void)x, (void)dx, (void)m, (void)v, (void)n;
    (void)beta1, (void)beta2, (void)step, (void)epsilon;
}

#define ABSENT(what, type)                                                             \
    static int tiles_##what##_##type(const type *a, const type *b, type *c,            \
                                     ptrdiff_t N, const Conv *s)                       \
    {                                                                                  \
        (void)a, (void)b, (void)c, (void)N, (void)s;                                   \
        return -1;                                                                     \
    }

ABSENT(weights, float)
ABSENT(weights, double)
ABSENT(images, float)
ABSENT(images, double)

static int tiles_forward_float(const float *x, const float *w, const float *b,
                               float *out, ptrdiff_t N, const Conv *s)
{
    (void)b;
    return tiles_weights_float(x, w, out, N, s);
}

static int tiles_forward_double(const double *x, const double *w, const double *b,
                                double *out, ptrdiff_t N, const Conv *s)
{
    (void)b;
    return tiles_weights_double(x, w, out, N, s);
}

#endif
