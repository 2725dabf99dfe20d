/* The products of conv.c by the instructions of Arm's DSP extension. */

#if OCTAVO_DSP && !OCTAVO_HELIUM
/* Weights of eight bits and of four, as assembler: those of two channels of two depths as bytes of r12, then those of
 * the next two channels. Of a weight of four bits the byte is sixteen times itself, and so are sums, and biases for a
 * while. Weights of sixteen bits are multiplied as they lie there. */
#define OCTAVO_BYTES_FIRST "ldr r12, [r1], #4\n"
#define OCTAVO_BYTES_SECOND "ldr r12, [r1], #4\n"
#define OCTAVO_BYTES_BIAS(sum)
#define OCTAVO_BYTES_SUM(sum)
#define OCTAVO_NIBBLES_FIRST \
  "ldr r12, [r1]\n"          \
  "and r12, #0xF0F0F0F0\n"
#define OCTAVO_NIBBLES_SECOND \
  "ldr r12, [r1], #4\n"       \
  "lsl r12, #4\n"             \
  "and r12, #0xF0F0F0F0\n"
#define OCTAVO_NIBBLES_BIAS(sum) "lsl " sum ", " sum ", #4\n"
#define OCTAVO_NIBBLES_SUM(sum) "asr " sum ", " sum ", #4\n"

#define OCTAVO_WIDENED_TWO_DEPTHS(first, second) \
  "ldrd r2, r3, [r0], #8\n"             \
  first                                 \
  "sxtb16 lr, r12\n"                    \
  "smlad r4, r2, lr, r4\n"              \
  "smlad r5, r3, lr, r5\n"              \
  "sxtb16 r12, r12, ror #8\n"           \
  "smlad r6, r2, r12, r6\n"             \
  "smlad r7, r3, r12, r7\n"             \
  second                                \
  "sxtb16 lr, r12\n"                    \
  "smlad r8, r2, lr, r8\n"              \
  "smlad r9, r3, lr, r9\n"              \
  "sxtb16 r12, r12, ror #8\n"           \
  "smlad r10, r2, r12, r10\n"           \
  "smlad r11, r3, r12, r11\n"
#define OCTAVO_BYTES_TWO_DEPTHS OCTAVO_WIDENED_TWO_DEPTHS(OCTAVO_BYTES_FIRST, OCTAVO_BYTES_SECOND)
#define OCTAVO_NIBBLES_TWO_DEPTHS OCTAVO_WIDENED_TWO_DEPTHS(OCTAVO_NIBBLES_FIRST, OCTAVO_NIBBLES_SECOND)
#define OCTAVO_HALVES_TWO_DEPTHS \
  "ldrd r2, r3, [r0], #8\n"      \
  "ldrd r12, lr, [r1], #8\n"     \
  "smlad r4, r2, r12, r4\n"      \
  "smlad r5, r3, r12, r5\n"      \
  "smlad r6, r2, lr, r6\n"       \
  "smlad r7, r3, lr, r7\n"       \
  "ldrd r12, lr, [r1], #8\n"     \
  "smlad r8, r2, r12, r8\n"      \
  "smlad r9, r3, r12, r9\n"      \
  "smlad r10, r2, lr, r10\n"     \
  "smlad r11, r3, lr, r11\n"
#define OCTAVO_STORE_TWO(p, q, of_sum)   \
  "ldr r12, [r2], #4\n"                 \
  of_sum(p) of_sum(q)                   \
  "smmlar " p ", " p ", r12, " p "\n"   \
  "smmlar " q ", " q ", r12, " q "\n"   \
  "ldrd r12, lr, [r2], #8\n"            \
  "add " p ", " p ", " p ", asr #31\n"  \
  "add " q ", " q ", " q ", asr #31\n"  \
  "add " p ", " p ", r12\n"             \
  "add " q ", " q ", r12\n"             \
  "asr " p ", " p ", lr\n"              \
  "asr " q ", " q ", lr\n"              \
  "ssat " p ", #8, " p "\n"             \
  "ssat " q ", #8, " q "\n"             \
  "strb " p ", [r0], #1\n"              \
  "strb " q ", [r3], #1\n"

/* Products of two pixels and `blocks` times four channels.
 *
 * r4 .. r11 are the sums, even ones of p; r0 and r1 run over windows and weights. The stack holds: end of the windows,
 * their begin, the channels' constants, out_p, out_q, blocks, and whether depths are an odd number of eights. Eight
 * depths are 60 instructions, and 64 products.
 */
#define OCTAVO_TWO_PIXELS(name, two_depths, of_bias, of_sum)                                                               \
  __attribute__((naked, noinline, unused)) static void name(                                                          \
      OCTAVO_IN_A_REGISTER const int16_t *windows, OCTAVO_IN_A_REGISTER const int8_t *weights,                       \
      OCTAVO_IN_A_REGISTER const octavo_channels *channels, OCTAVO_IN_A_REGISTER int32_t depth,                      \
      OCTAVO_IN_A_REGISTER int8_t *out_p, OCTAVO_IN_A_REGISTER int8_t *out_q, OCTAVO_IN_A_REGISTER int32_t blocks) { \
    __asm__ volatile(                                                                                                \
        "push {r4-r11, lr}\n" /* 36 bytes; the caller's out_p, out_q and blocks lie above */                         \
        "mov r7, r3\n"                                                                                               \
        "add r12, r0, r3, lsl #2\n"                                                                                  \
        "mov r3, r0\n"                                                                                               \
        "ldrd r4, r5, [sp, #36]\n"                                                                                   \
        "ldr r6, [sp, #44]\n"                                                                                        \
        "sub sp, #28\n"                                                                                              \
        "strd r12, r3, [sp]\n"                                                                                       \
        "str r2, [sp, #8]\n"                                                                                         \
        "strd r4, r5, [sp, #12]\n"                                                                                   \
        "and r7, #8\n"                                                                                               \
        "strd r6, r7, [sp, #20]\n"                                                                                   \
        "1:\n"                                                                                                       \
        "ldrd r0, r2, [sp, #4]\n"                                                                                    \
        "ldm r2, {r5, r7, r9, r11}\n"                                                                                \
        "ldm r2!, {r4, r6, r8, r10}\n"                                                                               \
        "str r2, [sp, #8]\n"                                                                                         \
        of_bias("r4") of_bias("r5") of_bias("r6") of_bias("r7")                                                      \
        of_bias("r8") of_bias("r9") of_bias("r10") of_bias("r11")                                                    \
        "ldr r12, [sp, #24]\n"                                                                                       \
        "cmp r12, #0\n"                                                                                              \
        "bne 3f\n"                                                                                                   \
        "2:\n"                                                                                                       \
        two_depths two_depths two_depths two_depths                                                                  \
        "3:\n"                                                                                                       \
        two_depths two_depths two_depths two_depths                                                                  \
        "ldr r12, [sp]\n"                                                                                            \
        "cmp r0, r12\n"                                                                                              \
        "bne 2b\n"                                                                                                   \
        "ldr r2, [sp, #8]\n"                                                                                         \
        "ldrd r0, r3, [sp, #12]\n"                                                                                   \
        OCTAVO_STORE_TWO("r4", "r5", of_sum) OCTAVO_STORE_TWO("r6", "r7", of_sum)                                  \
        OCTAVO_STORE_TWO("r8", "r9", of_sum) OCTAVO_STORE_TWO("r10", "r11", of_sum)                                \
        "str r2, [sp, #8]\n"                                                                                         \
        "ldr r12, [sp, #20]\n"                                                                                       \
        "strd r0, r3, [sp, #12]\n"                                                                                   \
        "subs r12, #1\n"                                                                                             \
        "str r12, [sp, #20]\n"                                                                                       \
        "bne 1b\n"                                                                                                   \
        "add sp, #28\n"                                                                                              \
        "pop {r4-r11, pc}\n");                                                                                       \
  }

OCTAVO_TWO_PIXELS(octavo_products, OCTAVO_BYTES_TWO_DEPTHS, OCTAVO_BYTES_BIAS, OCTAVO_BYTES_SUM)
OCTAVO_TWO_PIXELS(octavo_products_4, OCTAVO_NIBBLES_TWO_DEPTHS, OCTAVO_NIBBLES_BIAS, OCTAVO_NIBBLES_SUM)
OCTAVO_TWO_PIXELS(octavo_products_16, OCTAVO_HALVES_TWO_DEPTHS, OCTAVO_BYTES_BIAS, OCTAVO_BYTES_SUM)

#define OCTAVO_TWO_CHANNELS(bytes, first, second) \
  "sxtb16 lr, " bytes "\n"                        \
  "smlad " first ", r2, lr, " first "\n"          \
  "sxtb16 lr, " bytes ", ror #8\n"                \
  "smlad " second ", r2, lr, " second "\n"
#define OCTAVO_BYTES_FOUR_DEPTHS                                                   \
  "ldr r2, [r0], #4\n"                                                             \
  "ldm r1!, {r8-r11}\n"                                                            \
  OCTAVO_TWO_CHANNELS("r8", "r4", "r5") OCTAVO_TWO_CHANNELS("r9", "r6", "r7")      \
  "ldr r2, [r0], #4\n"                                                             \
  OCTAVO_TWO_CHANNELS("r10", "r4", "r5") OCTAVO_TWO_CHANNELS("r11", "r6", "r7")
#define OCTAVO_NIBBLES_FOUR_DEPTHS                                                 \
  "ldr r2, [r0], #4\n"                                                             \
  "ldm r1!, {r8, r10}\n"                                                           \
  "lsl r9, r8, #4\n"                                                               \
  "and r8, #0xF0F0F0F0\n"                                                          \
  "and r9, #0xF0F0F0F0\n"                                                          \
  OCTAVO_TWO_CHANNELS("r8", "r4", "r5") OCTAVO_TWO_CHANNELS("r9", "r6", "r7")      \
  "ldr r2, [r0], #4\n"                                                             \
  "lsl r11, r10, #4\n"                                                             \
  "and r10, #0xF0F0F0F0\n"                                                         \
  "and r11, #0xF0F0F0F0\n"                                                         \
  OCTAVO_TWO_CHANNELS("r10", "r4", "r5") OCTAVO_TWO_CHANNELS("r11", "r6", "r7")
#define OCTAVO_HALVES_TWO_DEPTHS_OF_ONE \
  "ldr r2, [r0], #4\n"                  \
  "ldm r1!, {r8-r11}\n"                 \
  "smlad r4, r2, r8, r4\n"              \
  "smlad r5, r2, r9, r5\n"              \
  "smlad r6, r2, r10, r6\n"             \
  "smlad r7, r2, r11, r7\n"
#define OCTAVO_HALVES_FOUR_DEPTHS OCTAVO_HALVES_TWO_DEPTHS_OF_ONE OCTAVO_HALVES_TWO_DEPTHS_OF_ONE
#define OCTAVO_STORE_ONE(sum, of_sum)            \
  "ldm r2!, {r8, r9, r10}\n"                     \
  of_sum(sum)                                    \
  "smmlar " sum ", " sum ", r8, " sum "\n"       \
  "add " sum ", " sum ", " sum ", asr #31\n"     \
  "add " sum ", " sum ", r9\n"                   \
  "asr " sum ", " sum ", r10\n"                  \
  "ssat " sum ", #8, " sum "\n"                  \
  "strb " sum ", [r3], #1\n"

/* The same of the pixel p alone, whose places lie close together. Eight depths are 40 instructions, and 32 products.
 *
 * r4 .. r7 are the sums, r8 .. r11 hold weights, r0 and r1 run over windows and weights, r3 over the output. The stack
 * holds: end of the windows, their begin, the channels' constants, blocks.
 */
#define OCTAVO_ONE_PIXEL(name, four_depths, of_bias, of_sum)                                                              \
  __attribute__((naked, noinline, unused)) static void name(                                                          \
      OCTAVO_IN_A_REGISTER const int16_t *windows, OCTAVO_IN_A_REGISTER const int8_t *weights,                       \
      OCTAVO_IN_A_REGISTER const octavo_channels *channels, OCTAVO_IN_A_REGISTER int32_t depth,                      \
      OCTAVO_IN_A_REGISTER int8_t *out, OCTAVO_IN_A_REGISTER int32_t blocks) {                                       \
    __asm__ volatile(                                                                                                \
        "push {r4-r11, lr}\n"                                                                                        \
        "add r12, r0, r3, lsl #1\n"                                                                                  \
        "ldrd r3, r4, [sp, #36]\n"                                                                                   \
        "sub sp, #20\n"                                                                                              \
        "strd r12, r0, [sp]\n"                                                                                       \
        "strd r2, r4, [sp, #8]\n"                                                                                    \
        "1:\n"                                                                                                       \
        "ldrd r12, r0, [sp]\n"                                                                                       \
        "ldr r2, [sp, #8]\n"                                                                                         \
        "ldm r2!, {r4-r7}\n"                                                                                         \
        "str r2, [sp, #8]\n"                                                                                         \
        of_bias("r4") of_bias("r5") of_bias("r6") of_bias("r7")                                                      \
        "2:\n"                                                                                                       \
        four_depths four_depths                                                                                      \
        "cmp r0, r12\n"                                                                                              \
        "bne 2b\n"                                                                                                   \
        "ldr r2, [sp, #8]\n"                                                                                         \
        OCTAVO_STORE_ONE("r4", of_sum) OCTAVO_STORE_ONE("r5", of_sum)                                              \
        OCTAVO_STORE_ONE("r6", of_sum) OCTAVO_STORE_ONE("r7", of_sum)                                              \
        "ldr r12, [sp, #12]\n"                                                                                       \
        "subs r12, #1\n"                                                                                             \
        "strd r2, r12, [sp, #8]\n"                                                                                   \
        "bne 1b\n"                                                                                                   \
        "add sp, #20\n"                                                                                              \
        "pop {r4-r11, pc}\n");                                                                                       \
  }

OCTAVO_ONE_PIXEL(octavo_products_of_one, OCTAVO_BYTES_FOUR_DEPTHS, OCTAVO_BYTES_BIAS, OCTAVO_BYTES_SUM)
OCTAVO_ONE_PIXEL(octavo_products_of_one_4, OCTAVO_NIBBLES_FOUR_DEPTHS, OCTAVO_NIBBLES_BIAS, OCTAVO_NIBBLES_SUM)
OCTAVO_ONE_PIXEL(octavo_products_of_one_16, OCTAVO_HALVES_FOUR_DEPTHS, OCTAVO_BYTES_BIAS, OCTAVO_BYTES_SUM)
#endif
