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
        lines = [line for line in axes.lines if not line.get_label().startswith("_")]
        looks = [
            (to_hex(line.get_color(), keep_alpha=True), line.get_alpha(), line.get_linestyle())
            for line in lines
        ]
        assert len(set(looks)) == len(looks), [line.get_label() for line in lines]
        points = [one for one in axes.collections if not one.get_label().startswith("_")]
        colors = [to_hex(one.get_facecolor()[0]) for one in points if len(one.get_facecolor())]
        assert len(set(colors)) == len(colors), [one.get_label() for one in points]
