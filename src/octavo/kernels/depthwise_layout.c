/* DEPTHWISE_CONV_2D with one output channel for each input channel; weights are [channel, height, width]. */

typedef struct {
  int32_t in_height, in_width, channels_count;
  int32_t out_width;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t lines, line; /* rows that a window spans; elements of a line, an even number */
  int32_t in_zero_point;
  int32_t wide, low, high;
  const int8_t *weights;
  const octavo_channels *channels;
} octavo_depthwise;
