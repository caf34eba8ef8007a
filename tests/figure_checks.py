"""What every figure keeps to: no legend over data, and no look that means two things."""

from matplotlib.colors import to_hex


def check(figure):
    """Draws the figure and looks at its legends, its labels and its colours."""
    figure.draw_without_rendering()
    panels = [axes.get_window_extent() for axes in figure.axes]
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    for legend in legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(panel) for panel in panels), figure
        assert figure.bbox.x0 <= box.x0, figure
        assert box.x1 <= figure.bbox.x1, figure
    for axes in figure.axes:
        seen = {}
        for line in axes.lines:
            color = to_hex(line.get_color())
            seen.setdefault((color, line.get_alpha(), line.get_linestyle()), set()).add(
                line.get_label()
            )
        for points in axes.collections:
            if len(points.get_facecolor()):
                seen.setdefault(to_hex(points.get_facecolor()[0]), set()).add(points.get_label())
        for look, labels in seen.items():
            named = [label for label in labels if not label.startswith("_")]
            assert len(named) < 2, (look, named)
