/* CONV_2D, and what is one: FULLY_CONNECTED (rows are pixels), DEPTHWISE_CONV_2D that multiplies its channels.
 *
 * What a convolution is, how its weights lie, and the bytes of its windows. Depths are padded with zeros to a multiple of
 * eight, channels to a multiple of four, in each group.
 */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t groups, depth; /* depth: padded */
  int32_t in_zero_point;
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channels *channels;
} octavo_conv;

/* The weights of four channels a .. d are written channel by channel, of sixteen depths or of the last eight, and lie as
 * the kernel wants them that the compiler takes. A bias is written with and without what the input's zero point adds. */
#if OCTAVO_HELIUM
#define OCTAVO_BIAS(bias, folded) folded /* of bytes whose zero point is not taken off */
#define OCTAVO_WORD int8_t
#define OCTAVO_EIGHT(lay, ...) __VA_ARGS__
#define OCTAVO_SIXTEEN(lay, ...) __VA_ARGS__
#define OCTAVO_EIGHT_PAIRS(...) __VA_ARGS__
#define OCTAVO_SIXTEEN_PAIRS(...) __VA_ARGS__
#else
#define OCTAVO_BIAS(bias, folded) bias
#define OCTAVO_WORD int16_t /* of a weight that is held wider for speed */
/* Four depths, those of even places first: as bytes, of two channels at a time; as words, of one. */
#define OCTAVO_AS_BYTES(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3) \
  a0, b0, a2, b2, c0, d0, c2, d2, a1, b1, a3, b3, c1, d1, c3, d3
#define OCTAVO_AS_WORDS(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3) \
  a0, a2, b0, b2, c0, c2, d0, d2, a1, a3, b1, b3, c1, c3, d1, d3
#define OCTAVO_EIGHT(lay, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7, \
                     d0, d1, d2, d3, d4, d5, d6, d7)                                                                      \
  lay(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3),                                                    \
      lay(a4, a5, a6, a7, b4, b5, b6, b7, c4, c5, c6, c7, d4, d5, d6, d7)
#define OCTAVO_SIXTEEN(lay, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0, b1, b2, b3, b4, b5, \
                       b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11,    \
                       c12, c13, c14, c15, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15)          \
  OCTAVO_EIGHT(lay, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7, d0,   \
               d1, d2, d3, d4, d5, d6, d7),                                                                               \
      OCTAVO_EIGHT(lay, a8, a9, a10, a11, a12, a13, a14, a15, b8, b9, b10, b11, b12, b13, b14, b15, c8, c9, c10, c11,     \
                   c12, c13, c14, c15, d8, d9, d10, d11, d12, d13, d14, d15)
/* The same of weights of four bits, the upper half of a byte that of channel a or b, the lower that of c or d. */
#define OCTAVO_EIGHT_PAIRS(a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7) \
  a0, b0, a2, b2, a1, b1, a3, b3, a4, b4, a6, b6, a5, b5, a7, b7
#define OCTAVO_SIXTEEN_PAIRS(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0, b1, b2, b3, b4, \
                             b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)                                         \
  OCTAVO_EIGHT_PAIRS(a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7),                                  \
      OCTAVO_EIGHT_PAIRS(a8, a9, a10, a11, a12, a13, a14, a15, b8, b9, b10, b11, b12, b13, b14, b15)
#endif

/* Places of `taps` taps from a column on that lie in front of the image, in it, and behind it. */
typedef struct {
  int32_t before, inside, after;
} octavo_span;

OCTAVO_INLINE octavo_span octavo_span_of(int32_t left, int32_t taps, int32_t width, int32_t channels) {
  octavo_span span;
  if (left >= 0 && left + taps <= width) {
    span.before = span.after = 0;
    span.inside = taps * channels;
  } else {
    const int32_t before = octavo_clamp(-left, 0, taps), after = octavo_clamp(left + taps - width, 0, taps);
    span.before = before * channels;
    span.after = after * channels;
    span.inside = octavo_clamp(taps - before - after, 0, taps) * channels;
  }
  return span;
}

/* Taps that lie in a row in memory. */
OCTAVO_INLINE int32_t octavo_taps_in_a_row(const octavo_conv *conv) {
  return conv->groups == 1 && conv->dilation_width == 1 ? conv->kernel_width : 1;
}

/* Whether all of a window lies in the image, each of its rows in a row in memory. */
OCTAVO_INLINE int octavo_window_is_plain(const octavo_conv *conv, int32_t top, int32_t left) {
  return top >= 0 && left >= 0 && left + conv->kernel_width <= conv->in_width && conv->groups == 1 &&
         conv->dilation_width == 1 && top + (conv->kernel_height - 1) * conv->dilation_height < conv->in_height;
}

OCTAVO_INLINE int8_t *octavo_gather(int8_t *to, const int8_t *from, int32_t count) {
#if OCTAVO_HELIUM
  for (; count >= 16; count -= 16, from += 16, to += 16) {
    vstrbq_s8(to, vldrbq_s8(from));
  }
  if (count > 0) {
    const mve_pred16_t some = vctp8q((uint32_t)count);
    vstrbq_p_s8(to, vldrbq_z_s8(from, some), some);
  }
  return to + count;
#else
#if OCTAVO_DSP
  for (; count >= 4; count -= 4, from += 4, to += 4) {
    octavo_put_word(to, octavo_word(from));
  }
#endif
  for (; count > 0; count--) {
    *to++ = *from++;
  }
  return to;
#endif
}

OCTAVO_INLINE int8_t *octavo_gather_nothing(int8_t *to, int32_t count, int32_t zero_point) {
  for (; count > 0; count--) {
    *to++ = (int8_t)zero_point;
  }
  return to;
}

/* The bytes of one pixel's window, zero points where it leaves the image. */
OCTAVO_INLINE void octavo_gather_window(const octavo_conv *conv, const int8_t *in, int32_t channels, int32_t top,
                                        int32_t left, int8_t *to) {
  const int32_t taps = octavo_taps_in_a_row(conv), zero_point = conv->in_zero_point, width = conv->in_width;
  const int32_t all = conv->in_channels;
  octavo_span span = octavo_span_of(left, taps, width, channels);
  int32_t i, j;
  if (octavo_window_is_plain(conv, top, left)) {
    const int32_t down = conv->dilation_height * width * all;
    for (in += (top * width + left) * all, i = conv->kernel_height; i > 0; i--, in += down) {
      to = octavo_gather(to, in, taps * channels);
    }
    return;
  }
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    if (y < 0 || y >= conv->in_height) {
      to = octavo_gather_nothing(to, conv->kernel_width * channels, zero_point);
      continue;
    }
    for (j = 0; j < conv->kernel_width; j += taps) {
      const int32_t x = left + j * conv->dilation_width;
      if (taps == 1) {
        span = octavo_span_of(x, 1, width, channels);
      }
      to = octavo_gather_nothing(to, span.before, zero_point);
      to = octavo_gather(to, in + (y * width + (x < 0 ? 0 : x)) * all, span.inside);
      to = octavo_gather_nothing(to, span.after, zero_point);
    }
  }
}
