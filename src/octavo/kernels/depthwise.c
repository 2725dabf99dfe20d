/* Depthwise convolutions, four channels at a time. */

/* A row of one channel in C, from a column on. */
OCTAVO_INLINE void octavo_depthwise_line(const octavo_depthwise *conv, const int16_t *lines,
                                         const octavo_window_rows *rows, int32_t channel, int32_t bits, int32_t bias,
                                         const int32_t *scale, int8_t *out, int32_t column) {
  for (; column < conv->out_width; column++) {
    int32_t sum = bias, i, j;
    for (i = rows->first; i < rows->last; i++) {
      const int16_t *x = octavo_line_of(conv, lines, rows, i) + column * conv->stride_width;
      const int32_t w = (channel * conv->kernel_height + i) * conv->kernel_width;
      for (j = 0; j < conv->kernel_width; j++, x += conv->dilation_width) {
        sum += *x * octavo_weight(conv->weights, w + j, bits);
      }
    }
    out[column * conv->channels_count] = octavo_scaled(sum, scale, conv->wide);
  }
}

/* Rows row_begin .. row_end - 1 of the output, the weights of as many bits.
 *
 * scratch: aligned to 4. Of four channels the lines and one of zeros, and 4 bytes for each place that the weights of a
 * pair reach, in each row of the kernel.
 */
OCTAVO_INLINE void octavo_depthwise_rows_of(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                            int32_t row_begin, int32_t row_end, int32_t bits) {
  const int32_t count = conv->channels_count;
  const int32_t apart = (conv->lines + 1) * conv->line;
  int16_t *const lines = (int16_t *)scratch;
  int32_t first, row, c;
#if OCTAVO_DSP
  uint32_t *const pairs = (uint32_t *)(void *)(lines + 4 * apart);
  const int32_t apart_pairs = conv->kernel_height * octavo_pair_reach(conv);
  const int three = conv->lines == 3 && conv->kernel_height == 3 && conv->kernel_width == 3 &&
                    conv->dilation_width == 1 && conv->stride_width <= 2 && !conv->wide;
  const int paired = !three && !conv->wide && conv->out_width >= 4; /* below that the weights' order costs more */
  octavo_three_taps taps_of[4];
  octavo_three_row row_of;
  row_of.apart = 2 * apart;
  row_of.pairs = 4 * (conv->out_width / 2 * conv->stride_width);
  row_of.alone = 4 * (conv->out_width % 2 * conv->stride_width);
  row_of.step = count;
#endif
#if OCTAVO_HELIUM
  if (octavo_depthwise_fits(conv)) {
    octavo_depthwise_rows_helium(conv, in, out, scratch, row_begin, row_end, bits);
    return;
  }
#endif
  memset(lines, 0, 8 * (size_t)apart);
  for (first = 0; first < count; first += 4) {
    const octavo_channels *channels = conv->channels + first / 4;
    const int32_t now = count - first < 4 ? count - first : 4;
    int32_t next = row_begin * conv->stride_height - conv->pad_top; /* the row to be copied */
    int32_t line = 0;                                               /* its line */
#if OCTAVO_DSP
    for (c = 0; c < now; c++) {
      if (three) {
        taps_of[c] = octavo_three_of(conv, first + c, bits, channels->bias[c], channels->scale[c]);
      } else if (paired) {
        octavo_pair_weights(conv, first + c, bits, pairs + c * apart_pairs);
      }
    }
#endif
    for (row = row_begin; row < row_end; row++) {
      const int32_t top = row * conv->stride_height - conv->pad_top;
      octavo_window_rows rows;
      int8_t *to = out + row * conv->out_width * count + first;
      for (; next < top + conv->lines; next++, line = line + 1 < conv->lines ? line + 1 : 0) {
        if (next >= 0 && next < conv->in_height) {
          octavo_copy_row(conv, in + next * conv->in_width * count + first, now, lines + line * conv->line, apart);
        }
      }
#if OCTAVO_DSP
      if (three) { /* so lines are the window's rows */
        const int16_t *const under = lines + line * conv->line, *const nothing = lines + 3 * conv->line;
        row_of.lines[0] = top < 0 || top >= conv->in_height ? nothing : under;
        row_of.lines[1] = top < -1 || top + 1 >= conv->in_height ? nothing : line == 2 ? lines : under + conv->line;
        row_of.lines[2] = top < -2 || top + 2 >= conv->in_height ? nothing : line == 0 ? under + 2 * conv->line : under - conv->line;
        row_of.out = to;
        row_of.channels = now;
        if (conv->stride_width == 1) {
          octavo_depthwise_by_one(&row_of, taps_of);
        } else {
          octavo_depthwise_by_two(&row_of, taps_of);
        }
        continue;
      }
#endif
      rows = octavo_rows_inside(conv, top, line);
      for (c = 0; c < now; c++) {
        const int16_t *mine = lines + c * apart;
        int32_t done = 0;
#if OCTAVO_DSP
        if (paired) {
          octavo_depthwise_pairs(conv, mine, &rows, pairs + c * apart_pairs, channels->bias[c], channels->scale[c],
                                 to + c);
          done = conv->out_width / 2 * 2;
        }
#endif
        octavo_depthwise_line(conv, mine, &rows, first + c, bits, channels->bias[c], channels->scale[c], to + c, done);
      }
    }
  }
  row = row_begin * conv->out_width * count;
  octavo_bound(out + row, row_end * conv->out_width * count - row, conv->low, conv->high);
}

/* Weights of eight bits. */
OCTAVO_KERNEL void octavo_depthwise_rows(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                         int32_t row_begin, int32_t row_end) {
  octavo_depthwise_rows_of(conv, in, out, scratch, row_begin, row_end, 8);
}

/* Weights of four bits, two in a byte, the first in its upper half. */
OCTAVO_KERNEL void octavo_depthwise_rows_4(const octavo_depthwise *conv, const int8_t *in, int8_t *out, void *scratch,
                                           int32_t row_begin, int32_t row_end) {
  octavo_depthwise_rows_of(conv, in, out, scratch, row_begin, row_end, 4);
}
