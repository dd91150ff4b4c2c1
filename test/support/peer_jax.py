"""Linear regression in JAX as a peer of its own. Arguments: type of the parameters, topology, id, experiment."""

import hashlib
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

from murmuration.jax import join

dtype, topology, peer_id = getattr(jnp, sys.argv[1]), sys.argv[2], int(sys.argv[3])
inputs = jnp.asarray(np.random.default_rng(peer_id).normal(size=(64, 3)), dtype=dtype)
targets = inputs @ jnp.asarray([1.0, -2.0, 0.5], dtype=dtype) + 1
params = {"layer": {"weight": jnp.zeros(3, dtype), "bias": jnp.zeros((), dtype)}}


def loss_of(params):
    layer = params["layer"]
    return jnp.mean(jnp.square(inputs @ layer["weight"] + layer["bias"] - targets).astype(jnp.float32))


update = jax.jit(jax.value_and_grad(loss_of))
first = float(loss_of(params))
with join(params, topology=topology, id=peer_id, experiment=json.loads(sys.argv[4]), evaluate=loss_of) as peer:
    while not peer.is_finished:
        loss, gradient = update(params)
        params = jax.tree_util.tree_map(lambda p, g: p - jnp.asarray(0.1, dtype) * g, params, gradient)
        params = peer.step(params, loss)
params = peer.parameters
flat = np.concatenate([np.asarray(leaf, np.float32).reshape(-1) for leaf in jax.tree_util.tree_leaves(params)])
types = sorted({str(leaf.dtype) for leaf in jax.tree_util.tree_leaves(params)})
own = hashlib.sha256(flat.tobytes()).hexdigest()
print(json.dumps({"digest": peer.digest, "own": own, "first": first, "last": float(loss_of(params)), "types": types}))
