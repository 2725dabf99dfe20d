/* Convolutions, two pixels and four channels at a time. The windows of two pixels are widened to int16, zero points taken
 * off, and lie interleaved in the scratch: of four depths e0 .. e3 of pixels p and q,
 *     p e0, p e2, q e0, q e2, p e1, p e3, q e1, q e3,
 * or those of p alone where there is no q.
 * Weights of four channels c0 .. c3 lie together, of the two depths in each half of that line
 *     c0 e0, c1 e0, c0 e2, c1 e2, c2 e0, c3 e0, c2 e2, c3 e2,   then the same of e1 and e3.
 */

#if !OCTAVO_HELIUM
OCTAVO_INLINE void octavo_products_of(const octavo_conv *conv, const int16_t *windows, const int8_t *weights,
                                      const octavo_channels *channels, int8_t *out_p, int8_t *out_q, int32_t blocks,
                                      int32_t bits) {
#if OCTAVO_DSP
  if (!conv->wide) {
    if (out_p == out_q) {
      (bits == 4    ? octavo_products_of_one_4
       : bits == 16 ? octavo_products_of_one_16
                    : octavo_products_of_one)(windows, weights, channels, conv->depth, out_p, blocks);
    } else {
      (bits == 4    ? octavo_products_4
       : bits == 16 ? octavo_products_16
                    : octavo_products)(windows, weights, channels, conv->depth, out_p, out_q, blocks);
    }
    return;
  }
#endif
  if (out_p == out_q) {
    octavo_products_of_one_plain(windows, weights, channels, conv->depth, out_p, blocks, conv->wide, bits);
  } else {
    octavo_products_plain(windows, weights, channels, conv->depth, out_p, out_q, blocks, conv->wide, bits);
  }
}

/* Widen bytes, a multiple of four, into one pixel's places; returns the place of the next.
 *
 * step: from one word of a pixel to its next, 2 where those of another one lie between, else 1.
 */
OCTAVO_INLINE int16_t *octavo_widen(int16_t *to, const int8_t *from, int32_t count, int32_t zero_point, int32_t step) {
#if OCTAVO_DSP
  const uint32_t offset = (uint32_t)(-zero_point & 0xFFFF) * 0x10001u;
  uint32_t *words = (uint32_t *)(void *)to;
  const int8_t *end = from + count;
  for (; end - from >= 16; from += 16, words += 8 * step) {
    const uint32_t a = octavo_word(from), b = octavo_word(from + 4);
    const uint32_t c = octavo_word(from + 8), d = octavo_word(from + 12);
    words[0] = octavo_even_bytes(offset, a);
    words[1 * step] = octavo_odd_bytes(offset, a);
    words[2 * step] = octavo_even_bytes(offset, b);
    words[3 * step] = octavo_odd_bytes(offset, b);
    words[4 * step] = octavo_even_bytes(offset, c);
    words[5 * step] = octavo_odd_bytes(offset, c);
    words[6 * step] = octavo_even_bytes(offset, d);
    words[7 * step] = octavo_odd_bytes(offset, d);
  }
  for (; from != end; from += 4, words += 2 * step) {
    const uint32_t a = octavo_word(from);
    words[0] = octavo_even_bytes(offset, a);
    words[1 * step] = octavo_odd_bytes(offset, a);
  }
  return (int16_t *)(void *)words;
#else
  for (; count > 0; count -= 4, from += 4, to += 4 * step) {
    to[0] = (int16_t)(from[0] - zero_point);
    to[1] = (int16_t)(from[2] - zero_point);
    to[2 * step] = (int16_t)(from[1] - zero_point);
    to[2 * step + 1] = (int16_t)(from[3] - zero_point);
  }
  return to;
#endif
}

/* Zeros in one pixel's places: what lies outside of the image. */
OCTAVO_INLINE int16_t *octavo_widen_nothing(int16_t *to, int32_t count) {
  for (; count > 0; count -= 4, to += 8) {
    to[0] = to[1] = to[4] = to[5] = 0;
  }
  return to;
}

/* One pixel's window, of channels that are a multiple of four. */
OCTAVO_INLINE void octavo_window(const octavo_conv *conv, const int8_t *in, int32_t channels, int32_t top,
                                 int32_t left, int16_t *to) {
  const int32_t taps = octavo_taps_in_a_row(conv), zero_point = conv->in_zero_point, width = conv->in_width;
  const int32_t all = conv->in_channels;
  octavo_span span = octavo_span_of(left, taps, width, channels);
  int32_t i, j;
  if (octavo_window_is_plain(conv, top, left)) {
    const int32_t down = conv->dilation_height * width * all;
    for (in += (top * width + left) * all, i = conv->kernel_height; i > 0; i--, in += down) {
      to = octavo_widen(to, in, taps * channels, zero_point, 2);
    }
    return;
  }
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    if (y < 0 || y >= conv->in_height) {
      to = octavo_widen_nothing(to, conv->kernel_width * channels);
      continue;
    }
    for (j = 0; j < conv->kernel_width; j += taps) {
      const int32_t x = left + j * conv->dilation_width;
      if (taps == 1) {
        span = octavo_span_of(x, 1, width, channels);
      }
      to = octavo_widen_nothing(to, span.before);
      if (span.inside > 0) {
        to = octavo_widen(to, in + (y * width + (x < 0 ? 0 : x)) * all, span.inside, zero_point, 2);
      }
      to = octavo_widen_nothing(to, span.after);
    }
  }
}

/* The places of a pixel that are apart, close together. */
OCTAVO_INLINE void octavo_close_up(int16_t *windows, int32_t depth) {
  int32_t i;
  for (i = 2; i < depth; i += 2) {
    windows[i] = windows[2 * i];
    windows[i + 1] = windows[2 * i + 1];
  }
}

/* The window of a pixel that is computed alone, of bytes that lie in a row: zeros behind them up to the depth. */
OCTAVO_INLINE void octavo_widen_alone(int16_t *windows, const int8_t *from, int32_t count, int32_t zero_point,
                                      int32_t depth) {
  int16_t *to = octavo_widen(windows, from, count, zero_point, 1);
  for (; to != windows + depth; to++) {
    *to = 0;
  }
}

/* Rows row_begin .. row_end - 1 of the output, the weights of as many bits.
 *
 * scratch: 4 bytes a depth, 2 where there is but one pixel whose window lies in a row, as it does in a single tap and
 * where it is gathered first; another one where channels of a group are no multiple of four. Aligned to 4.
 * in and out may be the same where the kernel is a single tap, strides are 1 and there are no more channels out than in.
 */
OCTAVO_INLINE void octavo_conv_rows_of(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                       int32_t row_begin, int32_t row_end, int32_t bits) {
  int16_t *windows = (int16_t *)scratch;
  const int32_t in_channels = conv->in_channels / conv->groups, out_channels = conv->out_channels / conv->groups;
  const int32_t blocks = out_channels / 4, rest = out_channels % 4, block_bytes = conv->depth * bits / 2;
  const int32_t begin = row_begin * conv->out_width, end = row_end * conv->out_width;
  const int pixels_are_windows = conv->kernel_height * conv->kernel_width * conv->groups == 1 &&
                                 conv->stride_height * conv->stride_width == 1 && in_channels % 4 == 0;
  const int only = end - begin == 1 && (pixels_are_windows || in_channels % 4 != 0);
  int8_t *bytes = (int8_t *)scratch + (only ? 2 : 4) * conv->depth;
  int32_t pixel, group, i, row = row_begin, column = 0;
  memset(windows, 0, (only ? 2 : 4) * (size_t)conv->depth);
  if (in_channels % 4 != 0) {
    memset(bytes, conv->in_zero_point, (size_t)conv->depth);
  }
  for (pixel = begin; pixel < end; pixel += 2) {
    const int8_t *weights = conv->weights;
    const octavo_channels *channels = conv->channels;
    const int32_t count = pixel + 1 < end ? 2 : 1;
    int8_t *out_p = out + pixel * conv->out_channels, *out_q = out_p + (count - 1) * conv->out_channels;
    const int32_t next_row = column + 1 < conv->out_width ? row : row + 1;
    const int32_t next_column = column + 1 < conv->out_width ? column + 1 : 0;
    for (group = 0; group < conv->groups; group++) {
      const int8_t *const from = in + group * in_channels;
      for (i = 0; i < count && !pixels_are_windows; i++) {
        const int32_t top = (i == 0 ? row : next_row) * conv->stride_height - conv->pad_top;
        const int32_t left = (i == 0 ? column : next_column) * conv->stride_width - conv->pad_left;
        if (in_channels % 4 == 0) {
          octavo_window(conv, from, in_channels, top, left, windows + 2 * i);
          if (count == 1) {
            octavo_close_up(windows, conv->depth);
          }
          continue;
        }
        octavo_gather_window(conv, from, in_channels, top, left, bytes);
        if (count == 1) {
          octavo_widen_alone(windows, bytes, conv->depth, conv->in_zero_point, conv->depth);
        } else {
          (void)octavo_widen(windows + 2 * i, bytes, conv->depth, conv->in_zero_point, 2);
        }
      }
      if (pixels_are_windows && count == 1) {
        octavo_widen_alone(windows, in + pixel * in_channels, in_channels, conv->in_zero_point, conv->depth);
      }
      for (i = 0; i < count && pixels_are_windows && count == 2; i++) {
        (void)octavo_widen(windows + 2 * i, in + (pixel + i) * in_channels, in_channels, conv->in_zero_point, 2);
      }
      if (blocks > 0) {
        octavo_products_of(conv, windows, weights, channels, out_p, out_q, blocks, bits);
      }
      weights += block_bytes * blocks;
      channels += blocks;
      out_p += 4 * blocks;
      out_q += 4 * blocks;
      if (rest > 0) {
        int8_t last_p[4], last_q[4];
        octavo_products_of(conv, windows, weights, channels, last_p, count == 2 ? last_q : last_p, 1, bits);
        memcpy(out_p, last_p, (size_t)rest);
        memcpy(out_q, count == 2 ? last_q : last_p, (size_t)rest);
        weights += block_bytes;
        channels++;
        out_p += rest;
        out_q += rest;
      }
    }
    octavo_bound(out + pixel * conv->out_channels, count * conv->out_channels, conv->low, conv->high);
    row = next_column + 1 < conv->out_width ? next_row : next_row + 1;
    column = next_column + 1 < conv->out_width ? next_column + 1 : 0;
  }
}
#endif

/* Weights of eight bits. */
OCTAVO_KERNEL void octavo_conv_rows(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                    int32_t row_begin, int32_t row_end) {
  octavo_conv_rows_of(conv, in, out, scratch, row_begin, row_end, 8);
}

/* Weights of four bits: of two channels the upper half of a byte, of the next two the lower. */
OCTAVO_KERNEL void octavo_conv_rows_4(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                      int32_t row_begin, int32_t row_end) {
  octavo_conv_rows_of(conv, in, out, scratch, row_begin, row_end, 4);
}

/* Weights of eight bits held in sixteen, which saves taking them apart: channel by channel, two depths each. */
OCTAVO_KERNEL void octavo_conv_rows_16(const octavo_conv *conv, const int8_t *in, int8_t *out, void *scratch,
                                       int32_t row_begin, int32_t row_end) {
  octavo_conv_rows_of(conv, in, out, scratch, row_begin, row_end, 8 * (int32_t)sizeof(OCTAVO_WORD));
}
