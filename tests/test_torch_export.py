"""Exported PyTorch programs, beside PyTorch's own counter of operations."""

import importlib.util
import re

import pytest

from airchitect_jax import open_network, read_torch

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs torch")


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_the_extra_is_named(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"")
    with pytest.raises(ImportError, match=r"pip install 'airchitect-jax\[torch\]'"):
        read_torch(tmp_path / "net.pt2")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"net.pt2: cannot be read"):
        read_torch(tmp_path / "net.pt2")


def exported(folder, fn, *args, **options):
    """A file of a function or a module."""

    class Program(nn.Module):
        def __init__(self):
            super().__init__()
            self.fn = fn

        def forward(self, *args):
            return self.fn(*args)

    module = (fn if isinstance(fn, nn.Module) else Program()).eval()
    path = folder / "net.pt2"
    torch.export.save(torch.export.export(module, args, **options), path)
    return path


def gemms(network):
    return [(layer.m, layer.n, layer.k, layer.count) for layer in network.layers]


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 8, (3, 2), stride=2, padding=1, dilation=(1, 2)),
        nn.BatchNorm2d(8),
        nn.Hardswish(inplace=True),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ReLU6(),
        nn.Conv2d(8, 12, 1, groups=4),
        nn.MaxPool2d(2),
        nn.GELU(),
        nn.ConvTranspose2d(12, 6, 3, stride=2, groups=3),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.LogSoftmax(-1),
    )


def products(a, b, c):
    wide = torch.baddbmm(c, a, b) + torch.einsum("bij,bjk->bik", a, b)
    flat = torch.addmm(c[0], a[0], b[0]) @ wide.transpose(1, 2)
    return torch.matmul(flat, c[0]), torch.bmm(a, b)


def attention(q, k, v):
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


CASES = {
    "convolutions": lambda: (convolutions(), torch.zeros(2, 3, 20, 24)),
    "encoder": lambda: (
        nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), torch.zeros(2, 9, 32),
    ),
    "decoder": lambda: (
        nn.TransformerDecoderLayer(32, 4, 64), torch.zeros(7, 2, 32), torch.zeros(9, 2, 32),
    ),
    "products": lambda: (
        products, torch.zeros(3, 4, 5), torch.zeros(3, 5, 6), torch.zeros(3, 4, 6),
    ),
    "attention": lambda: (
        attention, torch.zeros(2, 4, 6, 8), torch.zeros(2, 4, 9, 8), torch.zeros(2, 4, 9, 5),
    ),
    "conv1d": lambda: (nn.Conv1d(4, 6, 5, padding="same"), torch.zeros(2, 4, 30)),
    "conv3d": lambda: (nn.Conv3d(2, 4, 3), torch.zeros(1, 2, 6, 7, 8)),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("decomposed", [False, True])
def test_macs_are_half_of_the_flops_that_torch_counts(name, decomposed, tmp_path):
    fn, *args = CASES[name]()
    path = exported(tmp_path, fn, *args)
    if decomposed:
        torch.export.save(torch.export.load(path).run_decompositions(), path)
    network = read_torch(path)
    assert not network.skipped
    # It does not count the fused kernel of attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.export.load(path).module()(*args)
    assert 2 * network.macs == counter.get_total_flops()


@needs_torch
def test_operators_of_a_perceptron(tmp_path):
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 4))
    network = read_torch(exported(tmp_path, net, torch.zeros(3, 8)))
    assert gemms(network) == [(3, 16, 8, 1), (3, 4, 16, 1)]
    assert [layer.name for layer in network.layers] == ["0", "3"]
    (operator,) = network.operators  # fused
    assert operator.operations == 3 * 16 * (1 + 7)
    assert operator.input_elements == 3 * 16 + 2 * 16
    assert operator.output_elements == 3 * 16


@needs_torch
@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_layers(kind, gates, batch_first, tmp_path):
    net = getattr(nn, kind)(5, 7, num_layers=2, bidirectional=True, batch_first=batch_first)
    network = read_torch(exported(tmp_path, net, torch.zeros(2, 3, 5)))
    steps, batch = (3, 2) if batch_first else (2, 3)
    first, second = ((6, 7 * gates, width, 1) for width in (5, 14))
    state = (batch, 7 * gates, 7, steps)
    assert gemms(network) == [first, state, first, state, second, state, second, state]
    (cell,) = (operator for operator in network.operators if operator.count > 1)
    assert cell.count == 4 * steps


@needs_torch
def test_query_heads_that_share_keys_are_stacked(tmp_path):
    def grouped(q, k, v):
        return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    args = torch.zeros(2, 8, 6, 16), torch.zeros(2, 2, 9, 16), torch.zeros(2, 2, 9, 16)
    network = read_torch(exported(tmp_path, grouped, *args))
    assert gemms(network) == [(24, 9, 16, 4), (24, 16, 9, 4)]


@needs_torch
def test_control_flow(tmp_path):
    def branches(x):
        return torch.cond(x.sum() > 0, lambda x: x @ x, lambda x: (x @ x) @ x, (x,))

    assert read_torch(exported(tmp_path, branches, torch.zeros(4, 4))).macs == 2 * 64

    def loop(x):
        body = lambda i, x: (i + 1, x @ x)  # noqa: E731
        return torch.while_loop(lambda i, x: i < 5, body, (torch.tensor(0), x))

    with pytest.warns(UserWarning, match=r"net.pt2: while_loop .*: the number of iterations"):
        assert read_torch(exported(tmp_path, loop, torch.zeros(4, 4))).macs == 64


@needs_torch
def test_loops_along_an_axis(tmp_path):
    from torch._higher_order_ops.map import map as along
    from torch._higher_order_ops.scan import scan

    def loops(x, xs):
        return scan(lambda c, x: (c @ x, c.sum()), x, xs), along(lambda a, b: (a @ b) @ b, xs, x)

    network = read_torch(exported(tmp_path, loops, torch.zeros(4, 4), torch.zeros(5, 4, 4)))
    assert gemms(network) == [(4, 4, 4, 5)] * 3


@needs_torch
def test_dynamic_dimensions(tmp_path):
    net = nn.Linear(8, 4)
    sides = {0: torch.export.Dim("batch", min=2, max=64), 1: torch.export.Dim("steps", max=512)}
    path = exported(tmp_path, net, torch.zeros(2, 9, 8), dynamic_shapes=(sides,))
    with pytest.raises(ValueError, match="need the sizes of dimensions of inputs") as caught:
        read_torch(path)
    flags = re.findall(r"--dim=(\w+)=(\d+)", str(caught.value))
    assert read_torch(path, {name: int(size) for name, size in flags}).macs == 2 * 128 * 8 * 4
    assert gemms(open_network(path, {"input[0]": 3, "input[1]": 5})) == [(15, 4, 8, 1)]
    with pytest.raises(ValueError, match=r"input\[0\]: 65 is not allowed; expected 2\.\.64"):
        read_torch(path, {"input[0]": 65, "input[1]": 5})
    with pytest.raises(ValueError, match="dimension 'batch' is not one of the model's"):
        read_torch(path, {"batch": 2})


@needs_torch
def test_operators_of_other_libraries_are_listed(tmp_path):
    @torch.library.custom_op("airchitect_test::double", mutates_args=())
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @double.register_fake
    def _(x):
        return torch.empty_like(x)

    path = exported(tmp_path, lambda x: double(x @ x), torch.zeros(4, 4))
    assert read_torch(path).skipped == {"aten.airchitect_test.double": 1}


@needs_torch
def test_what_is_no_program_is_one_line(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net.pt2: not an exported PyTorch program") as caught:
        read_torch(tmp_path / "net.pt2")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no matrix work found"):
        read_torch(exported(tmp_path, nn.ReLU(), torch.zeros(3)))
