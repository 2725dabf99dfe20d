/* DEPTHWISE_CONV_2D of sixteen bits with as many channels as its input has, four at a time; kernels of up to 256 taps.
 *
 * Zero points are 0. Weights are [fours of channels, height, width, 4], zeros where there is no channel; of each four
 * the third stands before the second, as SXTB16 takes bytes apart.
 */

typedef struct {
  int32_t in_height, in_width, channels_count;
  int32_t out_width;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t narrow; /* as in octavo_conv_16 */
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channel_16 *channels;
} octavo_depthwise_16;

/* The taps of a window that lie in the image. */
typedef struct {
  int32_t first, last;
} octavo_taps_16;

OCTAVO_INLINE octavo_taps_16 octavo_taps_inside_16(int32_t begin, int32_t size, int32_t kernel, int32_t dilation) {
  octavo_taps_16 taps;
  taps.first = begin >= 0 ? 0 : (dilation - 1 - begin) / dilation;
  taps.last = begin >= size ? 0 : (size - begin + dilation - 1) / dilation;
  taps.last = taps.last < kernel ? taps.last : kernel;
  return taps;
}

/* Products of one tap of four channels. */
OCTAVO_INLINE void octavo_tap_of_four_16(const int16_t *x, const int8_t *weights, int32_t *sums) {
#if OCTAVO_DSP
  const uint32_t four = octavo_word(weights), low = octavo_even_bytes_alone(four), high = octavo_odd_bytes_alone(four);
  const uint32_t first = octavo_word(x), last = octavo_word(x + 2);
  __asm__("smlabb %0, %1, %2, %0" : "+r"(sums[0]) : "r"(first), "r"(low));
  __asm__("smlatt %0, %1, %2, %0" : "+r"(sums[1]) : "r"(first), "r"(low));
  __asm__("smlabb %0, %1, %2, %0" : "+r"(sums[2]) : "r"(last), "r"(high));
  __asm__("smlatt %0, %1, %2, %0" : "+r"(sums[3]) : "r"(last), "r"(high));
#else
  sums[0] += x[0] * weights[0];
  sums[1] += x[1] * weights[2];
  sums[2] += x[2] * weights[1];
  sums[3] += x[3] * weights[3];
#endif
}

/* The same of fewer channels, the last ones. */
OCTAVO_INLINE void octavo_tap_of_some_16(const int16_t *x, const int8_t *weights, int32_t *sums, int32_t count) {
  sums[0] += x[0] * weights[0];
  sums[1] += count > 1 ? x[1] * weights[2] : 0;
  sums[2] += count > 2 ? x[2] * weights[1] : 0;
}

/* The products of `count` channels, 4 or fewer; `in` is the first one's value at the window's corner. */
OCTAVO_INLINE void octavo_window_of_some_16(const octavo_depthwise_16 *conv, const int16_t *in, const int8_t *weights,
                                            octavo_taps_16 rows, octavo_taps_16 columns, int32_t *sums,
                                            int32_t count) {
  const int32_t step = conv->dilation_width * conv->channels_count;
  int32_t i, j;
  for (i = rows.first; i < rows.last; i++) {
    const int16_t *x = in + i * conv->dilation_height * conv->in_width * conv->channels_count + columns.first * step;
    const int8_t *w = weights + 4 * (i * conv->kernel_width + columns.first);
    for (j = columns.first; j < columns.last; j++, x += step, w += 4) {
      if (count == 4) {
        octavo_tap_of_four_16(x, w, sums);
      } else {
        octavo_tap_of_some_16(x, w, sums, count);
      }
    }
  }
}

OCTAVO_INLINE int16_t octavo_depthwise_result_16(const octavo_depthwise_16 *conv, const octavo_channel_16 *of,
                                                 int32_t sum) {
  return conv->narrow
             ? octavo_scaled_narrow_16((int32_t)of->bias + sum, of->multiplier, conv->low, conv->high)
             : octavo_scaled_16(of->bias + sum, of->multiplier, of->shift, conv->wide, conv->low, conv->high);
}

/* Rows row_begin .. row_end - 1 of the output. */
OCTAVO_KERNEL void octavo_depthwise_rows_of_16(const octavo_depthwise_16 *conv, const int16_t *in, int16_t *out,
                                               int32_t row_begin, int32_t row_end) {
  const int32_t taps = conv->kernel_height * conv->kernel_width;
  int32_t row, column, c, k;
  out += row_begin * conv->out_width * conv->channels_count;
  for (row = row_begin; row < row_end; row++) {
    const int32_t top = row * conv->stride_height - conv->pad_top;
    const octavo_taps_16 rows = octavo_taps_inside_16(top, conv->in_height, conv->kernel_height, conv->dilation_height);
    for (column = 0; column < conv->out_width; column++) {
      const int32_t left = column * conv->stride_width - conv->pad_left;
      const octavo_taps_16 columns =
          octavo_taps_inside_16(left, conv->in_width, conv->kernel_width, conv->dilation_width);
      const int32_t corner = (top * conv->in_width + left) * conv->channels_count;
      for (c = 0; c < conv->channels_count; c += 4) {
        const octavo_channel_16 *channel = conv->channels + c;
        const int32_t count = conv->channels_count - c < 4 ? conv->channels_count - c : 4;
        int32_t sums[4] = {0, 0, 0, 0};
        if (count == 4) { /* so that the compiler makes a loop of its own of it */
          octavo_window_of_some_16(conv, in + corner + c, conv->weights + c * taps, rows, columns, sums, 4);
        } else {
          octavo_window_of_some_16(conv, in + corner + c, conv->weights + c * taps, rows, columns, sums, count);
        }
        for (k = 0; k < count; k++, channel++) {
          *out++ = octavo_depthwise_result_16(conv, channel, sums[k]);
        }
      }
    }
  }
}
