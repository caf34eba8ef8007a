"""Writes the operators of the packaged networks, from the networks' published configurations.

`python -m tools.write_operators` shows the differences; `--write` writes the tables.

The work between two matrix products is one operator (`airchitect_jax.workloads.fusion`): a residual
addition with the normalisation that follows it, a scale and a mask with their softmax. For
inference, batch normalisation is folded into the weights of its convolution, and biases are
preloaded into the accumulators, so neither is counted. Heads and cached keys and values are
addressed in place. The last result is the logits, unless the publication says otherwise.
Operations per element are those of `airchitect_jax.workloads.onnx.operators`.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import sys
from collections.abc import Callable, Iterator

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads import Operator
from tools import _generated
from tools.write_networks import (
    DLRM_BATCH,
    DLRM_MLPS,
    MOBILENET_V2,
    RESNET50,
    TABLES,
    LanguageModel,
    passes,
)

SOFTMAX, LAYER_NORM, RMS_NORM = 5, 7, 4  # operations per element
GELU_ERF, GELU_TANH, SILU, SIGMOID = 5, 9, 5, 4


def vector(
    name: str,
    kind: OperatorKind,
    per_element: int,
    elements: int,
    *,
    operands: int = 1,
    weights: int = 0,
    results: int = 1,
    count: int = 1,
) -> Operator:
    """An operator on `operands` tensors of `elements` each, with `results` of the same size."""
    return Operator(
        name=name,
        kind=kind,
        operations=per_element * elements,
        input_elements=operands * elements + weights,
        output_elements=results * elements,
        count=count,
    )


def softmax(name: str, elements: int, *, before: int = 0, count: int = 1) -> Operator:
    """With `before` operations per element before it: a scale, a mask."""
    return vector(name, OperatorKind.SOFTMAX, SOFTMAX + before, elements, count=count)


def residual_norm(
    name: str, rows: int, width: int, *, norm: int, adds: int = 1, results: int = 2, count: int = 1
) -> Operator:
    """A normalisation of a sum; of its two results the sum itself is the residual stream."""
    return vector(
        name,
        OperatorKind.NORMALIZATION,
        norm + adds,
        rows * width,
        operands=1 + adds,
        weights=(2 if norm == LAYER_NORM else 1) * width,
        results=results,
        count=count,
    )


def lookup(name: str, rows: int, width: int, count: int = 1) -> Operator:
    """Rows of a table by their indices."""
    return Operator(
        name=name,
        kind=OperatorKind.EMBEDDING,
        operations=0,
        input_elements=rows * (width + 1),
        output_elements=rows * width,
        count=count,
    )


def average_pool(side: int, channels: int) -> Operator:
    """Over all positions."""
    return Operator(
        name="average_pool",
        kind=OperatorKind.POOLING,
        operations=side * side * channels,
        input_elements=side * side * channels,
        output_elements=channels,
    )


def activation(name: str, per_element: int, elements: int, count: int = 1) -> Operator:
    """An activation on its own."""
    return vector(name, OperatorKind.ACTIVATION, per_element, elements, count=count)


def resnet50() -> Iterator[Operator]:
    """ReLU after every convolution, the last of a block after the residual addition."""
    yield activation("conv1_relu", 1, 112 * 112 * 64)
    yield Operator(
        name="max_pool",
        kind=OperatorKind.POOLING,
        operations=(3 * 3 - 1) * 56 * 56 * 64,
        input_elements=112 * 112 * 64,
        output_elements=56 * 56 * 64,
    )
    for stage, (side, width, blocks) in enumerate(RESNET50, start=2):
        for part in ("1x1_reduce", "3x3"):
            yield activation(f"conv{stage}_{part}_relu", 1, side * side * width, blocks)
        yield vector(
            f"conv{stage}_add_relu",
            OperatorKind.ACTIVATION,
            2,
            side * side * 4 * width,
            operands=2,
            count=blocks,
        )
    yield average_pool(7, 2048)
    yield softmax("softmax", 1000)


def mobilenet_v2() -> Iterator[Operator]:
    """ReLU6 after all but the projections, which have the residual addition."""
    yield activation("conv1_relu6", 2, 112 * 112 * 32)
    side, channels, block = 112, 32, 0
    for expansion, width, repeats, first_stride in MOBILENET_V2:
        for repeat in range(repeats):
            block += 1
            inner = expansion * channels
            if expansion > 1:
                yield activation(f"block{block}_expand_relu6", 2, side * side * inner)
            if repeat == 0:
                side = -(-side // first_stride)
            yield activation(f"block{block}_depthwise_relu6", 2, side * side * inner)
            if repeat:
                elements = side * side * width
                yield vector(f"block{block}_add", OperatorKind.ELEMENTWISE, 1, elements, operands=2)
            channels = width
    yield activation("conv_last_relu6", 2, 7 * 7 * 1280)
    yield average_pool(7, 1280)


def encoder(
    tokens: int, heads: int, hidden: int, blocks: int, *, before: int, gelu: int
) -> Iterator[Operator]:
    """Softmax and GELU of equal blocks."""
    scores = tokens * tokens
    yield softmax("attention_softmax", scores, before=before, count=blocks * heads)
    yield activation("mlp_gelu", gelu, tokens * hidden, blocks)


def bert_base() -> Iterator[Operator]:
    """Normalisation after each residual addition; no padding mask, since sequences are full."""
    tokens, width, blocks = 128, 768, 12
    yield lookup("token_embedding", tokens, width)
    # Positions, and one of the two segment vectors for all tokens.
    yield Operator(
        name="embedding_norm",
        kind=OperatorKind.NORMALIZATION,
        operations=(LAYER_NORM + 2) * tokens * width,
        input_elements=2 * tokens * width + 3 * width,
        output_elements=tokens * width,
    )
    yield from encoder(tokens, 12, 3072, blocks, before=1, gelu=GELU_ERF)
    for name in ("attention_norm", "mlp_norm"):
        yield residual_norm(name, tokens, width, norm=LAYER_NORM, results=1, count=blocks)
    yield activation("pooler_tanh", 1, width)


def pre_norm(tokens: int, width: int, blocks: int) -> Iterator[Operator]:
    """Positions and residual additions, each with the normalisation that follows it."""
    norm = LAYER_NORM
    yield residual_norm("embedding_norm", tokens, width, norm=norm)
    yield residual_norm("attention_norm", tokens, width, norm=norm, count=blocks)
    yield residual_norm("mlp_norm", tokens, width, norm=norm, count=blocks - 1)
    yield residual_norm("final_norm", tokens, width, norm=norm, results=1)


def gpt2() -> Iterator[Operator]:
    """Scale and causal mask before softmax; GELU by tanh."""
    tokens, width, blocks = 1024, 768, 12
    yield lookup("token_embedding", tokens, width)
    yield from encoder(tokens, 12, 3072, blocks, before=2, gelu=GELU_TANH)
    yield from pre_norm(tokens, width, blocks)


def vit_b16() -> Iterator[Operator]:
    """The class token is put before the patches."""
    tokens, width, blocks = 197, 768, 12
    yield vector("class_token", OperatorKind.DATA_MOVEMENT, 0, tokens * width)
    yield from encoder(tokens, 12, 3072, blocks, before=1, gelu=GELU_ERF)
    yield from pre_norm(tokens, width, blocks)


def dlrm() -> Iterator[Operator]:
    """One lookup per table and sample; the lower triangle of the interaction beside the dense part.

    ReLU after all layers, a sigmoid after the last.
    """
    batch, tables, width = DLRM_BATCH, 26, 128
    yield lookup("embedding", batch * tables, width)
    vectors = tables + 1
    yield vector("stack", OperatorKind.DATA_MOVEMENT, 0, batch * vectors * width)
    pairs = vectors * (vectors - 1) // 2
    yield vector("triangle", OperatorKind.DATA_MOVEMENT, 0, batch * (pairs + width))
    for part, sizes in DLRM_MLPS.items():
        for index, (_, size) in enumerate(itertools.pairwise(sizes), start=1):
            if size == 1:
                yield activation("sigmoid", SIGMOID, batch)
            else:
                yield activation(f"{part}_relu{index}", 1, batch * size)


def language_model(
    model: LanguageModel, *, batch: int, queries: int, context: int
) -> Iterator[Operator]:
    """RMSNorm, rotary positions, masked softmax, SwiGLU; with experts top-k, dispatch and combine.

    A single new token sees all of its context, so a decoding step needs no mask. Rotated keys are
    written straight into the cache.
    """
    tokens, width, blocks = batch * queries, model.width, model.blocks
    yield lookup("token_embedding", tokens, width)
    norm = RMS_NORM
    yield residual_norm("input_norm", tokens, width, norm=norm, adds=0, results=1)
    rotated = tokens * (model.heads + model.kv_heads) * model.head
    # Per pair of elements 4 products and 2 sums; sine and cosine per position are stored.
    yield vector(
        "rotary",
        OperatorKind.ELEMENTWISE,
        3,
        rotated,
        weights=queries * model.head,
        count=blocks,
    )
    yield softmax(
        "attention_softmax",
        model.heads // model.kv_heads * queries * context,
        before=1 if queries == 1 else 2,
        count=blocks * batch * model.kv_heads,
    )
    yield residual_norm("attention_norm", tokens, width, norm=norm, count=blocks)
    runs, routed = model.expert_runs(tokens)
    if model.experts > 1:
        active = model.active_experts
        chosen = tokens * active
        yield Operator(
            name="router_top_k",
            kind=OperatorKind.REDUCTION,
            operations=tokens * model.experts * max(1, (active - 1).bit_length()),
            input_elements=tokens * model.experts,
            output_elements=2 * chosen,
            count=blocks,
        )
        yield softmax("router_softmax", chosen, count=blocks)
        yield lookup("dispatch", chosen, width, blocks)
        yield Operator(
            name="combine",
            kind=OperatorKind.EMBEDDING,
            operations=(2 * active - 1) * tokens * width,
            input_elements=chosen * (width + 2),
            output_elements=tokens * width,
            count=blocks,
        )
    yield vector(
        "mlp_swiglu",
        OperatorKind.ACTIVATION,
        SILU + 1,
        routed * model.hidden,
        operands=2,
        count=blocks * runs,
    )
    yield residual_norm("mlp_norm", tokens, width, norm=norm, count=blocks - 1)
    yield residual_norm("final_norm", batch, width, norm=norm, results=1)


NETWORKS: dict[str, Callable[[], Iterator[Operator]]] = {
    "bert_base": bert_base,
    "dlrm": dlrm,
    "gpt2": gpt2,
    "mobilenet_v2": mobilenet_v2,
    "resnet50": resnet50,
    "vit_b16": vit_b16,
}
for _name, _model, _sizes in passes():
    NETWORKS[_name] = functools.partial(language_model, _model, **_sizes)


def table(name: str) -> str:
    """The CSV text of a network's operators."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Operator", "Kind", "Operations", "Inputs", "Outputs", "Count"])
    for operator in NETWORKS[name]():
        elements = operator.input_elements, operator.output_elements
        writer.writerow(
            [operator.name, operator.kind.value, operator.operations, *elements, operator.count]
        )
    return text.getvalue()


if __name__ == "__main__":
    texts = {TABLES / "operators" / f"{name}.csv": table(name) for name in NETWORKS}
    _generated.update(texts, sys.argv[1:])
