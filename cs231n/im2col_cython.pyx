# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False
"""Compiled kernels: patches as columns and back, convolution, pooling, Adam, softmax.

``python setup.py build_ext --inplace`` builds them, here or one folder up. They are
optional: ``cs231n.support.kernels.compiled`` says what serves without them, with the
same numbers, and what ``im2col_cython`` and its like take and give.

Every kernel checks its sizes before it touches memory, works on float32 and float64,
on any strides, and lets other Python threads run.

Letters in shapes: N images, C channels, H x W pixels, fh x fw pixels of a field,
out_h x out_w places where it fits.
"""

from libc.string cimport memcpy

import numpy as np

from cs231n.im2col import places

ctypedef fused real:
    float
    double

# Raised when the kernels change, so that an older build is not taken for this one.
VERSION = 1


cdef tuple _shape(const Py_ssize_t* sizes, int axes):
    return tuple([sizes[k] for k in range(axes)])


cdef int _require(str what, tuple came, tuple wanted, tuple image) except -1:
    if came != wanted:
        raise ValueError(
            f"{what} have shape {came}, but {wanted} is wanted for images of {image}; "
            "pass what was made of the same sizes."
        )
    return 0


cdef int _require_columns(
    const Py_ssize_t* x, const Py_ssize_t* cols, Py_ssize_t padding, Py_ssize_t stride
) except -1:
    image, field = _shape(x, 4), (cols[2], cols[3])
    wanted = (*image[:2], *field, *places(image, field, padding, stride))
    return _require("The columns", _shape(cols, 6), wanted, image)


cdef int _require_pooled(
    const Py_ssize_t* x, const Py_ssize_t* out,
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t stride,
) except -1:
    image = _shape(x, 4)
    wanted = (*image[:2], *places(image, (height, width), 0, stride))
    return _require("The maxima", _shape(out, 4), wanted, image)


cdef inline void _seen(
    Py_ssize_t size,
    Py_ssize_t places,
    Py_ssize_t offset,
    Py_ssize_t stride,
    Py_ssize_t* first,
    Py_ssize_t* last,
) noexcept nogil:
    """Find the places p, first <= p < last, with 0 <= p * stride + offset < size."""
    first[0] = 0 if offset >= 0 else (-offset + stride - 1) // stride
    last[0] = 0 if offset >= size else (size - offset + stride - 1) // stride
    if last[0] > places:
        last[0] = places
    if first[0] > last[0]:
        first[0] = last[0]


cdef void _gather(
    const real[:, :, :, :] x,
    real[:, :, :, :, :, :] cols,
    Py_ssize_t padding, Py_ssize_t stride,
) noexcept nogil:
    """Copy patches of x (N, C, H, W) to cols (N, C, fh, fw, out_h, out_w)."""
    cdef Py_ssize_t n, c, i, j, y, p, row, left, first, last
    cdef Py_ssize_t H = x.shape[2], W = x.shape[3]
    cdef Py_ssize_t out_h = cols.shape[4], out_w = cols.shape[5]
    cdef Py_ssize_t step = cols.strides[5], pace = x.strides[3] * stride
    cdef bint dense = step == sizeof(real)
    cdef bint rows = dense and pace == sizeof(real)
    cdef char* to
    cdef const char* source
    for n in range(cols.shape[0]):
        for c in range(cols.shape[1]):
            for i in range(cols.shape[2]):
                for j in range(cols.shape[3]):
                    left = j - padding
                    _seen(W, out_w, left, stride, &first, &last)
                    for y in range(out_h):
                        to = <char*> &cols[n, c, i, j, y, 0]
                        row = y * stride + i - padding
                        if row < 0 or row >= H or first == last:
                            for p in range(out_w):
                                (<real*> (to + p * step))[0] = 0
                            continue
                        for p in range(first):
                            (<real*> (to + p * step))[0] = 0
                        source = <const char*> &x[n, c, row, first * stride + left]
                        if rows:
                            memcpy(
                                to + first * step, source, (last - first) * sizeof(real)
                            )
                        elif dense:
                            for p in range(last - first):
                                (<real*> to)[first + p] = (
                                    <const real*> (source + p * pace)
                                )[0]
                        else:
                            for p in range(last - first):
                                (<real*> (to + (first + p) * step))[0] = (
                                    <const real*> (source + p * pace)
                                )[0]
                        for p in range(last, out_w):
                            (<real*> (to + p * step))[0] = 0


cdef void _scatter(
    const real[:, :, :, :, :, :] cols,
    real[:, :, :, :] x,
    Py_ssize_t padding, Py_ssize_t stride,
) noexcept nogil:
    """Add cols (N, C, fh, fw, out_h, out_w) to the patches of x (N, C, H, W)."""
    cdef Py_ssize_t n, c, i, j, y, p, row, left, first, last
    cdef Py_ssize_t H = x.shape[2], W = x.shape[3]
    cdef Py_ssize_t out_h = cols.shape[4], out_w = cols.shape[5]
    cdef Py_ssize_t step = cols.strides[5], pace = x.strides[3] * stride
    cdef bint rows = step == sizeof(real) and pace == sizeof(real)
    cdef char* to
    cdef const char* source
    for n in range(cols.shape[0]):
        for c in range(cols.shape[1]):
            for i in range(cols.shape[2]):
                for j in range(cols.shape[3]):
                    left = j - padding
                    _seen(W, out_w, left, stride, &first, &last)
                    if first == last:
                        continue
                    for y in range(out_h):
                        row = y * stride + i - padding
                        if row < 0 or row >= H:
                            continue
                        to = <char*> &x[n, c, row, first * stride + left]
                        source = <const char*> &cols[n, c, i, j, y, first]
                        if rows:
                            for p in range(last - first):
                                (<real*> to)[p] += (<const real*> source)[p]
                        else:
                            for p in range(last - first):
                                (<real*> (to + p * pace))[0] += (
                                    <const real*> (source + p * step)
                                )[0]


def gather(
    const real[:, :, :, :] x,
    real[:, :, :, :, :, :] cols,
    Py_ssize_t padding, Py_ssize_t stride,
):
    """Copy patches into columns that are there already, in whatever order they lie.

    Args:
        x: (N, C, H, W) images.
        cols: (N, C, fh, fw, out_h, out_w) receives the patches.
        padding: Zeros added on each side.
        stride: Pixels from one place to the next.
    """
    _require_columns(x.shape, cols.shape, padding, stride)
    with nogil:
        _gather(x, cols, padding, stride)


def scatter(
    const real[:, :, :, :, :, :] cols,
    real[:, :, :, :] x,
    Py_ssize_t padding, Py_ssize_t stride,
):
    """Add columns to the patches they came from.

    Args:
        cols: (N, C, fh, fw, out_h, out_w) columns, in whatever order they lie.
        x: (N, C, H, W) images, to which is added.
        padding: Zeros that had been added on each side.
        stride: Pixels from one place to the next.
    """
    _require_columns(x.shape, cols.shape, padding, stride)
    with nogil:
        _scatter(cols, x, padding, stride)


def im2col_cython(
    const real[:, :, :, :] x,
    Py_ssize_t field_height, Py_ssize_t field_width,
    Py_ssize_t padding, Py_ssize_t stride,
):
    """Copy the patch at every place into a column of its own."""
    field = (field_height, field_width)
    N, C, *_ = image = _shape(x.shape, 4)
    shape = (C, *field, *places(image, field, padding, stride), N)
    result = np.empty(shape, np.asarray(x).dtype)
    cdef real[:, :, :, :, :, :] cols = result.transpose(5, 0, 1, 2, 3, 4)
    with nogil:
        _gather(x, cols, padding, stride)
    return result.reshape(C * field_height * field_width, -1 if N else 0)


def col2im_cython(
    const real[:, :] cols,
    Py_ssize_t N, Py_ssize_t C, Py_ssize_t H, Py_ssize_t W,
    Py_ssize_t field_height, Py_ssize_t field_width,
    Py_ssize_t padding, Py_ssize_t stride,
):
    """Add columns up where their patches were: the transpose of im2col_cython."""
    image, field = (N, C, H, W), (field_height, field_width)
    out = places(image, field, padding, stride)
    wanted = (C * field_height * field_width, N * out[0] * out[1])
    _require("The columns", _shape(cols.shape, 2), wanted, image)
    apart = np.asarray(cols).reshape(C, *field, *out, N)
    cdef const real[:, :, :, :, :, :] view = apart.transpose(5, 0, 1, 2, 3, 4)
    return _sums(view, H, W, padding, stride)


def col2im_6d_cython(
    const real[:, :, :, :, :, :] cols,
    Py_ssize_t N, Py_ssize_t C, Py_ssize_t H, Py_ssize_t W,
    Py_ssize_t HH, Py_ssize_t WW, Py_ssize_t pad, Py_ssize_t stride,
):
    """Add columns up as col2im_cython does, an axis of theirs for each letter."""
    image = (N, C, H, W)
    wanted = (C, HH, WW, N, *places(image, (HH, WW), pad, stride))
    _require("The columns", _shape(cols.shape, 6), wanted, image)
    apart = np.asarray(cols)
    cdef const real[:, :, :, :, :, :] view = apart.transpose(3, 0, 1, 2, 4, 5)
    return _sums(view, H, W, pad, stride)


cdef object _sums(
    const real[:, :, :, :, :, :] cols,
    Py_ssize_t H,
    Py_ssize_t W,
    Py_ssize_t padding, Py_ssize_t stride,
):
    """Add cols (N, C, fh, fw, out_h, out_w) up to new images of H x W."""
    columns = np.asarray(cols)
    result = np.zeros((*columns.shape[:2], H, W), columns.dtype)
    cdef real[:, :, :, :] x = result
    with nogil:
        _scatter(cols, x, padding, stride)
    return result


def pool(
    const real[:, :, :, :] x,
    real[:, :, :, ::1] out,
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t stride,
):
    """Take the maximum of the patch at every place.

    Args:
        x: (N, C, H, W) images.
        out: (N, C, out_h, out_w) receives the maxima.
        height: Of a patch.
        width: Of a patch.
        stride: Pixels from one place to the next.
    """
    _require_pooled(x.shape, out.shape, height, width, stride)
    cdef Py_ssize_t n, c, y, p, i, j
    cdef Py_ssize_t out_w = out.shape[3]
    cdef bint pairs = (
        height == 2 and width == 2 and stride == 2 and x.strides[3] == sizeof(real)
    )
    cdef const real* upper
    cdef const real* lower
    cdef real* to
    cdef real best, a, b, d, e
    with nogil:
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                for y in range(out.shape[2]):
                    to = &out[n, c, y, 0]
                    if pairs:
                        upper, lower = &x[n, c, 2 * y, 0], &x[n, c, 2 * y + 1, 0]
                        # Choices like these take no branch and work on whole vectors
                        # at a time. b and e stay if they are nan; a and d need help.
                        for p in range(out_w):
                            a, b = upper[2 * p], upper[2 * p + 1]
                            d, e = lower[2 * p], lower[2 * p + 1]
                            b = a if a > b else b
                            b = a if a != a else b
                            e = d if d > e else e
                            e = d if d != d else e
                            best = b if b > e else e
                            to[p] = b if b != b else best
                        continue
                    for p in range(out_w):
                        best = x[n, c, y * stride, p * stride]
                        for i in range(height):
                            for j in range(width):
                                a = x[n, c, y * stride + i, p * stride + j]
                                best = a if a > best else best
                                if a != a:
                                    best = a
                        to[p] = best


def pool_backward(
    const real[:, :, :, :] dout,
    const real[:, :, :, :] x,
    const real[:, :, :, ::1] out,
    real[:, :, :, ::1] dx,
    Py_ssize_t height, Py_ssize_t width, Py_ssize_t stride,
    bint share,
):
    """Give the gradient of each maximum to where it was.

    Args:
        dout: (N, C, out_h, out_w) gradient at the maxima.
        x: (N, C, H, W) images.
        out: (N, C, out_h, out_w) maxima.
        dx: (N, C, H, W) zeros, to which is added.
        height: Of a patch.
        width: Of a patch.
        stride: Pixels from one place to the next.
        share: Whether equal maxima share the gradient; the first gets it all if not.
    """
    image, pooled = _shape(x.shape, 4), _shape(out.shape, 4)
    _require_pooled(x.shape, out.shape, height, width, stride)
    _require("The gradients at the images", _shape(dx.shape, 4), image, image)
    _require("The gradients at the maxima", _shape(dout.shape, 4), pooled, image)
    cdef Py_ssize_t n, c, y, p, i, j, top, left, ties
    cdef real best, part, a, b, d, e
    cdef bint hit, waiting
    cdef bint quads = height == 2 and width == 2 and stride == 2 and share
    cdef bint dense = x.strides[3] == sizeof(real) and dout.strides[3] == sizeof(real)
    cdef const real* upper
    cdef const real* lower
    cdef const real* maxima
    cdef const real* given
    cdef real* above
    cdef real* below
    with nogil:
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                for y in range(out.shape[2]):
                    top = y * stride
                    if quads and dense:
                        upper, lower = &x[n, c, top, 0], &x[n, c, top + 1, 0]
                        above, below = &dx[n, c, top, 0], &dx[n, c, top + 1, 0]
                        maxima, given = &out[n, c, y, 0], &dout[n, c, y, 0]
                        for p in range(out.shape[3]):
                            best = maxima[p]
                            a = upper[2 * p] == best
                            b = upper[2 * p + 1] == best
                            d = lower[2 * p] == best
                            e = lower[2 * p + 1] == best
                            part = given[p] / (a + b + d + e)
                            above[2 * p] = a * part
                            above[2 * p + 1] = b * part
                            below[2 * p] = d * part
                            below[2 * p + 1] = e * part
                        continue
                    for p in range(out.shape[3]):
                        left = p * stride
                        best = out[n, c, y, p]
                        part = dout[n, c, y, p]
                        if share:
                            ties = 0
                            for i in range(height):
                                for j in range(width):
                                    ties += x[n, c, top + i, left + j] == best
                            part = part / <real> ties
                        waiting = True
                        for i in range(height):
                            for j in range(width):
                                hit = x[n, c, top + i, left + j] == best
                                if share:
                                    dx[n, c, top + i, left + j] += <real> hit * part
                                elif hit and waiting:
                                    dx[n, c, top + i, left + j] += part
                                    waiting = False


def adam(
    real[::1] x,
    const real[::1] dx,
    real[::1] m,
    real[::1] v,
    double beta1,
    double beta2,
    double step,
    double epsilon,
):
    """Take one step of Adam, in place, going over memory once.

    Args:
        x: (n,) weights.
        dx: (n,) gradient.
        m: (n,) average of the gradient.
        v: (n,) average of its square.
        beta1: The share of m that is kept.
        beta2: The share of v that is kept.
        step: Learning rate, with the bias corrections.
        epsilon: Added to the root of v.
    """
    cdef Py_ssize_t n = x.shape[0]
    if dx.shape[0] != n or m.shape[0] != n or v.shape[0] != n:
        raise ValueError("x, dx, m and v do not all have the same length.")
    if WIDEST < 0:
        raise NotImplementedError("This compiler built no Adam.")
    with nogil:
        adam_step(
            sizeof(real), &x[0], &dx[0], &m[0], &v[0], n, beta1, beta2, step, epsilon
        )


cdef extern from "support/kernels/tiles.h":
    ctypedef struct Conv:
        Py_ssize_t C, H, W, F, HH, WW, stride, pad, out_h, out_w
        Py_ssize_t tall, wide, plane, few

    int widest() noexcept nogil
    void settle(Conv* s, Py_ssize_t places) noexcept nogil
    int tiles_forward(
        size_t size, const void* x, const void* w, const void* b, void* out,
        Py_ssize_t N, const Conv* s,
    ) noexcept nogil
    int tiles_weights(
        size_t size, const void* dout, const void* x, void* dw,
        Py_ssize_t N, const Conv* s,
    ) noexcept nogil
    int tiles_images(
        size_t size, const void* dout, const void* w, void* dx,
        Py_ssize_t N, const Conv* s,
    ) noexcept nogil
    double softmax(
        const float* x, const Py_ssize_t* y, const float* weight, float* out,
        Py_ssize_t R, Py_ssize_t V,
    ) noexcept nogil
    void adam_step(
        size_t size, void* x, const void* dx, void* m, void* v, Py_ssize_t n,
        double beta1, double beta2, double step, double epsilon,
    ) noexcept nogil
    int width


WIDEST = widest()
"""The processor's registers: 0 plain, 1 AVX2, 2 AVX-512; -1 if no tiles were built."""
width = WIDEST


def use_width(int number):
    """Choose the registers that tiles are computed in, for tests.

    Args:
        number: 0 to WIDEST.
    """
    global width
    if not 0 <= number <= WIDEST:
        raise ValueError(f"width is {number}; use 0 to {WIDEST}.")
    width = number


cdef Conv _sizes(
    const Py_ssize_t* x, const Py_ssize_t* w, const Py_ssize_t* out,
    Py_ssize_t stride, Py_ssize_t pad, Py_ssize_t places_in_a_plane,
) except *:
    """Check that the arrays of a convolution fit together, and settle on a plan."""
    cdef Conv s
    image, filters, results = _shape(x, 4), _shape(w, 4), _shape(out, 4)
    s.C, s.H, s.W = image[1:]
    s.F, _, s.HH, s.WW = filters
    s.stride, s.pad = stride, pad
    s.out_h, s.out_w = places(image, filters[2:], pad, stride)
    fits = filters[1] == s.C and results == (image[0], s.F, s.out_h, s.out_w)
    if not fits or s.C < 1 or s.F < 1:
        raise ValueError(
            f"Images of {image}, filters of {filters} and results of {results} do not "
            f"go together with stride {stride} and padding {pad}."
        )
    if WIDEST < 0:
        raise NotImplementedError("This compiler built no tiles.")
    settle(&s, places_in_a_plane)
    return s


cdef int _require_memory(int failed, str what) except -1:
    if failed:
        raise MemoryError(f"There is no memory for the padded {what}.")
    return 0


cdef int _sum(
    int (*tiles)(
        size_t, const void*, const void*, void*, Py_ssize_t, const Conv*
    ) noexcept nogil,
    const real* given, const real* other, real* sums, Py_ssize_t N, const Conv* s,
    str what,
) except -1:
    """Add up a gradient of convolve over N images; what may be too much is padded."""
    cdef int failed
    with nogil:
        failed = tiles(sizeof(real), given, other, sums, N, s)
    return _require_memory(failed, what)


def convolve(
    const real[:, :, :, ::1] x, const real[:, :, :, ::1] w,
    const real[::1] b, real[:, :, :, ::1] out,
    Py_ssize_t stride, Py_ssize_t pad,
):
    """Slide filters over images, with all sums in registers.

    Args:
        x: (N, C, H, W) images.
        w: (F, C, HH, WW) filters.
        b: (F,) biases.
        out: (N, F, out_h, out_w) receives the responses.
        stride: Pixels from one place to the next.
        pad: Zeros added on each side.
    """
    cdef Conv s = _sizes(x.shape, w.shape, out.shape, stride, pad, 64)
    cdef int failed
    if b.shape[0] != s.F:
        raise ValueError("b has not one number for each filter.")
    with nogil:
        failed = tiles_forward(
            sizeof(real), &x[0, 0, 0, 0], &w[0, 0, 0, 0], &b[0], &out[0, 0, 0, 0],
            x.shape[0], &s,
        )
    _require_memory(failed, "images")


def convolve_weights(
    const real[:, :, :, ::1] dout, const real[:, :, :, ::1] x, real[:, :, :, ::1] dw,
    Py_ssize_t stride, Py_ssize_t pad,
):
    """Add up the gradient at the filters of convolve.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        x: (N, C, H, W) images.
        dw: (F, C, HH, WW), to which is added.
        stride: Pixels from one place to the next.
        pad: Zeros that had been added on each side.
    """
    cdef Conv s = _sizes(x.shape, dw.shape, dout.shape, stride, pad, 1024)
    cdef const real* given = &dout[0, 0, 0, 0]
    _sum(tiles_weights, given, &x[0, 0, 0, 0], &dw[0, 0, 0, 0], len(x), &s, "images")


def convolve_images(
    const real[:, :, :, ::1] dout, const real[:, :, :, ::1] w, real[:, :, :, ::1] dx,
    Py_ssize_t stride, Py_ssize_t pad,
):
    """Compute the gradient at the images of convolve.

    Args:
        dout: (N, F, out_h, out_w) gradient at the responses.
        w: (F, C, HH, WW) filters.
        dx: (N, C, H, W) receives the gradient.
        stride: Pixels from one place to the next.
        pad: Zeros that had been added on each side.
    """
    cdef Conv s = _sizes(dx.shape, w.shape, dout.shape, stride, pad, 64)
    cdef const real* given = &dout[0, 0, 0, 0]
    _sum(tiles_images, given, &w[0, 0, 0, 0], &dx[0, 0, 0, 0], len(dx), &s, "gradient")


def softmax_loss(
    const float[:, ::1] x,
    const Py_ssize_t[::1] y,
    const float[::1] weights,
    float[:, ::1] out,
):
    """Sum the weighted cross-entropies of a softmax over each row.

    Args:
        x: (R, V) scores.
        y: (R,) true classes, 0 <= y < V.
        weights: (R,) how much each row counts.
        out: (R, V) receives the gradient at the scores; may be x itself.

    Returns:
        The sum of weight times loss.
    """
    cdef Py_ssize_t r, R = x.shape[0], V = x.shape[1]
    cdef double loss
    if y.shape[0] != R or weights.shape[0] != R:
        raise ValueError("y and weights have not one number for each row of x.")
    if out.shape[0] != R or out.shape[1] != V:
        raise ValueError("out is not shaped like x.")
    for r in range(R):
        if not 0 <= y[r] < V:
            raise IndexError(f"Class {y[r]} is not one of the {V} that have scores.")
    if WIDEST < 0:
        raise NotImplementedError("This compiler built no softmax.")
    with nogil:
        loss = softmax(&x[0, 0], &y[0], &weights[0], &out[0, 0], R, V)
    return loss
