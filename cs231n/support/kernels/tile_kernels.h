/* Convolution and Adam of one number type for one kind of processor; tile_types.h
 * includes this file once for each, with REAL, ROOT, NAME, TARGET, BYTES (of a vector),
 * ROWS (filters handled at a time), DROWS and DCOLS set.
 *
 * No patch is copied. Padded images lie in planes, one for each channel and, with a
 * stride, for each remainder of row and column by it. In these, what a filter's weight
 * meets as it moves from place to place is one run of memory, so a row of the matrix of
 * patches is an offset: place q of row k is planes[offset[k] + q]. Places run over whole
 * rows of planes; those that hang over the right or lower edge are computed and left.
 *
 * Letters: as in im2col_cython.pyx; K weights of a filter, Q places, hanging ones too.
 */

typedef REAL NAME(vec)
    __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
#define VEC NAME(vec)
#define LANES ((ptrdiff_t)(BYTES / sizeof(REAL)))

/* Sum weight k of ROWS filters times row k, at 2 * LANES places, into out. */
TARGET static void NAME(tile)(const REAL *w, const ptrdiff_t *offset, ptrdiff_t count,
                              const REAL *planes, REAL *out, ptrdiff_t pitch, int add)
{
    VEC sum[ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
        sum[r][0] = add ? *(const VEC *)(out + r * pitch) : (VEC){0};
        sum[r][1] = add ? *(const VEC *)(out + r * pitch + LANES) : (VEC){0};
    }
    for (ptrdiff_t k = 0; k < count; k++, w += ROWS) {
        const REAL *row = planes + offset[k];
        const VEC left = *(const VEC *)row, right = *(const VEC *)(row + LANES);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            sum[r][0] += w[r] * left;
            sum[r][1] += w[r] * right;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
        *(VEC *)(out + r * pitch) = sum[r][0];
        *(VEC *)(out + r * pitch + LANES) = sum[r][1];
    }
}

/* Multiply packed filters (F / ROWS panels of K x ROWS) with offsets' rows. */
TARGET static void NAME(product)(const REAL *w, ptrdiff_t panels, ptrdiff_t K,
                                 const ptrdiff_t *offset, const REAL *planes,
                                 ptrdiff_t Q, REAL *out, ptrdiff_t pitch)
{
    for (ptrdiff_t k = 0; k < K; k += DEPTH) {
        const ptrdiff_t count = K - k < DEPTH ? K - k : DEPTH;
        for (ptrdiff_t q = 0; q < Q; q += 2 * LANES)
            for (ptrdiff_t p = 0; p < panels; p++)
                NAME(tile)(w + (p * K + k) * ROWS, offset + k, count, planes + q,
                           out + p * ROWS * pitch + q, pitch, k > 0);
    }
}

/* Add the inner products of gradients' rows with offsets' rows to dw (F, K). */
TARGET static void NAME(inner)(const REAL *dout, ptrdiff_t pitch, ptrdiff_t F,
                               const ptrdiff_t *offset, ptrdiff_t K,
                               const REAL *planes, ptrdiff_t Q, REAL *dw)
{
    for (ptrdiff_t start = 0; start < Q; start += LENGTH) {
        const ptrdiff_t stop = start + LENGTH < Q ? start + LENGTH : Q;
        for (ptrdiff_t f = 0; f < F; f += DROWS)
            for (ptrdiff_t k = 0; k < K; k += DCOLS) {
                VEC sum[DROWS][DCOLS];
#pragma GCC unroll 16
                for (int r = 0; r < DROWS; r++)
#pragma GCC unroll 16
                    for (int c = 0; c < DCOLS; c++)
                        sum[r][c] = (VEC){0};
                const REAL *rows = dout + f * pitch;
                for (ptrdiff_t q = start; q < stop; q += LANES) {
                    VEC d[DROWS];
#pragma GCC unroll 16
                    for (int r = 0; r < DROWS; r++)
                        d[r] = *(const VEC *)(rows + r * pitch + q);
#pragma GCC unroll 16
                    for (int c = 0; c < DCOLS; c++) {
                        const VEC x = *(const VEC *)(planes + offset[k + c] + q);
#pragma GCC unroll 16
                        for (int r = 0; r < DROWS; r++)
                            sum[r][c] += d[r] * x;
                    }
                }
                for (int r = 0; r < DROWS && f + r < F; r++)
                    for (int c = 0; c < DCOLS && k + c < K; c++) {
                        REAL total = 0;
                        for (int l = 0; l < LANES; l++)
                            total += sum[r][c][l];
                        dw[(f + r) * K + k + c] += total;
                    }
            }
    }
}

/* Take one step of Adam. */
TARGET static void NAME(adam)(REAL *x, const REAL *dx, REAL *m, REAL *v, ptrdiff_t n,
                              double beta1, double beta2, double step, double epsilon)
{
    const REAL keep = (REAL)beta1, take = (REAL)(1 - beta1);
    const REAL keep2 = (REAL)beta2, take2 = (REAL)(1 - beta2);
    const REAL rate = (REAL)step, floor = (REAL)epsilon;
#pragma GCC ivdep
    for (ptrdiff_t k = 0; k < n; k++) {
        const REAL mean = m[k] * keep + dx[k] * take;
        const REAL square = v[k] * keep2 + dx[k] * dx[k] * take2;
        m[k] = mean;
        v[k] = square;
        x[k] -= mean / (ROOT(square) + floor) * rate;
    }
}

/* Spread an image's channels over its planes; their margins are zero already. */
static void NAME(spread)(const REAL *x, const Conv *s, REAL *planes)
{
    for (ptrdiff_t c = 0; c < s->C; c++)
        for (ptrdiff_t a = 0; a < s->stride && a < s->HH; a++)
            for (ptrdiff_t b = 0; b < s->stride && b < s->WW; b++) {
                REAL *plane =
                    planes + ((c * s->stride + a) * s->stride + b) * s->plane;
                for (ptrdiff_t y = 0; y < s->tall; y++) {
                    const ptrdiff_t row = y * s->stride + a - s->pad;
                    if (row < 0 || row >= s->H)
                        continue;
                    const REAL *from = x + (c * s->H + row) * s->W;
                    REAL *to = plane + y * s->wide;
                    ptrdiff_t first = 0, column = b - s->pad;
                    while (column < 0)
                        first++, column += s->stride;
                    ptrdiff_t count = s->W - column;
                    count = count > 0 ? (count + s->stride - 1) / s->stride : 0;
                    if (count > s->wide - first)
                        count = s->wide - first;
                    if (s->stride == 1 && count > 0)
                        memcpy(to + first, from + column, count * sizeof(REAL));
                    else
                        for (ptrdiff_t p = 0; p < count; p++)
                            to[first + p] = from[column + p * s->stride];
                }
            }
}

/* Lay filters out in panels of ROWS; those that are missing in the last one are zero. */
static void NAME(pack)(const REAL *w, ptrdiff_t F, ptrdiff_t K, REAL *packed)
{
    for (ptrdiff_t f = 0; f < up(F, ROWS); f++)
        for (ptrdiff_t k = 0; k < K; k++)
            packed[(f / ROWS * K + k) * ROWS + f % ROWS] = f < F ? w[f * K + k] : 0;
}

static ptrdiff_t NAME(pitch)(ptrdiff_t Q)
{
    return up(Q, 2 * LANES);
}

/* Convolve N images; returns 0, or -1 when memory is short. */
static int NAME(forward)(const REAL *x, const REAL *w, const REAL *b, REAL *out,
                         ptrdiff_t N, const Conv *s)
{
    const ptrdiff_t K = s->C * s->HH * s->WW, size = s->tall * s->wide;
    const ptrdiff_t pitch = NAME(pitch)(s->few * size), panels = up(s->F, ROWS) / ROWS;
    REAL *packed = (REAL *)malloc(panels * ROWS * K * sizeof(REAL));
    REAL *planes = (REAL *)calloc(
        s->C * s->stride * s->stride * s->plane + 2 * LANES, sizeof(REAL));
    REAL *sums = (REAL *)malloc(panels * ROWS * pitch * sizeof(REAL));
    ptrdiff_t *offset = offsets(s, K);
    const int failed = !packed || !planes || !sums || !offset;
    if (!failed)
        NAME(pack)(w, s->F, K, packed);
    for (ptrdiff_t n = 0; n < N && !failed; n += s->few) {
        const ptrdiff_t few = N - n < s->few ? N - n : s->few;
        for (ptrdiff_t k = 0; k < few; k++)
            NAME(spread)(x + (n + k) * s->C * s->H * s->W, s, planes + k * size);
        const ptrdiff_t Q = (few - 1) * size + (s->out_h - 1) * s->wide + s->out_w;
        NAME(product)(packed, panels, K, offset, planes, Q, sums, pitch);
        for (ptrdiff_t k = 0; k < few; k++)
            for (ptrdiff_t f = 0; f < s->F; f++)
                for (ptrdiff_t y = 0; y < s->out_h; y++) {
                    const REAL *from = sums + f * pitch + k * size + y * s->wide;
                    REAL *to =
                        out + (((n + k) * s->F + f) * s->out_h + y) * s->out_w;
                    for (ptrdiff_t p = 0; p < s->out_w; p++)
                        to[p] = from[p] + b[f];
                }
    }
    free(packed), free(planes), free(sums), free(offset);
    return failed ? -1 : 0;
}

/* Add the gradient at the filters to dw (F, C, HH, WW); 0, or -1 for want of memory. */
static int NAME(weights)(const REAL *dout, const REAL *x, REAL *dw, ptrdiff_t N,
                         const Conv *s)
{
    const ptrdiff_t K = s->C * s->HH * s->WW, size = s->tall * s->wide;
    const ptrdiff_t pitch = NAME(pitch)(s->few * size);
    REAL *planes = (REAL *)calloc(
        s->C * s->stride * s->stride * s->plane + 2 * LANES, sizeof(REAL));
    REAL *rows = (REAL *)calloc(up(s->F, DROWS) * pitch, sizeof(REAL));
    ptrdiff_t *offset = offsets(s, K);
    const int failed = !planes || !rows || !offset;
    for (ptrdiff_t n = 0; n < N && !failed; n += s->few) {
        const ptrdiff_t few = N - n < s->few ? N - n : s->few;
        for (ptrdiff_t k = 0; k < few; k++) {
            NAME(spread)(x + (n + k) * s->C * s->H * s->W, s, planes + k * size);
            for (ptrdiff_t f = 0; f < s->F; f++)
                for (ptrdiff_t y = 0; y < s->out_h; y++)
                    memcpy(rows + f * pitch + k * size + y * s->wide,
                           dout + (((n + k) * s->F + f) * s->out_h + y) * s->out_w,
                           s->out_w * sizeof(REAL));
        }
        for (ptrdiff_t f = 0; f < s->F && few < s->few; f++) /* of the round before */
            memset(rows + f * pitch + few * size, 0,
                   (s->few - few) * size * sizeof(REAL));
        const ptrdiff_t Q = (few - 1) * size + (s->out_h - 1) * s->wide + s->out_w;
        NAME(inner)(rows, pitch, s->F, offset, K, planes, Q, dw);
    }
    free(planes), free(rows), free(offset);
    return failed ? -1 : 0;
}

/* Write the gradient at the images to dx (N, C, H, W); 0, or -1 for want of memory.
 *
 * A pixel's gradient is a convolution of dout with the filters turned round; pixels
 * that leave the same remainders by the stride meet the same weights. */
static int NAME(images)(const REAL *dout, const REAL *w, REAL *dx, ptrdiff_t N,
                        const Conv *s)
{
    const ptrdiff_t t = s->stride;
    /* Rows and columns of pixels with one remainder; first, and room above and left. */
    const ptrdiff_t skip = s->pad / t;
    const ptrdiff_t tall = (s->pad + s->H - 1) / t - skip + 1;
    const ptrdiff_t wide = (s->pad + s->W - 1) / t - skip + 1;
    const ptrdiff_t above = larger((s->HH - 1) / t - skip, 0);
    const ptrdiff_t aside = larger((s->WW - 1) / t - skip, 0);
    const ptrdiff_t high = tall + skip + above, broad = wide + skip + aside;
    const ptrdiff_t size = high * broad, plane = apart(s->few * size);
    const ptrdiff_t K = s->F * ((s->HH - 1) / t + 1) * ((s->WW - 1) / t + 1);
    const ptrdiff_t pitch = NAME(pitch)(s->few * size), panels = up(s->C, ROWS) / ROWS;
    const ptrdiff_t phases = t * t;
    REAL *turned = (REAL *)malloc(s->C * K * sizeof(REAL));
    REAL *packed = (REAL *)malloc(phases * panels * ROWS * K * sizeof(REAL));
    REAL *planes = (REAL *)calloc(s->F * plane + 2 * LANES, sizeof(REAL));
    REAL *sums = (REAL *)malloc(panels * ROWS * pitch * sizeof(REAL));
    ptrdiff_t *offset = (ptrdiff_t *)malloc(phases * K * sizeof(ptrdiff_t));
    ptrdiff_t *count = (ptrdiff_t *)calloc(phases, sizeof(ptrdiff_t));
    const int failed =
        !turned || !packed || !planes || !sums || !offset || !count;

    for (ptrdiff_t phase = 0; phase < phases && !failed; phase++) {
        const ptrdiff_t a = phase / t, b = phase % t;
        ptrdiff_t k = 0;
        count[phase] = s->F * (up(s->HH - a, t) / t) * (up(s->WW - b, t) / t);
        for (ptrdiff_t f = 0; f < s->F; f++)
            for (ptrdiff_t i = a; i < s->HH; i += t)
                for (ptrdiff_t j = b; j < s->WW; j += t, k++) {
                    offset[phase * K + k] = f * plane +
                                            (skip + above - i / t) * broad +
                                            skip + aside - j / t;
                    for (ptrdiff_t c = 0; c < s->C; c++)
                        turned[c * count[phase] + k] =
                            w[((f * s->C + c) * s->HH + i) * s->WW + j];
                }
        NAME(pack)(turned, s->C, k, packed + phase * panels * ROWS * K);
    }
    for (ptrdiff_t n = 0; n < N && !failed; n += s->few) {
        const ptrdiff_t few = N - n < s->few ? N - n : s->few;
        for (ptrdiff_t k = 0; k < few; k++)
            for (ptrdiff_t f = 0; f < s->F; f++)
                for (ptrdiff_t y = 0; y < s->out_h && y + above < high; y++)
                    memcpy(planes + f * plane + k * size + (y + above) * broad + aside,
                           dout + (((n + k) * s->F + f) * s->out_h + y) * s->out_w,
                           smaller(s->out_w, broad - aside) * sizeof(REAL));
        const ptrdiff_t Q = (few - 1) * size + (tall - 1) * broad + wide;
        for (ptrdiff_t phase = 0; phase < phases; phase++) {
            if (count[phase])
                NAME(product)(packed + phase * panels * ROWS * K, panels, count[phase],
                              offset + phase * K, planes, Q, sums, pitch);
            for (ptrdiff_t k = 0; k < few; k++)
                for (ptrdiff_t c = 0; c < s->C; c++)
                    for (ptrdiff_t y = 0; y < tall; y++) {
                        const ptrdiff_t row = (y + skip) * t + phase / t - s->pad;
                        if (row < 0 || row >= s->H)
                            continue;
                        REAL *to = dx + (((n + k) * s->C + c) * s->H + row) * s->W;
                        const REAL *from = sums + c * pitch + k * size + y * broad;
                        ptrdiff_t first = 0, column = skip * t + phase % t - s->pad;
                        while (column < 0)
                            first++, column += t;
                        for (ptrdiff_t p = first; column < s->W; p++, column += t)
                            to[column] = count[phase] ? from[p] : 0;
                    }
        }
    }
    free(turned), free(packed), free(planes), free(sums), free(offset), free(count);
    return failed ? -1 : 0;
}

#undef VEC
#undef LANES
