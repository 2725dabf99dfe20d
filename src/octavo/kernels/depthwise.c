/* DEPTHWISE_CONV_2D with one output channel for each input channel.
 *
 * Four channels at a time. Weights are int16, of four channels together, tap by tap, in the order 0, 2, 1, 3 in which
 * a word's bytes are widened; channels are padded with zeros to a multiple of four.
 */

typedef struct {
  int32_t in_height, in_width, channels_count;
  int32_t out_width;
  int32_t kernel_height, kernel_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t in_zero_point;
  int32_t wide, low, high;
  const int16_t *weights;
  const octavo_channels *channels;
} octavo_depthwise;

/* Taps of a window that lie in the image, along one dimension. */
OCTAVO_INLINE int32_t octavo_first_tap(int32_t start, int32_t dilation) {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

OCTAVO_INLINE int32_t octavo_last_tap(int32_t start, int32_t dilation, int32_t taps, int32_t size) {
  const int32_t reach = size <= start ? 0 : (size - start + dilation - 1) / dilation;
  return reach < taps ? reach : taps;
}

typedef struct {
  const int8_t *in;       /* the first tap inside of the image, of the first channels */
  const int16_t *weights; /* its weights */
  int32_t rows, columns;  /* taps inside */
  int32_t in_row, in_column, weights_row; /* steps from tap to tap */
  int32_t in_offset;                      /* minus the zero point, in both halves */
  int32_t in_next, weights_next;          /* from a row's end to the next row, weights in bytes */
  int32_t weights_group;                  /* bytes of the weights of four channels */
} octavo_taps;

#if OCTAVO_DSP
/* A pixel's full groups of four channels.
 *
 * r4 .. r7 are the sums, r8 minus the zero point, twice; r0 and r1 run over taps and weights, r9 is the step to the next
 * tap, r10 and r11 count columns and rows. The stack holds: taps, channels' constants, out, groups.
 */
__attribute__((naked, noinline, unused)) static void octavo_depthwise_pixel(
    const octavo_taps *taps, const octavo_channels *channels, int8_t *out, int32_t groups) {
  __asm__ volatile(
#define OCTAVO_TAP                   \
  "ldr r2, [r0]\n"                   \
  "ldrd r12, lr, [r1], #8\n"         \
  "add r0, r9\n"                     \
  "sxtab16 r3, r8, r2, ror #8\n"     \
  "sxtab16 r2, r8, r2\n"             \
  "smlabb r4, r2, r12, r4\n"         \
  "smlatt r6, r2, r12, r6\n"         \
  "smlabb r5, r3, lr, r5\n"          \
  "smlatt r7, r3, lr, r7\n"
#define OCTAVO_STORE(sum)            \
  "ldm r2!, {r3, r12, lr}\n"         \
  "lsl " sum ", " sum ", #1\n"       \
  "smmulr " sum ", " sum ", r3\n"    \
  "add " sum ", " sum ", " sum ", asr #31\n" \
  "add " sum ", " sum ", r12\n"      \
  "asr " sum ", " sum ", lr\n"       \
  "ssat " sum ", #8, " sum "\n"      \
  "strb " sum ", [r0], #1\n"
      "push {r4-r11, lr}\n"
      "sub sp, #28\n"
      "stm sp, {r0, r1, r2, r3}\n"
      "ldrd r4, r5, [r0]\n" /* in, weights */
      "strd r4, r5, [sp, #16]\n"
      "ldr r9, [r0, #20]\n"
      "ldr r8, [r0, #28]\n"
      "1:\n"
      "ldrd r3, r2, [sp]\n"
      "ldm r2!, {r4, r5, r6, r7}\n"
      "str r2, [sp, #4]\n"
      "ldr r11, [r3, #8]\n"
      "ldrd r0, r1, [sp, #16]\n"
      "cmp r11, #0\n"
      "beq 6f\n"
      "2:\n"
      "ldr r10, [r3, #12]\n"
      "cmp r10, #3\n"
      "bne 4f\n"
      OCTAVO_TAP OCTAVO_TAP OCTAVO_TAP
      "b 5f\n"
      "4:\n"
      OCTAVO_TAP
      "subs r10, #1\n"
      "bne 4b\n"
      "5:\n"
      "ldr r3, [sp]\n"
      "ldrd r2, r12, [r3, #32]\n" /* from a row's end to the next, of taps and of weights */
      "add r0, r2\n"
      "add r1, r12\n"
      "subs r11, #1\n"
      "bne 2b\n"
      "6:\n"
      "ldrd r2, r0, [sp, #4]\n"
      OCTAVO_STORE("r4") OCTAVO_STORE("r5") OCTAVO_STORE("r6") OCTAVO_STORE("r7")
      "strd r2, r0, [sp, #4]\n"
      "ldrd r0, r1, [sp, #16]\n" /* the next four channels */
      "ldr r3, [sp]\n"
      "ldr r12, [r3, #40]\n"
      "add r0, #4\n"
      "add r1, r12\n"
      "strd r0, r1, [sp, #16]\n"
      "ldr r12, [sp, #12]\n"
      "subs r12, #1\n"
      "str r12, [sp, #12]\n"
      "bne 1b\n"
      "add sp, #28\n"
      "pop {r4-r11, pc}\n");
#undef OCTAVO_TAP
#undef OCTAVO_STORE
}
#endif

OCTAVO_KERNEL void octavo_add_taps(const octavo_taps *taps, int32_t zero_point, int32_t count, int32_t sums[4]) {
  static const int place[4] = {0, 2, 1, 3};
  int32_t i, j, k;
  for (i = 0; i < taps->rows; i++) {
    for (j = 0; j < taps->columns; j++) {
      const int8_t *x = taps->in + i * taps->in_row + j * taps->in_column;
      const int16_t *w = taps->weights + i * taps->weights_row + j * 4;
      for (k = 0; k < count; k++) {
        sums[k] += (x[k] - zero_point) * w[place[k]];
      }
    }
  }
}

/* A pixel's channels, four at a time; the last may be fewer. */
OCTAVO_KERNEL void octavo_depthwise_plain(const octavo_depthwise *conv, octavo_taps taps,
                                          const octavo_channels *channels, int32_t count, int8_t *out) {
  int32_t k;
  for (; count > 0; count -= 4, channels++) {
    const int32_t now = count < 4 ? count : 4;
    int32_t sums[4];
    for (k = 0; k < 4; k++) {
      sums[k] = channels->bias[k];
    }
    octavo_add_taps(&taps, conv->in_zero_point, now, sums);
    for (k = 0; k < now; k++) {
      *out++ = octavo_scaled(sums[k], channels->scale[k], conv->wide);
    }
    taps.in += 4;
    taps.weights += taps.weights_group / 2;
  }
}

/* Rows row_begin .. row_end - 1 of the output. */
OCTAVO_KERNEL void octavo_depthwise_rows(const octavo_depthwise *conv, const int8_t *in, int8_t *out,
                                         int32_t row_begin, int32_t row_end) {
  const int32_t count = conv->channels_count, taps_count = conv->kernel_height * conv->kernel_width;
  int32_t row, column;
  octavo_taps taps;
  taps.in_row = conv->dilation_height * conv->in_width * count;
  taps.in_column = conv->dilation_width * count;
  taps.weights_row = 4 * conv->kernel_width;
  taps.in_offset = (int32_t)((uint32_t)(-conv->in_zero_point & 0xFFFF) * 0x10001u);
  taps.weights_group = 8 * taps_count;
  out += row_begin * conv->out_width * count;
  for (row = row_begin; row < row_end; row++) {
    const int32_t top = row * conv->stride_height - conv->pad_top;
    const int32_t i0 = octavo_first_tap(top, conv->dilation_height);
    const int32_t i1 = octavo_last_tap(top, conv->dilation_height, conv->kernel_height, conv->in_height);
    for (column = 0; column < conv->out_width; column++, out += count) {
      const int32_t left = column * conv->stride_width - conv->pad_left;
      const int32_t j0 = octavo_first_tap(left, conv->dilation_width);
      const int32_t j1 = octavo_last_tap(left, conv->dilation_width, conv->kernel_width, conv->in_width);
      int32_t done = 0;
      taps.in = in + ((top + i0 * conv->dilation_height) * conv->in_width + left + j0 * conv->dilation_width) * count;
      taps.weights = conv->weights + 4 * (i0 * conv->kernel_width + j0);
      taps.rows = j1 > j0 && i1 > i0 ? i1 - i0 : 0;
      taps.columns = j1 - j0;
      taps.in_next = taps.in_row - taps.columns * taps.in_column;
      taps.weights_next = 2 * taps.weights_row - 8 * taps.columns;
#if OCTAVO_DSP
      if (!conv->wide && count >= 4) {
        done = count / 4;
        octavo_depthwise_pixel(&taps, conv->channels, out, done);
        taps.in += 4 * done;
        taps.weights += 4 * taps_count * done;
      }
#endif
      octavo_depthwise_plain(conv, taps, conv->channels + done, count - 4 * done, out + 4 * done);
    }
  }
  row = (row_end - row_begin) * conv->out_width * count;
  octavo_bound(out - row, row, conv->low, conv->high);
}
