"""JAX programs of the architectures of packaged networks, for tests."""

import jax
import jax.numpy as jnp
from jax import lax


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def transformer(weights, x, *, heads):
    """Blocks of attention and perceptron over tokens x width."""

    def block(x, w):
        tokens, width = x.shape
        q, k, v = (part.reshape(tokens, heads, -1) for part in jnp.split(x @ w["qkv"], 3, axis=1))
        scores = jax.nn.softmax(jnp.einsum("qhd,khd->hqk", q, k))
        x = x + jnp.einsum("hqk,khd->qhd", scores, v).reshape(tokens, width) @ w["out"]
        return x + jax.nn.gelu(x @ w["up"]) @ w["down"], None

    return lax.scan(block, x, weights)[0]


def transformer_weights(blocks=12, width=768):
    sides = {"qkv": (1, 3), "out": (1, 1), "up": (1, 4), "down": (4, 1)}
    return {name: floats(blocks, a * width, b * width) for name, (a, b) in sides.items()}
