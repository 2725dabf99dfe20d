/* Rows of depthwise convolutions by the DSP extension, two columns at a time. */

#if OCTAVO_DSP
/* What octavo_depthwise_by_one and _two need of a channel. */
typedef struct {
  uint32_t weights[6]; /* w0 w1 and w1 w2 of each row */
  int32_t bias, multiplier, offset, shift;
} octavo_three_taps;

/* What they need of a row, the same for its channels but for steps; the order is what the assembler loads by. */
typedef struct {
  const int16_t *lines[3]; /* under the window, of the first channel */
  int8_t *out;
  int32_t apart;        /* bytes from a channel's line to the next channel's */
  int32_t pairs, alone; /* bytes of a line that full pairs of columns take, and a last column alone */
  int32_t step;         /* bytes from one column of the output to the next */
  int32_t channels;
} octavo_three_row;

/* A row of some channels, the window three by three, two columns p and q at a time; of an odd number the last alone.
 *
 * r0 .. r2 run over the lines, r3 over the output; r4 .. r9 are the weights, r10 and r11 the sums. The stack holds, of
 * a channel: bias, multiplier, offset, shift, step, end of pairs, end; then the row; then the channel's taps.
 */
#define OCTAVO_THREE_ROWS(name, row)                                                                                  \
  __attribute__((naked, noinline, unused)) static void name(OCTAVO_IN_A_REGISTER const octavo_three_row *of, \
                                                            OCTAVO_IN_A_REGISTER const octavo_three_taps *taps) { \
    __asm__ volatile(                                                                                                 \
        "push {r4-r11, lr}\n"                                                                                         \
        "sub sp, #68\n"                                                                                               \
        "ldm r0, {r2-r10}\n"                                                                                          \
        "add r0, sp, #28\n"                                                                                           \
        "stm r0, {r2-r10}\n"                                                                                          \
        "str r1, [sp, #64]\n"                                                                                         \
        "4:\n"                                                                                                        \
        "ldr r12, [sp, #64]\n"                                                                                        \
        "ldm r12!, {r4-r9}\n"                                                                                         \
        "ldm r12!, {r0-r3}\n"                                                                                         \
        "stm sp, {r0-r3}\n"                                                                                           \
        "str r12, [sp, #64]\n"                                                                                        \
        "add r12, sp, #28\n"                                                                                          \
        "ldm r12, {r0-r3, r10}\n"                                                                                     \
        "add r11, r0, r10\n"                                                                                          \
        "add r12, r1, r10\n"                                                                                          \
        "strd r11, r12, [sp, #28]\n"                                                                                  \
        "add r11, r2, r10\n"                                                                                          \
        "add r12, r3, #1\n"                                                                                           \
        "strd r11, r12, [sp, #36]\n"                                                                                  \
        "ldrd r10, r11, [sp, #48]\n"                                                                                  \
        "ldr r12, [sp, #56]\n"                                                                                        \
        "add lr, r0, r10\n"                                                                                           \
        "strd r12, lr, [sp, #16]\n"                                                                                   \
        "add r12, lr, r11\n"                                                                                          \
        "str r12, [sp, #24]\n"                                                                                        \
        "cmp r0, lr\n"                                                                                                \
        "beq 2f\n"                                                                                                    \
        "1:\n"                                                                                                        \
        "ldr r10, [sp]\n"                                                                                             \
        "mov r11, r10\n"                                                                                              \
        row("r0", "r4", "r5") row("r1", "r6", "r7") row("r2", "r8", "r9")                                             \
        "ldr r12, [sp, #4]\n"                                                                                         \
        "smmlar r10, r10, r12, r10\n"                                                                                 \
        "smmlar r11, r11, r12, r11\n"                                                                                 \
        "ldrd r12, lr, [sp, #8]\n"                                                                                    \
        "add r10, r10, r10, asr #31\n"                                                                                \
        "add r11, r11, r11, asr #31\n"                                                                                \
        "add r10, r12\n"                                                                                              \
        "add r11, r12\n"                                                                                              \
        "asr r10, lr\n"                                                                                               \
        "asr r11, lr\n"                                                                                               \
        "ssat r10, #8, r10\n"                                                                                         \
        "ssat r11, #8, r11\n"                                                                                         \
        "ldrd r12, lr, [sp, #16]\n"                                                                                   \
        "strb r11, [r3, r12]\n"                                                                                       \
        "strb r10, [r3]\n"                                                                                            \
        "add r3, r3, r12, lsl #1\n"                                                                                   \
        "cmp r0, lr\n"                                                                                                \
        "bne 1b\n"                                                                                                    \
        "2:\n"                                                                                                        \
        "ldr r12, [sp, #24]\n"                                                                                        \
        "cmp r12, lr\n"                                                                                               \
        "beq 3f\n"                                                                                                    \
        "mov r11, #0\n" /* q, which is none, is written where p will be */                                            \
        "strd r11, r12, [sp, #16]\n"                                                                                  \
        "b 1b\n"                                                                                                      \
        "3:\n"                                                                                                        \
        "ldr r12, [sp, #60]\n"                                                                                        \
        "subs r12, #1\n"                                                                                              \
        "str r12, [sp, #60]\n"                                                                                        \
        "bne 4b\n"                                                                                                    \
        "add sp, #68\n"                                                                                               \
        "pop {r4-r11, pc}\n");                                                                                        \
  }

/* p is x0 w0 + x1 w1 + x2 w2; q is x1 w0 + x2 w1 + x3 w2, or from x2 on where the stride is 2. */
#define OCTAVO_ROW_BY_ONE(x, w01, w12) \
  "ldrd r12, lr, [" x "], #4\n"        \
  "smlad r10, r12, " w01 ", r10\n"     \
  "smlatb r11, r12, " w01 ", r11\n"    \
  "smlabt r10, lr, " w12 ", r10\n"     \
  "smlad r11, lr, " w12 ", r11\n"
#define OCTAVO_ROW_BY_TWO(x, w01, w12) \
  "ldrd r12, lr, [" x "], #8\n"        \
  "smlad r10, r12, " w01 ", r10\n"     \
  "ldr r12, [" x "]\n"                 \
  "smlabt r10, lr, " w12 ", r10\n"     \
  "smlad r11, lr, " w01 ", r11\n"      \
  "smlabt r11, r12, " w12 ", r11\n"

OCTAVO_THREE_ROWS(octavo_depthwise_by_one, OCTAVO_ROW_BY_ONE)
OCTAVO_THREE_ROWS(octavo_depthwise_by_two, OCTAVO_ROW_BY_TWO)

OCTAVO_INLINE octavo_three_taps octavo_three_of(const octavo_depthwise *conv, int32_t channel, int32_t bits,
                                                int32_t bias, const int32_t *scale) {
  octavo_three_taps taps;
  int32_t i, w = 9 * channel;
  for (i = 0; i < 6; i += 2, w += 3) {
    const uint32_t middle = (uint32_t)octavo_weight(conv->weights, w + 1, bits);
    taps.weights[i] = octavo_low_halves((uint32_t)octavo_weight(conv->weights, w, bits), middle);
    taps.weights[i + 1] = octavo_low_halves(middle, (uint32_t)octavo_weight(conv->weights, w + 2, bits));
  }
  taps.bias = bias;
  taps.multiplier = scale[0];
  taps.offset = scale[1];
  taps.shift = scale[2];
  return taps;
}

/* Places that the weights of a pair of columns reach, an even number. */
OCTAVO_INLINE int32_t octavo_pair_reach(const octavo_depthwise *conv) {
  return ((conv->kernel_width - 1) * conv->dilation_width + conv->stride_width + 2) / 2 * 2;
}

/* Weights of one channel for octavo_depthwise_pairs: for each two places of a line a word of p's and one of its right
 * neighbour's, q's, which are p's moved by the stride: both read the same words. */
OCTAVO_INLINE void octavo_pair_weights(const octavo_depthwise *conv, int32_t channel, int32_t bits, uint32_t *taps) {
  const int32_t reach = octavo_pair_reach(conv);
  int32_t i, j, w = channel * conv->kernel_height * conv->kernel_width;
  memset(taps, 0, 4 * (size_t)reach * (size_t)conv->kernel_height);
  for (i = 0; i < conv->kernel_height; i++, taps += reach) {
    for (j = 0; j < conv->kernel_width; j++) {
      const uint32_t weight = (uint32_t)octavo_weight(conv->weights, w++, bits) & 0xFFFFu;
      const int32_t p = j * conv->dilation_width, q = p + conv->stride_width;
      taps[p / 2 * 2] |= weight << (p % 2 * 16);
      taps[q / 2 * 2 + 1] |= weight << (q % 2 * 16);
    }
  }
}

/* Full pairs of a row of one channel, of any window. */
OCTAVO_KERNEL void octavo_depthwise_pairs(const octavo_depthwise *conv, const int16_t *lines,
                                          const octavo_window_rows *rows, const uint32_t *weights, int32_t bias,
                                          const int32_t *scale, int8_t *out) {
  const int32_t step = conv->channels_count, reach = octavo_pair_reach(conv);
  int32_t column;
  for (column = 0; column + 2 <= conv->out_width; column += 2, out += 2 * step) {
    int32_t p = bias, q = bias, i;
    for (i = rows->first; i < rows->last; i++) {
      const int16_t *x = octavo_line_of(conv, lines, rows, i) + column * conv->stride_width;
      const uint32_t *w = weights + i * reach, *const end = w + reach;
      for (; w != end; w += 2, x += 2) {
        const uint32_t two = octavo_word(x);
        p = octavo_add_products(two, w[0], p);
        q = octavo_add_products(two, w[1], q);
      }
    }
    out[0] = octavo_scaled(p, scale, 0);
    out[step] = octavo_scaled(q, scale, 0);
  }
}
#endif
