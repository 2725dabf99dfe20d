/* Convolutions, dense layers, poolings and softmax by CMSIS-NN's kernels, in builds that define OCTAVO_CMSIS_NN, find
 * its headers and link its library. Its numbers are the same: both round as TensorFlow Lite Micro's reference does.
 */

#ifdef OCTAVO_CMSIS_NN
#include "arm_nnfunctions.h"

/* A layer with weights, which lie as in the .tflite file; the rest has an entry for each channel. */
typedef struct {
  cmsis_nn_dims in, kernel, out;
  const int8_t *weights;
  const int32_t *bias, *multipliers, *shifts;
} octavo_cmsis_layer;

/* With the vector extension dense layers want the zero point's part of their sums in the bias. */
#ifdef ARM_MATH_MVEI
#define OCTAVO_CMSIS_BIAS(plain, folded) folded
#else
#define OCTAVO_CMSIS_BIAS(plain, folded) plain
#endif

/* Its structures have no constants. */
OCTAVO_INLINE int32_t *octavo_cmsis_read(const int32_t *values) { return (int32_t *)(uintptr_t)values; }

OCTAVO_INLINE cmsis_nn_per_channel_quant_params octavo_cmsis_scales(const octavo_cmsis_layer *layer) {
  cmsis_nn_per_channel_quant_params scales;
  scales.multiplier = octavo_cmsis_read(layer->multipliers);
  scales.shift = octavo_cmsis_read(layer->shifts);
  return scales;
}

OCTAVO_INLINE cmsis_nn_context octavo_cmsis_context(void *scratch) {
  cmsis_nn_context context;
  context.buf = scratch;
  context.size = 0; /* not read */
  return context;
}

/* The wrapper has a kernel of its own for windows of a row, which refuses some paddings: arm_convolve_s8 takes all. */
OCTAVO_KERNEL int octavo_cmsis_conv(const octavo_cmsis_layer *layer, const cmsis_nn_conv_params *params,
                                    const int8_t *in, int8_t *out, void *scratch) {
  const cmsis_nn_per_channel_quant_params scales = octavo_cmsis_scales(layer);
  const cmsis_nn_context context = octavo_cmsis_context(scratch);
  return layer->kernel.h * layer->kernel.w == 1
             ? arm_convolve_wrapper_s8(&context, params, &scales, &layer->in, in, &layer->kernel, layer->weights,
                                       &layer->out, layer->bias, &layer->out, out)
             : arm_convolve_s8(&context, params, &scales, &layer->in, in, &layer->kernel, layer->weights, &layer->out,
                               layer->bias, 0, &layer->out, out);
}

OCTAVO_KERNEL int octavo_cmsis_depthwise(const octavo_cmsis_layer *layer, const cmsis_nn_dw_conv_params *params,
                                         const int8_t *in, int8_t *out, void *scratch) {
  const cmsis_nn_per_channel_quant_params scales = octavo_cmsis_scales(layer);
  const cmsis_nn_context context = octavo_cmsis_context(scratch);
  return arm_depthwise_conv_wrapper_s8(&context, params, &scales, &layer->in, in, &layer->kernel, layer->weights,
                                       &layer->out, layer->bias, &layer->out, out);
}

OCTAVO_KERNEL int octavo_cmsis_dense(const octavo_cmsis_layer *layer, const cmsis_nn_fc_params *params,
                                     const int8_t *in, int8_t *out) {
  const cmsis_nn_per_channel_quant_params scales = octavo_cmsis_scales(layer);
  const cmsis_nn_context context = octavo_cmsis_context(octavo_cmsis_read(layer->bias));
  return arm_fully_connected_per_channel_s8(&context, params, &scales, &layer->in, in, &layer->kernel, layer->weights,
                                            &layer->out, layer->bias, &layer->out, out);
}

/* The same where all channels have one scale, the first. */
OCTAVO_KERNEL int octavo_cmsis_dense_of_one_scale(const octavo_cmsis_layer *layer, const cmsis_nn_fc_params *params,
                                                  const int8_t *in, int8_t *out) {
  const cmsis_nn_context context = octavo_cmsis_context(octavo_cmsis_read(layer->bias));
  cmsis_nn_per_tensor_quant_params scale;
  scale.multiplier = layer->multipliers[0];
  scale.shift = layer->shifts[0];
  return arm_fully_connected_s8(&context, params, &scale, &layer->in, in, &layer->kernel, layer->weights, &layer->out,
                                layer->bias, &layer->out, out);
}

typedef struct {
  cmsis_nn_dims in, window, out;
  cmsis_nn_pool_params params;
} octavo_cmsis_pool;

OCTAVO_KERNEL int octavo_cmsis_max_pool(const octavo_cmsis_pool *pool, const int8_t *in, int8_t *out, void *scratch) {
  const cmsis_nn_context context = octavo_cmsis_context(scratch);
  return arm_max_pool_s8(&context, &pool->params, &pool->in, in, &pool->window, &pool->out, out);
}

OCTAVO_KERNEL int octavo_cmsis_average_pool(const octavo_cmsis_pool *pool, const int8_t *in, int8_t *out,
                                            void *scratch) {
  const cmsis_nn_context context = octavo_cmsis_context(scratch);
  return arm_avgpool_s8(&context, &pool->params, &pool->in, in, &pool->window, &pool->out, out);
}

typedef struct {
  int32_t rows, columns, multiplier, shift, lowest; /* lowest difference to the row's maximum that counts */
} octavo_cmsis_softmax;

OCTAVO_KERNEL int octavo_cmsis_softmax_rows(const octavo_cmsis_softmax *softmax, const int8_t *in, int8_t *out) {
  arm_softmax_s8(in, softmax->rows, softmax->columns, softmax->multiplier, softmax->shift, softmax->lowest, out);
  return 0;
}
#endif
