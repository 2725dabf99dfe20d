/* What depthwise convolutions read: the rows that a window covers, channel by channel.
 *
 * Rows are copied, each channel's to a line of its own: widened to int16, the zero point taken off, zeros before and
 * behind where the window leaves the image. The line of the window's top row becomes that of its next bottom row: lines
 * are a ring. As a row is copied before any of its place is written, the result may lie over the input where both are of
 * one size.
 */

#if OCTAVO_DSP
/* Copy a pixel of four channels. */
OCTAVO_INLINE void octavo_copy_pixel(int16_t *to, const int8_t *in, uint32_t offset, int32_t apart) {
  const uint32_t p = octavo_word(in), p02 = octavo_even_bytes(offset, p), p13 = octavo_odd_bytes(offset, p);
  to[0] = (int16_t)p02;
  to[apart] = (int16_t)p13;
  to[2 * apart] = (int16_t)(p02 >> 16);
  to[3 * apart] = (int16_t)(p13 >> 16);
}
#endif

/* Copy pixels of up to four channels into lines that lie `apart` elements from each other. */
OCTAVO_INLINE void octavo_copy_row(const octavo_depthwise *conv, const int8_t *in, int32_t channels, int16_t *line,
                                   int32_t apart) {
  const int32_t step = conv->channels_count, zero_point = conv->in_zero_point;
  int16_t *to = line + conv->pad_left, *const end = to + conv->in_width;
  int32_t k;
#if OCTAVO_DSP
  if (channels == 4) {
    const uint32_t offset = (uint32_t)(-zero_point & 0xFFFF) * 0x10001u;
    if (conv->pad_left & 1) { /* pairs begin at even places */
      octavo_copy_pixel(to, in, offset, apart);
      to++;
      in += step;
    }
    for (; to + 2 <= end; to += 2, in += 2 * step) {
      const uint32_t p = octavo_word(in), q = octavo_word(in + step);
      const uint32_t p02 = octavo_even_bytes(offset, p), p13 = octavo_odd_bytes(offset, p);
      const uint32_t q02 = octavo_even_bytes(offset, q), q13 = octavo_odd_bytes(offset, q);
      octavo_put_word(to, octavo_low_halves(p02, q02));
      octavo_put_word(to + apart, octavo_low_halves(p13, q13));
      octavo_put_word(to + 2 * apart, octavo_high_halves(p02, q02));
      octavo_put_word(to + 3 * apart, octavo_high_halves(p13, q13));
    }
    if (to < end) {
      octavo_copy_pixel(to, in, offset, apart);
    }
    return;
  }
#endif
  for (; to < end; to++, in += step) {
    for (k = 0; k < channels; k++) {
      to[k * apart] = (int16_t)(in[k] - zero_point);
    }
  }
}

/* Rows of a window inside of the image, and the line of its topmost row, inside or not. */
typedef struct {
  int32_t first, last, line;
} octavo_window_rows;

OCTAVO_INLINE octavo_window_rows octavo_rows_inside(const octavo_depthwise *conv, int32_t top, int32_t line) {
  const int32_t dilation = conv->dilation_height, below = conv->in_height - top;
  const int32_t last = below <= 0 ? 0 : (below + dilation - 1) / dilation;
  octavo_window_rows rows;
  rows.first = top < 0 ? (dilation - 1 - top) / dilation : 0;
  rows.last = last < conv->kernel_height ? last : conv->kernel_height;
  rows.line = line;
  return rows;
}

/* Where a row of the window lies. */
OCTAVO_INLINE const int16_t *octavo_line_of(const octavo_depthwise *conv, const int16_t *lines,
                                            const octavo_window_rows *rows, int32_t row) {
  const int32_t line = rows->line + row * conv->dilation_height;
  return lines + (line < conv->lines ? line : line - conv->lines) * conv->line;
}
