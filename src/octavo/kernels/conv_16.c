/* CONV_2D of sixteen bits, and what is one: FULLY_CONNECTED (rows are pixels), DEPTHWISE_CONV_2D (a group a channel).
 *
 * Zero points are 0. Weights are [out, height, width, in of a group].
 */

typedef struct {
  int32_t in_height, in_width, in_channels;
  int32_t out_width, out_channels;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t groups;
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channel_16 *channels;
} octavo_conv_16;

/* Products of one kernel with the window whose corner is at (top, left). */
OCTAVO_INLINE int64_t octavo_window_16(const octavo_conv_16 *conv, const int16_t *in, int32_t top, int32_t left,
                                       const int8_t *weights, int32_t depth) {
  int64_t sum = 0;
  int32_t i, j;
  for (i = 0; i < conv->kernel_height; i++) {
    const int32_t y = top + i * conv->dilation_height;
    for (j = 0; j < conv->kernel_width; j++, weights += depth) {
      const int32_t x = left + j * conv->dilation_width;
      if (y >= 0 && y < conv->in_height && x >= 0 && x < conv->in_width) {
        sum += octavo_sum_of_products(in + (y * conv->in_width + x) * conv->in_channels, weights, depth);
      }
    }
  }
  return sum;
}

/* Rows row_begin .. row_end - 1 of the output. */
OCTAVO_KERNEL void octavo_conv_rows_of_16(const octavo_conv_16 *conv, const int16_t *in, int16_t *out,
                                          int32_t row_begin, int32_t row_end) {
  const int32_t depth = conv->in_channels / conv->groups, each = conv->out_channels / conv->groups;
  const int32_t taps = conv->kernel_height * conv->kernel_width * depth;
  int32_t row, column, c;
  out += row_begin * conv->out_width * conv->out_channels;
  for (row = row_begin; row < row_end; row++) {
    const int32_t top = row * conv->stride_height - conv->pad_top;
    for (column = 0; column < conv->out_width; column++) {
      const int32_t left = column * conv->stride_width - conv->pad_left;
      for (c = 0; c < conv->out_channels; c++) {
        const octavo_channel_16 *channel = conv->channels + c;
        const int16_t *group = in + c / each * depth;
        const int64_t sum = octavo_window_16(conv, group, top, left, conv->weights + c * taps, depth);
        *out++ = octavo_scaled_16(channel->bias + sum, channel->multiplier, channel->shift, conv->wide, conv->low,
                                  conv->high);
      }
    }
  }
}
