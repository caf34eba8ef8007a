"""Packaged networks against published counts, JAX programs of the same networks, and XLA."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax_networks import floats, transformer, transformer_weights

from airchitect_jax import from_jax, load_network, network_names
from airchitect_jax.workloads import EVALUATION_NETWORKS
from tools import write_networks


def test_packaged_tables_are_what_the_script_writes():
    assert set(network_names()) == set(write_networks.NETWORKS)
    for name in network_names():
        assert (write_networks.TABLES / f"{name}.csv").read_text() == write_networks.table(name)


def test_case_studies_know_one_table_of_each_network():
    assert set(EVALUATION_NETWORKS) <= set(network_names())


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("resnet50", 3.8e9),  # He et al. 2016, table 1: 3.8e9 multiply-adds
        ("mobilenet_v2", 300e6),  # Sandler et al. 2018, table 4: 300M multiply-adds
        # Liu et al., "Swin transformer", 2021, table 1: DeiT-B, which is ViT-B/16 at 224, 17.5G.
        ("vit_b16", 17.5e9),
        # Jiao et al., "TinyBERT", 2020, table 1: BERT-base 22.5B operations at 128 tokens.
        ("bert_base", 22.5e9 / 2),
    ],
)
def test_published_macs(name, macs):
    assert load_network(name).macs == pytest.approx(macs, rel=0.02)


def test_gpt2_follows_the_published_formula():
    """Kaplan et al., "Scaling laws for neural language models", 2020, table 1, per token.

    N = 12 layers width^2 weights in blocks; layers context width for each of scores and values;
    width vocabulary for the logits.
    """
    layers, width, tokens, vocabulary = 12, 768, 1024, 50257
    per_token = 12 * layers * width**2 + 2 * layers * tokens * width + width * vocabulary
    assert load_network("gpt2").macs == tokens * per_token


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        # Grattafiori et al. 2024: 8.03e9 weights, of which the input embedding multiplies nothing.
        ("llama3_8b", 8.03e9 - 128256 * 4096),
        # Jiang et al. 2024: 12.9e9 active weights of 46.7e9.
        ("mixtral_8x7b", 12.9e9 - 32000 * 4096),
    ],
)
@pytest.mark.parametrize("context", [2048, 8192, 32768])
def test_a_token_multiplies_each_active_weight_once(model, weights, context):
    attention = 2 * 32 * 4096 * context  # scores and values: blocks, width of all heads
    expected = pytest.approx(weights + attention, rel=0.005)
    assert load_network(f"{model}_decode_b1_c{context}").macs == expected
    many = load_network(f"{model}_decode_b32_c{context}").macs
    assert many == 32 * load_network(f"{model}_decode_b1_c{context}").macs


@pytest.mark.parametrize(("name", "tokens"), [("bert_base", 128), ("gpt2", 1024), ("vit_b16", 197)])
def test_transformers_equal_a_jax_program(name, tokens):
    program = functools.partial(transformer, heads=12)
    blocks = from_jax(program, transformer_weights(), floats(tokens, 768)).macs
    outside = {"pooler", "lm_head", "patch_embedding", "head"}
    rest = sum(layer.macs for layer in load_network(name).layers if layer.name in outside)
    assert load_network(name).macs == blocks + rest


def test_a_transformer_block_equals_xla():
    """XLA counts the body of a scan once, and softmax, GELU and sums beside the products."""
    args = transformer_weights(blocks=1), floats(197, 768)
    program = functools.partial(transformer, heads=12)
    operations = jax.jit(program).lower(*args).cost_analysis()["flops"]
    macs = from_jax(program, *args).macs
    assert 2 * macs < operations < 2 * macs * 1.02


def resnet50(weight, x):
    """He et al. 2016, without normalisation, in NCHW."""

    def conv(x, channels, side, stride=1, pad=0):
        w = weight(channels, x.shape[1], side, side)
        return lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2)

    x = conv(x, 64, 7, 2, 3)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "SAME")
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = conv(conv(x, width, 1, stride), width, 3, pad=1)
            skip = x if block else conv(x, 4 * width, 1, stride)
            x = jax.nn.relu(conv(inner, 4 * width, 1) + skip)
    return x.mean((2, 3)) @ weight(2048, 1000)


def test_resnet50_equals_a_jax_program():
    network = from_jax(functools.partial(resnet50, lambda *s: jnp.zeros(s)), floats(1, 3, 224, 224))
    packaged = load_network("resnet50")
    assert network.macs == packaged.macs

    def shapes(layers):
        return sorted((layer.m, layer.n, layer.k) for layer in layers)

    assert shapes(network.layers) == shapes(packaged.layers)


def test_passes_of_language_models_have_tokens():
    tokens = {name: load_network(name).tokens for name in network_names()}
    assert tokens["llama3_8b_prefill_b1_c8192"] == 8192
    assert tokens["llama3_8b_decode_b32_c8192"] == 32
    assert tokens["resnet50"] == 0
