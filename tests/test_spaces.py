import numpy as np
import pytest
import reference

from airchitect_jax import ArrayDataflowSpace, ArrayDesign, Dataflow


def test_paper_count():
    assert ArrayDataflowSpace().num_designs == 459


@pytest.mark.parametrize("exponent", [2, 3, 7, 18, 30])
def test_ids_are_the_tie_order_of_the_reference(exponent):
    space = ArrayDataflowSpace(max_mac_exponent=exponent)
    expected = reference.designs(exponent)
    assert space.num_designs == len(expected)
    designs = space.decode(np.arange(space.num_designs))
    ours = zip(designs.rows, designs.cols, designs.dataflow, strict=True)
    assert [(r, c, Dataflow(d).name) for r, c, d in ours] == expected


@pytest.mark.parametrize("exponent", [2, 5, 18])
def test_encode_inverts_decode(exponent):
    space = ArrayDataflowSpace(max_mac_exponent=exponent)
    ids = np.arange(space.num_designs)
    np.testing.assert_array_equal(space.encode(space.decode(ids)), ids)
    np.testing.assert_array_equal(
        space.design_id(space.row_exponent, space.col_exponent, space.dataflow), ids
    )


def test_feasible_designs_are_a_prefix():
    space = ArrayDataflowSpace()
    for exponent in range(2, 19):
        feasible = space.feasible(exponent)
        count = ArrayDataflowSpace(max_mac_exponent=exponent).num_designs
        assert feasible[:count].all()
        assert not feasible[count:].any()


def test_attributes_cover_every_design():
    space = ArrayDataflowSpace()
    for attribute in space.attributes:
        assert attribute.of_design.shape == (459,)
        assert set(attribute.of_design) <= set(range(len(attribute.categories)))
    by_name = {attribute.name: attribute for attribute in space.attributes}
    design_id = int(space.encode(ArrayDesign(rows=32, cols=64, dataflow=Dataflow.WS)))
    shape = by_name["array shape"]
    assert shape.categories[shape.of_design[design_id]] == "32x64"
    aspect = by_name["log2(rows / cols)"]
    assert aspect.categories[aspect.of_design[design_id]] == "-1"
    assert space.describe(design_id) == "32x64 WS"


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"rows": 3}, "rows: .*powers of two"),
        ({"rows": 1}, "rows: 1 is not allowed"),
        ({"rows": 2**17, "cols": 4}, "rows \\* cols"),
        ({"dataflow": 5}, "dataflow: 5"),
    ],
)
def test_designs_outside_of_the_space_are_refused(design, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataflowSpace().encode(ArrayDesign(**({"rows": 2, "cols": 2, "dataflow": 0} | design)))


def test_ids_outside_of_the_space_are_refused():
    with pytest.raises(ValueError, match="design_id: 459 is not allowed"):
        ArrayDataflowSpace().decode(459)
    with pytest.raises(ValueError, match="max_mac_exponent: 31"):
        ArrayDataflowSpace(max_mac_exponent=31)
