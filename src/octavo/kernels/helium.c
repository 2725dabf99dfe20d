/* Arm's vector extension for microcontrollers (MVE, Helium): sums of four channels become results, a lane each. */

#if OCTAVO_HELIUM
#include <arm_mve.h>

/* Scales of four channels, as octavo_scaled takes them of one; shifts are negative, which is to the right. */
typedef struct {
  int32x4_t multiplier, offset, shift;
} octavo_lanes;

OCTAVO_INLINE octavo_lanes octavo_lanes_of(const octavo_channels *channels) {
  const uint32x4_t place = vmulq_n_u32(vidupq_n_u32(0, 1), sizeof channels->scale[0]);
  const int32_t *const scale = channels->scale[0];
  octavo_lanes lanes;
  lanes.multiplier = vldrwq_gather_offset_s32(scale, place);
  lanes.offset = vldrwq_gather_offset_s32(scale + 1, place);
  lanes.shift = vnegq_s32(vldrwq_gather_offset_s32(scale + 2, place));
  return lanes;
}

/* What octavo_scaled makes of sums of wide layers. */
OCTAVO_APART int32x4_t octavo_scaled_wide(int32x4_t sums, const octavo_channels *channels) {
  int32_t each[4], i;
  vst1q_s32(each, sums);
  for (i = 0; i < 4; i++) {
    each[i] = octavo_scaled(each[i], channels->scale[i], 1);
  }
  return vld1q_s32(each);
}

/* Four sums, biases added, as results between low and high. */
OCTAVO_INLINE int32x4_t octavo_scaled_lanes(int32x4_t sums, const octavo_lanes *lanes, const octavo_channels *channels,
                                            int32_t wide, int32_t low, int32_t high) {
  if (wide) {
    sums = octavo_scaled_wide(sums, channels);
  } else {
    sums = vaddq_s32(vrmulhq_s32(sums, lanes->multiplier), sums); /* the sum makes up for the multiplier's sign */
    sums = vaddq_s32(vaddq_s32(sums, vshrq_n_s32(sums, 31)), lanes->offset);
    sums = vshlq_s32(sums, lanes->shift);
  }
  return vmaxq_s32(vminq_s32(sums, vdupq_n_s32(high)), vdupq_n_s32(low));
}
#endif
