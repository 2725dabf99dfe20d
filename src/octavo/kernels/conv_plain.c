/* Products of convolutions in C: what conv_dsp.c computes otherwise, and the only way for wide layers. */

#if !OCTAVO_HELIUM
/* A weight of one of two channels, of the first depth and of the next. */
OCTAVO_INLINE int32_t octavo_first(const int8_t *w, int32_t channel, int upper, int32_t bits) {
  if (bits == 16) {
    return ((const int16_t *)(const void *)w)[2 * channel];
  }
  return bits == 4 ? octavo_nibble(w[channel], upper) : w[channel];
}

OCTAVO_INLINE int32_t octavo_second(const int8_t *w, int32_t channel, int upper, int32_t bits) {
  if (bits == 16) {
    return ((const int16_t *)(const void *)w)[2 * channel + 1];
  }
  return bits == 4 ? octavo_nibble(w[2 + channel], upper) : w[2 + channel];
}

/* Of two channels of a block, the first or the last, and of both pixels. */
OCTAVO_INLINE void octavo_quarter_plain(const int16_t *x, const int8_t *w, int32_t depth, const octavo_channels *channels,
                                        int32_t channel, int8_t *out_p, int8_t *out_q, int32_t wide, int32_t bits) {
  const int16_t *const end = x + 2 * depth;
  const int upper = channel == 0;
  int32_t p0 = channels->bias[channel], p1 = channels->bias[channel + 1], q0 = p0, q1 = p1;
  for (w += bits == 4 ? 0 : channel * bits / 4; x != end; x += 4, w += bits) {
    const int32_t a = octavo_first(w, 0, upper, bits), b = octavo_second(w, 0, upper, bits);
    const int32_t c = octavo_first(w, 1, upper, bits), d = octavo_second(w, 1, upper, bits);
    p0 += x[0] * a;
    p1 += x[0] * c;
    q0 += x[2] * a;
    q1 += x[2] * c;
    p0 += x[1] * b;
    p1 += x[1] * d;
    q0 += x[3] * b;
    q1 += x[3] * d;
  }
  out_p[channel] = octavo_scaled(p0, channels->scale[channel], wide);
  out_p[channel + 1] = octavo_scaled(p1, channels->scale[channel + 1], wide);
  out_q[channel] = octavo_scaled(q0, channels->scale[channel], wide);
  out_q[channel + 1] = octavo_scaled(q1, channels->scale[channel + 1], wide);
}

OCTAVO_KERNEL void octavo_products_plain(const int16_t *windows, const int8_t *weights,
                                         const octavo_channels *channels, int32_t depth, int8_t *out_p,
                                         int8_t *out_q, int32_t blocks, int32_t wide, int32_t bits) {
  for (; blocks > 0; blocks--, channels++, weights += depth * bits / 2, out_p += 4, out_q += 4) {
    octavo_quarter_plain(windows, weights, depth, channels, 0, out_p, out_q, wide, bits);
    octavo_quarter_plain(windows, weights, depth, channels, 2, out_p, out_q, wide, bits);
  }
}

/* Two depths of the pixel p alone, whose places lie close together: products with the weights of four channels. */
OCTAVO_INLINE void octavo_two_depths_plain(const int16_t *x, const int8_t *first, int32_t *sums, int32_t bits) {
  const int8_t *const next = first + (bits == 4 ? 0 : bits / 2); /* weights of the last two channels */
  const int32_t a = x[0], b = x[1];
  sums[0] += a * octavo_first(first, 0, 1, bits);
  sums[0] += b * octavo_second(first, 0, 1, bits);
  sums[1] += a * octavo_first(first, 1, 1, bits);
  sums[1] += b * octavo_second(first, 1, 1, bits);
  sums[2] += a * octavo_first(next, 0, 0, bits);
  sums[2] += b * octavo_second(next, 0, 0, bits);
  sums[3] += a * octavo_first(next, 1, 0, bits);
  sums[3] += b * octavo_second(next, 1, 0, bits);
}

OCTAVO_KERNEL void octavo_products_of_one_plain(const int16_t *windows, const int8_t *weights,
                                                const octavo_channels *channels, int32_t depth, int8_t *out,
                                                int32_t blocks, int32_t wide, int32_t bits) {
  for (; blocks > 0; blocks--, channels++, out += 4) {
    const int16_t *x = windows, *const end = windows + depth;
    int32_t sums[4] = {channels->bias[0], channels->bias[1], channels->bias[2], channels->bias[3]};
    for (; x != end; x += 4, weights += 2 * bits) {
      octavo_two_depths_plain(x, weights, sums, bits);
      octavo_two_depths_plain(x + 2, weights + bits, sums, bits);
    }
    out[0] = octavo_scaled(sums[0], channels->scale[0], wide);
    out[1] = octavo_scaled(sums[1], channels->scale[1], wide);
    out[2] = octavo_scaled(sums[2], channels->scale[2], wide);
    out[3] = octavo_scaled(sums[3], channels->scale[3], wide);
  }
}
#endif
