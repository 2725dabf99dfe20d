/* CONV_2D of sixteen bits, and what is one: FULLY_CONNECTED (rows are pixels). Two pixels and two channels at a time.
 *
 * Zero points are 0. Windows lie in the scratch, or are the input itself where they are a pixel. Weights of two
 * channels of a group lie together, [height, width, in of a group] of each with zeros up to a multiple of four, as
 * octavo_pair_sums_16 wants them; where a group's last channel is alone, its constants stand twice.
 */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t groups;
  int32_t count, gathers; /* products of a window, padded; whether windows are copied */
  int32_t narrow;        /* sums stay in 32 bits, and octavo_scaled_narrow_16 scales them */
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channel_16 *channels;
} octavo_conv_16;

/* A row of the window; values beyond the image are zeros. */
OCTAVO_INLINE void octavo_gather_row_16(const octavo_conv_16 *conv, const int16_t *row, int32_t left, int32_t depth,
                                        int16_t *window) {
  const int32_t right = conv->in_width - left;
  const int32_t first = left >= 0 ? 0 : -left < conv->kernel_width ? -left : conv->kernel_width;
  const int32_t last = right < first ? first : right < conv->kernel_width ? right : conv->kernel_width;
  if (first > 0) {
    memset(window, 0, 2 * (size_t)(first * depth));
  }
  memcpy(window + first * depth, row + (left + first) * depth, 2 * (size_t)((last - first) * depth));
  if (last < conv->kernel_width) {
    memset(window + last * depth, 0, 2 * (size_t)((conv->kernel_width - last) * depth));
  }
}

/* The same of taps that lie apart. */
OCTAVO_INLINE void octavo_gather_taps_16(const octavo_conv_16 *conv, const int16_t *row, int32_t left, int32_t depth,
                                         int16_t *window) {
  int32_t j, k;
  for (j = 0; j < conv->kernel_width; j++, window += depth) {
    const int32_t x = left + j * conv->dilation_width;
    const int inside = x >= 0 && x < conv->in_width;
    for (k = 0; k < depth; k++) {
      window[k] = inside ? row[x * conv->in_channels + k] : (int16_t)0;
    }
  }
}

/* The window of an output pixel over a group of channels, whose first value `in` is. */
OCTAVO_KERNEL const int16_t *octavo_window_of_16(const octavo_conv_16 *conv, const int16_t *in, int32_t row,
                                                 int32_t column, int32_t depth, int16_t *window) {
  const int32_t top = row * conv->stride_height - conv->pad_top, left = column * conv->stride_width - conv->pad_left;
  const int32_t line = conv->kernel_width * depth;
  int32_t i;
  if (!conv->gathers) {
    return in + (top * conv->in_width + left) * conv->in_channels;
  }
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    const int16_t *const from = in + y * conv->in_width * conv->in_channels;
    if (y < 0 || y >= conv->in_height) {
      memset(window + i * line, 0, 2 * (size_t)line);
    } else if (depth == conv->in_channels && conv->dilation_width == 1) {
      octavo_gather_row_16(conv, from, left, depth, window + i * line);
    } else {
      octavo_gather_taps_16(conv, from, left, depth, window + i * line);
    }
  }
  for (i = conv->kernel_height * line; i < conv->count; i++) {
    window[i] = 0;
  }
  return window;
}

/* Two channels of two pixels, whose sums stay in 32 bits. */
OCTAVO_INLINE void octavo_two_narrow_16(const octavo_conv_16 *conv, const int16_t *p, const int16_t *q,
                                        const int8_t *weights, const octavo_channel_16 *of, int16_t *results) {
  const int32_t low = conv->low, high = conv->high;
  int32_t sums[4];
  sums[0] = sums[2] = (int32_t)of[0].bias;
  sums[1] = sums[3] = (int32_t)of[1].bias;
  if (q != 0) {
    octavo_pair_sums_16(p, q, weights, conv->count, sums);
    results[2] = octavo_scaled_narrow_16(sums[2], of[0].multiplier, low, high);
    results[3] = octavo_scaled_narrow_16(sums[3], of[1].multiplier, low, high);
  } else {
    octavo_pair_sums_of_one_16(p, weights, conv->count, sums);
  }
  results[0] = octavo_scaled_narrow_16(sums[0], of[0].multiplier, low, high);
  results[1] = octavo_scaled_narrow_16(sums[1], of[1].multiplier, low, high);
}

/* The same of sums of any size: 256 products at a time stay in 32 bits. */
OCTAVO_INLINE void octavo_two_wide_16(const octavo_conv_16 *conv, const int16_t *p, const int16_t *q,
                                      const int8_t *weights, const octavo_channel_16 *of, int16_t *results) {
  int64_t sums[4];
  int32_t first, k;
  sums[0] = sums[2] = of[0].bias;
  sums[1] = sums[3] = of[1].bias;
  for (first = 0; first < conv->count; first += 256) {
    const int32_t now = conv->count - first < 256 ? conv->count - first : 256;
    int32_t part[4] = {0, 0, 0, 0};
    if (q != 0) {
      octavo_pair_sums_16(p + first, q + first, weights + 2 * first, now, part);
    } else {
      octavo_pair_sums_of_one_16(p + first, weights + 2 * first, now, part);
    }
    for (k = 0; k < 4; k++) {
      sums[k] += part[k];
    }
  }
  for (k = 0; k < (q != 0 ? 4 : 2); k++) {
    const octavo_channel_16 *const channel = of + k % 2;
    results[k] = octavo_scaled_16(sums[k], channel->multiplier, channel->shift, conv->wide, conv->low, conv->high);
  }
}

/* All channels of a group of the pixels p and q, or of p alone where there is no q. */
OCTAVO_KERNEL void octavo_channels_of_16(const octavo_conv_16 *conv, const int16_t *p, const int16_t *q, int32_t group,
                                         int32_t each, int16_t *out_p, int16_t *out_q) {
  const int32_t pairs = (each + 1) / 2;
  const int8_t *weights = conv->weights + group * pairs * 2 * conv->count;
  const octavo_channel_16 *of = conv->channels + group * pairs * 2;
  int32_t c;
  out_p += group * each;
  out_q += group * each;
  for (c = 0; c < each; c += 2, weights += 2 * conv->count, of += 2) {
    int16_t results[4];
    if (conv->narrow) {
      octavo_two_narrow_16(conv, p, q, weights, of, results);
    } else {
      octavo_two_wide_16(conv, p, q, weights, of, results);
    }
    out_p[c] = results[0];
    if (q != 0) {
      out_q[c] = results[2];
    }
    if (c + 1 < each) {
      out_p[c + 1] = results[1];
      if (q != 0) {
        out_q[c + 1] = results[3];
      }
    }
  }
}

/* Rows row_begin .. row_end - 1 of the output. scratch: aligned to 4; two windows, if they are copied. */
OCTAVO_KERNEL void octavo_conv_rows_of_16(const octavo_conv_16 *conv, const int16_t *in, int16_t *out, void *scratch,
                                          int32_t row_begin, int32_t row_end) {
  const int32_t depth = conv->in_channels / conv->groups, each = conv->out_channels / conv->groups;
  int16_t *const windows = (int16_t *)scratch;
  int32_t row, column, group;
  out += row_begin * conv->out_width * conv->out_channels;
  for (row = row_begin; row < row_end; row++) {
    for (column = 0; column < conv->out_width; column += 2, out += 2 * conv->out_channels) {
      const int alone = column + 1 == conv->out_width;
      for (group = 0; group < conv->groups; group++) {
        const int16_t *const from = in + group * depth;
        const int16_t *const p = octavo_window_of_16(conv, from, row, column, depth, windows);
        const int16_t *const q =
            alone ? 0 : octavo_window_of_16(conv, from, row, column + 1, depth, windows + conv->count);
        octavo_channels_of_16(conv, p, q, group, each, out, out + conv->out_channels);
      }
    }
    out -= conv->out_width % 2 * conv->out_channels;
  }
}
