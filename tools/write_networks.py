"""Writes the packaged network tables from the networks' published configurations.

`python -m tools.write_networks` shows the differences; `--write` writes the tables.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import itertools
import math
import pathlib
import sys
from collections.abc import Callable, Iterator

from airchitect_jax.workloads import Layer
from tools import _generated

TABLES = pathlib.Path(__file__).parent.parent / "airchitect_jax" / "workloads" / "networks"


def conv(name: str, side: int, filter_side: int, channels: int, filters: int) -> Layer:
    """A convolution with `side` x `side` outputs, as the GEMM of its im2col."""
    return Layer(name=name, m=side * side, n=filters, k=filter_side**2 * channels)


def depthwise(name: str, side: int, filter_side: int, channels: int) -> Layer:
    """One GEMM with a single filter per channel."""
    return Layer(name=name, m=side * side, n=1, k=filter_side**2, count=channels)


def resnet50() -> Iterator[Layer]:
    """He et al., "Deep residual learning", CVPR 2016, table 1; stride in the first 1x1."""
    yield conv("conv1", 112, 7, 3, 64)
    channels = 64
    for stage, (side, width, blocks) in enumerate(
        [(56, 64, 3), (28, 128, 4), (14, 256, 6), (7, 512, 3)], start=2
    ):
        for block in range(1, blocks + 1):
            name = f"conv{stage}_{block}"
            yield conv(f"{name}_1x1_reduce", side, 1, channels, width)
            yield conv(f"{name}_3x3", side, 3, width, width)
            yield conv(f"{name}_1x1_expand", side, 1, width, 4 * width)
            if block == 1:
                yield conv(f"{name}_shortcut", side, 1, channels, 4 * width)
            channels = 4 * width
    yield Layer(name="fc", m=1, n=1000, k=2048)


def mobilenet_v2() -> Iterator[Layer]:
    """Sandler et al., "MobileNetV2", CVPR 2018, table 2, width 1.0, 224 x 224."""
    yield conv("conv1", 112, 3, 3, 32)
    side, channels, block = 112, 32, 0
    for expansion, width, repeats, first_stride in [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]:
        for repeat in range(repeats):
            block += 1
            inner = expansion * channels
            if expansion > 1:
                yield conv(f"block{block}_expand", side, 1, channels, inner)
            if repeat == 0:
                side = math.ceil(side / first_stride)
            yield depthwise(f"block{block}_depthwise", side, 3, inner)
            yield conv(f"block{block}_project", side, 1, inner, width)
            channels = width
    yield conv("conv_last", 7, 1, 320, 1280)
    yield Layer(name="fc", m=1, n=1000, k=1280)


def transformer_block(
    tokens: int, width: int, heads: int, hidden: int, blocks: int
) -> Iterator[Layer]:
    """`blocks` equal blocks of multi-head self-attention and a two-layer perceptron."""
    head = width // heads
    yield Layer(name="qkv", m=tokens, n=3 * width, k=width, count=blocks)
    yield Layer(name="attention_scores", m=tokens, n=tokens, k=head, count=blocks * heads)
    yield Layer(name="attention_values", m=tokens, n=head, k=tokens, count=blocks * heads)
    yield Layer(name="attention_output", m=tokens, n=width, k=width, count=blocks)
    yield Layer(name="mlp_up", m=tokens, n=hidden, k=width, count=blocks)
    yield Layer(name="mlp_down", m=tokens, n=width, k=hidden, count=blocks)


def bert_base() -> Iterator[Layer]:
    """Devlin et al., "BERT", NAACL 2019: 12 blocks, width 768, 12 heads; 128 tokens."""
    yield from transformer_block(tokens=128, width=768, heads=12, hidden=3072, blocks=12)
    yield Layer(name="pooler", m=1, n=768, k=768)


def gpt2() -> Iterator[Layer]:
    """Radford et al., "Language models are unsupervised multitask learners", 2019, small.

    12 blocks, width 768, 12 heads, vocabulary 50257; a prompt of 1024 tokens.
    """
    yield from transformer_block(tokens=1024, width=768, heads=12, hidden=3072, blocks=12)
    yield Layer(name="lm_head", m=1024, n=50257, k=768)


def vit_b16() -> Iterator[Layer]:
    """Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021: 224 x 224, 197 tokens."""
    yield Layer(name="patch_embedding", m=196, n=768, k=16 * 16 * 3)
    yield from transformer_block(tokens=197, width=768, heads=12, hidden=3072, blocks=12)
    yield Layer(name="head", m=1, n=1000, k=768)


def dlrm() -> Iterator[Layer]:
    """Naumov et al., "Deep learning recommendation model", 2019.

    The configuration of the MLPerf training benchmark (Criteo Terabyte, 26 tables of width 128);
    a batch of 2048.
    """
    batch = 2048
    for part, sizes in (
        ("bottom", (13, 512, 256, 128)),
        ("top", (479, 1024, 1024, 512, 256, 1)),
    ):
        for index, (k, n) in enumerate(itertools.pairwise(sizes), start=1):
            yield Layer(name=f"{part}_mlp{index}", m=batch, n=n, k=k)
        if part == "bottom":
            yield Layer(name="interaction", m=27, n=27, k=128, count=batch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A decoder with grouped-query attention and gated perceptrons, with one or several experts.

    Attributes:
      blocks, width, hidden, vocabulary: its sizes; `hidden` is that of one expert.
      heads, kv_heads, head: query heads, key and value heads, and the width of each.
      experts, active_experts: number of experts, and number per token.
    """

    blocks: int
    width: int
    hidden: int
    vocabulary: int
    heads: int
    kv_heads: int
    head: int
    experts: int = 1
    active_experts: int = 1

    def layers(self, *, batch: int, queries: int, context: int) -> Iterator[Layer]:
        """A pass over `queries` new tokens of each sequence, which see `context` tokens.

        Query heads that share keys and values are stacked into one product. Full products are
        counted, whatever the causal mask. Tokens are distributed evenly over the experts. Logits
        are computed for the last token of each sequence, as in serving.
        """
        tokens, blocks = batch * queries, self.blocks
        stacked = self.heads // self.kv_heads * queries
        attentions = blocks * batch * self.kv_heads
        qkv = (self.heads + 2 * self.kv_heads) * self.head
        yield Layer(name="qkv", m=tokens, n=qkv, k=self.width, count=blocks)
        yield Layer(name="attention_scores", m=stacked, n=context, k=self.head, count=attentions)
        yield Layer(name="attention_values", m=stacked, n=self.head, k=context, count=attentions)
        attended = self.heads * self.head
        yield Layer(name="attention_output", m=tokens, n=self.width, k=attended, count=blocks)
        prefix, routed, used = "mlp", tokens, 1
        if self.experts > 1:
            yield Layer(name="router", m=tokens, n=self.experts, k=self.width, count=blocks)
            prefix, used = "expert", min(self.experts, tokens * self.active_experts)
            routed = tokens * self.active_experts // used
        count = blocks * used
        # Gate and up projection read the same tokens: one product.
        yield Layer(
            name=f"{prefix}_gate_up", m=routed, n=2 * self.hidden, k=self.width, count=count
        )
        yield Layer(name=f"{prefix}_down", m=routed, n=self.width, k=self.hidden, count=count)
        yield Layer(name="lm_head", m=batch, n=self.vocabulary, k=self.width)


LANGUAGE_MODELS = {
    # Grattafiori et al., "The Llama 3 herd of models", 2024, table 3.
    "llama3_8b": LanguageModel(
        blocks=32, width=4096, hidden=14336, vocabulary=128256, heads=32, kv_heads=8, head=128
    ),
    # Jiang et al., "Mixtral of experts", 2024, table 1.
    "mixtral_8x7b": LanguageModel(
        blocks=32,
        width=4096,
        hidden=14336,
        vocabulary=32000,
        heads=32,
        kv_heads=8,
        head=128,
        experts=8,
        active_experts=2,
    ),
}
PREFILLS = tuple(itertools.product((1, 8), (2048, 8192)))  # batch, context
DECODES = tuple(itertools.product((1, 32), (2048, 8192, 32768)))

NETWORKS: dict[str, Callable[[], Iterator[Layer]]] = {
    "bert_base": bert_base,
    "dlrm": dlrm,
    "gpt2": gpt2,
    "mobilenet_v2": mobilenet_v2,
    "resnet50": resnet50,
    "vit_b16": vit_b16,
}
for _name, _model in LANGUAGE_MODELS.items():
    for _batch, _context in PREFILLS:
        NETWORKS[f"{_name}_prefill_b{_batch}_c{_context}"] = functools.partial(
            _model.layers, batch=_batch, queries=_context, context=_context
        )
    for _batch, _context in DECODES:
        NETWORKS[f"{_name}_decode_b{_batch}_c{_context}"] = functools.partial(
            _model.layers, batch=_batch, queries=1, context=_context
        )


def table(name: str) -> str:
    """The CSV text of a network."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Layer", "M", "N", "K", "Count"])
    for layer in NETWORKS[name]():
        writer.writerow([layer.name, layer.m, layer.n, layer.k, layer.count])
    return text.getvalue()


if __name__ == "__main__":
    _generated.update({TABLES / f"{name}.csv": table(name) for name in NETWORKS}, sys.argv[1:])
