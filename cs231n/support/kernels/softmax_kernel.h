/* The softmax loss of float rows for one kind of processor; tile_types.h includes this
 * file once for each, with NAME, TARGET and BYTES set. */

typedef float NAME(row)
    __attribute__((vector_size(BYTES), aligned(sizeof(float)), may_alias));
typedef int NAME(bits)
    __attribute__((vector_size(BYTES), aligned(sizeof(float)), may_alias));
#define ROW NAME(row)
#define BITS NAME(bits)
#define WIDTH ((ptrdiff_t)(BYTES / sizeof(float)))

/* Compute exp of numbers <= 0 to the last bit or two; what would be below 1e-38 is 0.
 *
 * exp(d) = 2^n exp(r), with a polynomial for |r| <= log(2) / 2: that of Cephes. */
TARGET static inline __attribute__((always_inline)) void NAME(exp)(ROW *x)
{
    const ROW d = *x;
    const ROW shifted = d * 1.44269504f + 12582912.0f; /* the last bits hold n */
    const ROW n = shifted - 12582912.0f;
    const ROW r = (d - n * 0.693359375f) + n * 2.12194440e-4f;
    ROW p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const BITS power = ((BITS)shifted - (0x4b400000 - 127)) << 23;
    const BITS tiny = (BITS)(d < -87.3f); /* false for nan, which stays */
    *x = (ROW)((BITS)(p * (ROW)power) & ~tiny);
}

/* Return the sum of weight * loss; out, which may be x, receives the gradient. */
TARGET static double NAME(softmax)(const float *x, const ptrdiff_t *y,
                                   const float *weight, float *out, ptrdiff_t R,
                                   ptrdiff_t V)
{
    double loss = 0;
    const ptrdiff_t whole = V / WIDTH * WIDTH;
    for (ptrdiff_t r = 0; r < R; r++, x += V, out += V) {
        float most = x[0], total = 0;
        if (whole) {
            ROW best = *(const ROW *)x;
            for (ptrdiff_t k = WIDTH; k < whole; k += WIDTH) {
                const ROW some = *(const ROW *)(x + k);
                const BITS more = (BITS)(some > best);
                best = (ROW)(((BITS)some & more) | ((BITS)best & ~more));
            }
            for (ptrdiff_t k = 0; k < WIDTH; k++)
                most = best[k] > most ? best[k] : most;
        }
        for (ptrdiff_t k = whole; k < V; k++)
            most = x[k] > most ? x[k] : most;

        const float picked = x[y[r]] - most;
        ROW sums = {0};
        for (ptrdiff_t k = 0; k < whole; k += WIDTH) {
            ROW e = *(const ROW *)(x + k) - most;
            NAME(exp)(&e);
            *(ROW *)(out + k) = e;
            sums += e;
        }
        if (whole < V) { /* the rest, beside numbers that count for nothing */
            ROW e = {0};
            for (ptrdiff_t k = whole; k < V; k++)
                e[k - whole] = x[k] - most;
            NAME(exp)(&e);
            for (ptrdiff_t k = whole; k < V; k++)
                total += out[k] = e[k - whole];
        }
        for (ptrdiff_t k = 0; k < WIDTH; k++)
            total += sums[k];

        const float scale = weight[r] / total;
        for (ptrdiff_t k = 0; k < whole; k += WIDTH)
            *(ROW *)(out + k) *= scale;
        for (ptrdiff_t k = whole; k < V; k++)
            out[k] *= scale;
        out[y[r]] -= weight[r];
        loss += weight[r] * (log((double)total) - picked);
    }
    return loss;
}

#undef ROW
#undef BITS
#undef WIDTH
