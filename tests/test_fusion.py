"""Fusion of elementwise work: by hand, and against a slow search of a graph."""

import hypothesis
import jax
import jax.numpy as jnp
import pytest
from hypothesis import strategies as st
from jax import lax

from airchitect_jax import OperatorKind, from_jax
from airchitect_jax.workloads.fusion import Tape

E = OperatorKind.ELEMENTWISE


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def operators(fn, *args):
    """Kind, operations, elements read and written, and runs."""
    return [
        (one.kind.value, one.operations, one.input_elements, one.output_elements, one.count)
        for one in from_jax(fn, *args).operators
    ]


X, W, B = floats(8, 4), floats(4, 4), floats(1, 4)


@pytest.mark.parametrize(
    ("fn", "args", "expected"),
    [
        # The product is read, and the bias once for all rows.
        (lambda x, w, b: jax.nn.relu(x @ w + b), (X, W, B), [("activation", 64, 36, 32, 1)]),
        # The same operand twice is read once.
        (lambda x, w: (x @ w) * (x @ w), (X, W), [("elementwise", 32, 64, 32, 1)]),
        (lambda x, w: lax.square(x @ w) + x @ w, (X, W), [("elementwise", 64, 64, 32, 1)]),
        # A result that a product reads is written, and read again by what follows the product.
        (
            lambda x, w: (a := jnp.tanh(x @ w)) @ w + a,
            (X, W),
            [("activation", 32, 32, 32, 1), ("elementwise", 32, 64, 32, 1)],
        ),
        # Work that waits for a product, but not for its result, is done when it is needed.
        (lambda x, w: jnp.tanh(x) + x @ w, (X, W), [("activation", 64, 64, 32, 1)]),
        # Slices are read in place, reshapes and broadcasts cost nothing.
        (
            lambda x, w: (y := (x @ w).reshape(4, 8))[:, :4] * y[:, 4:],
            (X, W),
            [("elementwise", 16, 32, 16, 1)],
        ),
        (lambda x, w: (y := x @ w)[:, :1] + y[:, :1], (X, W), [("elementwise", 8, 16, 8, 1)]),
        # Transposes and concatenations move; of sides of one only the shape changes.
        (lambda x, w: (x @ w).T, (X, W), [("data_movement", 0, 32, 32, 1)]),
        (lambda x, w: (x @ w)[None].transpose(1, 0, 2), (X, W), []),
        (lambda x, w: jnp.concatenate([x @ w, x]), (X, W), [("data_movement", 0, 64, 64, 1)]),
        (lambda x, w: lax.pad(x @ w, 0.0, [(1, 1, 0), (0, 0, 0)]), (X, W),
         [("data_movement", 0, 32, 40, 1)]),
        # A cast between floats costs nothing, the widths being the platform's.
        (lambda x, w: (x @ w).astype(jnp.bfloat16), (X, W), []),
        (lambda x, w: (x @ w > 0).astype(jnp.float32), (X, W), [("elementwise", 64, 32, 32, 1)]),
        (lambda x, w: jnp.sort(x @ w), (X, W), [("reduction", 64, 32, 32, 1)]),
        (lambda x, w: jnp.cumsum(x @ w, 1), (X, W), [("reduction", 32, 32, 32, 1)]),
        (lambda x, w: jnp.clip(x @ w, 0, 6), (X, W), [("activation", 64, 32, 32, 1)]),
        (
            lambda x, w: lax.reduce(x @ w, 0.0, lambda a, b: a + b * b, (1,)),
            (X, W),
            [("reduction", 2 * 24, 32, 8, 1)],
        ),
        (lambda x, w: lax.top_k(x @ w, 2)[0], (X, W), [("reduction", 32, 32, 32, 1)]),
        (
            lambda x, w: jnp.where(jax.random.bits(jax.random.key(0), (8, 4)) > 9, x @ w, 0.0),
            (X, W),
            [("elementwise", 58 + (58 + 2) * 32, 32, 32, 1)],
        ),
    ],
)  # fmt: skip
def test_operators_by_hand(fn, args, expected):
    network = from_jax(fn, *args)
    assert not network.skipped
    assert operators(fn, *args) == expected


def test_updates_are_in_place():
    cache, x = floats(64, 4), floats(1, 4)
    found = operators(lambda c, x, w: lax.dynamic_update_slice(c, x @ w, (5, 0)), cache, x, W)
    assert found == [("data_movement", 0, 4, 4, 1)]
    index = jax.ShapeDtypeStruct((3,), jnp.int32)

    def lookups(table, i, w):
        rows = table.at[i].get(mode="promise_in_bounds")
        return table.at[i].add(rows @ w, mode="promise_in_bounds")

    kinds = [one for one in operators(lookups, cache, index, W) if one[0] == "embedding"]
    assert kinds == [("embedding", 0, 15, 12, 1), ("embedding", 12, 27, 12, 1)]


def test_loops_and_branches():
    def scan(x, ws):
        return lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, ws)[0]

    assert operators(scan, X, floats(5, 4, 4)) == [("activation", 32, 32, 32, 5)]

    def branch(c, x, w):
        return lax.cond(c, lambda y: jnp.tanh(y) * y, lambda y: y + 1, x @ w)

    flag = jax.ShapeDtypeStruct((), jnp.bool_)
    assert ("activation", 64, 32, 32, 1) in operators(branch, flag, X, W)
    with pytest.warns(UserWarning, match="while: the number of iterations is not known"):
        found = operators(
            lambda x, w: lax.while_loop(lambda y: y[0, 0] < 3, lambda y: y * y, x @ w), X, W
        )
    assert ("elementwise", 32, 32, 32, 1) in found


def test_names():
    def fn(x, w, norm):
        with jax.named_scope("block"):
            y = jnp.tanh(x @ w)
        return jnp.abs(jax.nn.relu(y @ w) @ w * norm["scale"]) @ w - 1.0

    network = from_jax(fn, X, W, {"scale": B})
    names = [operator.name for operator in network.operators]
    assert names == ["block", "relu", "scale", "elementwise"]


def test_norms_and_softmax_are_recognised():
    def norm(x, g):
        x = x - x.mean(1, keepdims=True)
        return x / jnp.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * g

    def net(x, w, g):
        return jax.nn.softmax(norm(x @ w, g) @ w) @ w

    assert [one[0] for one in operators(net, X, W, B)] == ["normalization", "softmax"]


def test_a_root_of_every_element_is_no_normalisation():
    def update(x, w, rate):
        gradient = (x @ w).sum(0, keepdims=True)
        return rate * gradient / (jnp.sqrt(gradient**2) + 1e-8)

    assert [one[0] for one in operators(update, X, W, B)] == ["reduction"]


def test_what_is_not_modelled_is_listed():
    network = from_jax(lambda x, w: jnp.fft.fft(x @ w).real, X, W)
    assert network.skipped == {"fft": 1}


# A step of a graph: whether it may be fused, and which earlier results it reads.
GRAPHS = st.lists(
    st.tuples(st.booleans(), st.sets(st.integers(0, 11), max_size=3)), min_size=1, max_size=12
)


def slow_fusion(graph, size):
    """Elements read and written per group, by search; sources have size 1."""
    inputs = [{i for i in reads if i < number} for number, (_, reads) in enumerate(graph)]
    fusable = [may for may, _ in graph]

    def earliest(node):
        below = max((earliest(i) for i in inputs[node]), default=0)
        return below if fusable[node] else below + 1

    def level(node):
        readers = [other for other in range(len(graph)) if node in inputs[other]]
        if readers and all(fusable[other] for other in readers):
            return min(map(level, readers))
        return earliest(node)

    def neighbours(node):
        for other in range(len(graph)):
            linked = other in inputs[node] or node in inputs[other]
            if linked and fusable[node] and fusable[other] and level(node) == level(other):
                yield other

    found, seen = [], set()
    for start in range(len(graph)):
        if start in seen or not fusable[start]:
            continue
        group, queue = {start}, [start]
        while queue:
            new = set(neighbours(queue.pop())) - group
            group |= new
            queue += new
        seen |= group
        read = {i for node in group for i in inputs[node]} - group
        read_elsewhere = {i for n in range(len(graph)) if n not in group for i in inputs[n]}
        ends = {node for node in group if not any(node in reads for reads in inputs)}
        written = (group & read_elsewhere) | ends
        found.append((len(group), sum(size(i) for i in read), sum(size(i) for i in written)))
    return sorted(found)


@hypothesis.given(GRAPHS)
@hypothesis.settings(max_examples=200)
def test_groups_equal_a_slow_search(graph):
    def size(node):
        return 3**node

    tape, views = Tape(), []
    used = {i for number, (_, reads) in enumerate(graph) for i in reads if i < number}
    for number, (may, reads) in enumerate(graph):
        inputs = [views[i] for i in sorted(reads) if i < number]
        if may:
            views += tape.fused("", E, 1, inputs, [size(number)])
        else:
            views += tape.boundary(inputs, [size(number)])
    tape.store(view for number, view in enumerate(views) if number not in used)
    found = sorted(
        (one.operations, one.input_elements, one.output_elements) for one in tape.operators()
    )
    assert found == slow_fusion(graph, size)
