"""Operators of JAX functions against XLA's count of operations, and of packaged networks."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax
from jax_networks import floats, transformer, transformer_weights

from airchitect_jax import Operator, from_jax, load_network, network_names
from tools import write_networks, write_operators


def test_operators_are_checked():
    good = {"name": "a", "kind": "softmax", "operations": 5}
    with pytest.raises(ValueError, match=r"operator 'a': output_elements: 0 is not allowed"):
        Operator(**good, input_elements=1, output_elements=0)
    with pytest.raises(ValueError, match=r"operator 'a': kind: 'soft' is not allowed; expected"):
        Operator(**{**good, "kind": "soft"}, input_elements=1, output_elements=1)


def mlp(x, w1, b1, w2, b2):
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def layer_norm(x, scale, shift):
    x = x - x.mean(1, keepdims=True)
    return x * lax.rsqrt((x**2).mean(1, keepdims=True) + 1e-5) * scale + shift


def attention_block(x, qkv, out, scale, shift, up, down):
    tokens, width = x.shape
    y = layer_norm(x, scale, shift) @ qkv
    q, k, v = (part.reshape(tokens, 4, -1) for part in jnp.split(y, 3, axis=1))
    scores = jax.nn.softmax(jnp.einsum("qhd,khd->hqk", q, k) / 4)
    x = x + jnp.einsum("hqk,khd->qhd", scores, v).reshape(tokens, width) @ out
    return x + jax.nn.gelu(layer_norm(x, scale, shift) @ up) @ down


def conv_block(x, w, scale, shift):
    y = lax.conv_general_dilated(x, w, (1, 1), "VALID")
    y = jax.nn.silu(y * scale + shift)
    return lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def gradients(x, w1, b1, w2, b2):
    def loss(w1, w2):
        return jnp.mean(jax.nn.logsumexp(mlp(x, w1, b1, w2, b2), axis=1))

    return jax.grad(loss, (0, 1))(w1, w2)


MLP = floats(8, 32), floats(32, 64), floats(1, 64), floats(64, 16), floats(1, 16)
BLOCK = [floats(*sides) for sides in [(16, 64), (64, 192), (64, 64), (1, 64), (1, 64), (64, 256)]]


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (mlp, MLP),
        (gradients, MLP),
        (layer_norm, (floats(16, 64), floats(1, 64), floats(1, 64))),
        (attention_block, (*BLOCK, floats(256, 64))),
        (conv_block, (floats(2, 3, 12, 12), floats(8, 3, 3, 3), *[floats(1, 8, 1, 1)] * 2)),
        (lambda x, w: jax.nn.sigmoid(x @ w) ** 3, (floats(8, 4), floats(4, 4))),
    ],
    ids=["mlp", "gradients", "layer_norm", "attention", "convolution", "powers"],
)
def test_operations_equal_xla(fn, args):
    """XLA counts a few scalars otherwise, such as the constant of a mean's gradient."""

    def with_a_product(*args):  # so that there is a layer
        return fn(*args), args[0].reshape(-1, 1) @ args[0].reshape(1, -1)

    network = from_jax(with_a_product, *args)
    ours = 2 * network.macs + sum(one.operations * one.count for one in network.operators)
    xla = jax.jit(with_a_product).lower(*args).cost_analysis()
    assert ours == pytest.approx(xla["flops"] + xla.get("transcendentals", 0), abs=2)
    assert not network.skipped


def test_a_flax_network_equals_xla():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.up = nnx.Linear(16, 64, rngs=rngs)
            self.norm = nnx.LayerNorm(64, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(4, 64, decode=False, rngs=rngs)

        def __call__(self, x):
            return self.attention(self.norm(nnx.gelu(self.up(x))))

    model = nnx.eval_shape(lambda: Net(nnx.Rngs(0)))
    graph, weights = nnx.split(model)
    x = floats(2, 8, 16)
    network = from_jax(model, x)
    xla = jax.jit(lambda w, x: nnx.merge(graph, w)(x)).lower(weights, x).cost_analysis()
    ours = 2 * network.macs + sum(one.operations * one.count for one in network.operators)
    assert ours == pytest.approx(xla["flops"] + xla["transcendentals"], rel=1e-3)


def by_kind(operators):
    """Operations, elements read and elements written of each kind."""
    totals = {}
    for one in operators:
        before = totals.get(one.kind.value, (0, 0, 0))
        now = one.operations, one.input_elements, one.output_elements
        totals[one.kind.value] = tuple(x + one.count * y for x, y in zip(before, now, strict=True))
    return totals


def test_packaged_tables_are_what_the_script_writes():
    assert set(write_operators.NETWORKS) == set(network_names())
    for name in network_names():
        file = write_networks.TABLES / "operators" / f"{name}.csv"
        assert file.read_text() == write_operators.table(name)
        assert load_network(name).operators == tuple(write_operators.NETWORKS[name]())


@pytest.mark.parametrize(
    ("name", "tokens", "blocks", "heads"),
    [
        ("bert_base", 128, 12, 12),
        ("gpt2", 1024, 12, 12),
        ("vit_b16", 197, 12, 12),
        ("llama3_8b_prefill_b8_c2048", 2048, 8 * 32, 32),
    ],
)
def test_softmax_of_attention(name, tokens, blocks, heads):
    """All layers, heads, queries and keys."""
    scores = blocks * heads * tokens**2
    assert by_kind(load_network(name).operators)["softmax"][1:] == (scores, scores)


@pytest.mark.parametrize("context", [2048, 8192, 32768])
def test_decoding_normalises_every_cached_token(context):
    """Llama 3 8B: 32 layers of 32 heads; scale and softmax are 6 operations per score."""
    scores = 32 * 32 * context
    for batch in (1, 32):
        network = load_network(f"llama3_8b_decode_b{batch}_c{context}")
        found = by_kind(network.operators)["softmax"]
        assert found == (6 * batch * scores, batch * scores, batch * scores)
        swiglu = by_kind(network.operators)["activation"]
        assert swiglu[2] == batch * 32 * 14336


def test_experts_process_each_token_twice():
    """Mixtral: 2 of 8 experts per token."""
    for batch, context in itertools.product((1, 8), (2048, 8192)):
        found = by_kind(load_network(f"mixtral_8x7b_prefill_b{batch}_c{context}").operators)
        assert found["activation"][2] == 2 * batch * context * 32 * 14336
        dispatched_and_combined = 3 * batch * context * 32 * 4096
        token_embedding = batch * context * 4096
        assert found["embedding"][2] == dispatched_and_combined + token_embedding


def test_transformers_equal_a_jax_program():
    """GELU of GPT-2 is the same; the softmax of the program has neither scale nor mask."""
    program = from_jax(
        lambda w, x: transformer(w, x, heads=12), transformer_weights(), floats(1024, 768)
    )
    found, packaged = (by_kind(one.operators) for one in (program, load_network("gpt2")))
    assert found["activation"] == packaged["activation"]
    assert found["softmax"][1:] == packaged["softmax"][1:]
    per_score = packaged["softmax"][0] / packaged["softmax"][1]
    assert found["softmax"][0] / found["softmax"][1] == pytest.approx(per_score - 2, rel=1e-3)


def test_residual_blocks_equal_a_jax_program():
    """ResNet-50: ReLU after each convolution, with the residual after the last of a block."""

    def tail(x, skip, w):
        return jax.nn.relu(lax.dot(x, w) + skip)

    found = {}
    for side, width, blocks in write_networks.RESNET50:
        x, skip = floats(side * side, width), floats(side * side, 4 * width)
        (one,) = from_jax(tail, x, skip, floats(width, 4 * width)).operators
        found[one.operations, one.input_elements, one.output_elements] = blocks
    adds = [one for one in load_network("resnet50").operators if "add" in one.name]
    assert found == {
        (one.operations, one.input_elements, one.output_elements): one.count for one in adds
    }


def rms_norm(x, scale):
    return x * lax.rsqrt((x * x).mean(1, keepdims=True) + 1e-5) * scale


def decoder(x, sin, cos, weights, *, heads, kv_heads, blocks):
    """Blocks of a Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU."""
    tokens, width = x.shape
    head = width // heads
    group = heads // kv_heads

    def rotated(y):
        low, high = jnp.split(y.reshape(tokens, -1, head), 2, axis=2)
        return jnp.concatenate([low * cos - high * sin, high * cos + low * sin], axis=2)

    for w in [weights] * blocks:
        y = rms_norm(x, w["norm1"])
        q, k, v = y @ w["q"], y @ w["k"], (y @ w["v"]).reshape(tokens, kv_heads, head)
        q = rotated(q).reshape(tokens, kv_heads, group, head)
        scores = jnp.einsum("qkgd,tkd->kgqt", q, rotated(k)) * 0.1
        mask = jnp.arange(tokens)[:, None] >= jnp.arange(tokens)[None]
        scores = jax.nn.softmax(jnp.where(mask[None, None], scores, -1e9))
        attended = jnp.einsum("kgqt,tkd->qkgd", scores, v)
        x = x + attended.reshape(tokens, width) @ w["out"]
        y = rms_norm(x, w["norm2"])
        x = x + (jax.nn.silu(y @ w["gate"]) * (y @ w["up"])) @ w["down"]
    return rms_norm(x, w["norm3"]) @ w["head"]


def test_a_language_model_equals_a_jax_program():
    model = write_networks.LanguageModel(
        blocks=2, width=64, hidden=192, vocabulary=128, heads=4, kv_heads=2, head=16
    )
    tokens, width = 32, model.width
    kv = model.kv_heads * model.head
    sides = {"q": (width, width), "k": (width, kv), "v": (width, kv), "out": (width, width)}
    sides |= {"gate": (width, model.hidden), "up": (width, model.hidden)}
    sides |= {"down": (model.hidden, width), "head": (width, model.vocabulary)}
    sides |= {f"norm{index}": (1, width) for index in (1, 2, 3)}
    program = from_jax(
        lambda *args: decoder(*args, heads=4, kv_heads=2, blocks=2),
        *(floats(tokens, width), *[floats(tokens, 1, model.head // 2)] * 2),
        {name: floats(*two) for name, two in sides.items()},
    )
    made = write_operators.language_model(model, batch=1, queries=tokens, context=tokens)
    # The program computes the logits of all tokens.
    final = write_operators.residual_norm("final_norm", tokens, width, norm=4, results=1)
    packaged = by_kind([final if one.name == "final_norm" else one for one in made])
    found = by_kind(program.operators)
    for kind in ("normalization", "softmax", "activation"):
        # The program also computes its masks, and some numbers per row.
        assert found[kind] == pytest.approx(packaged[kind], rel=0.05)
    # Its rotation reads each half of the queries and keys for each half of the results.
    assert found["elementwise"][::2] == packaged["elementwise"][::2]
