"""Extremes over the replicas of a distributed training step.

Under keras.distribution (JAX) arrays are global and a minimum is already the whole batch's. Under
tf.distribute each replica sees its share, and the shares must meet.
"""

from __future__ import annotations

from typing import Any

import keras


def extremes_of_replicas(low: Any, high: Any) -> tuple[Any, Any]:
    """The smallest `low` and the largest `high` (scalars) over all replicas of the running step."""
    if keras.backend.backend() != "tensorflow":
        return low, high
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return low, high
    pairs = context.all_gather(tf.reshape(tf.stack([low, high]), (1, 2)), axis=0)
    return tf.reduce_min(pairs[:, 0]), tf.reduce_max(pairs[:, 1])
