"""The memory timing of the scalesim 3.0.0 package, word by word: slow and obvious.

Written anew from what the package does. A word of an operand is the pair (index along time or
rows, index along the folded dimension).
"""

import math


def run(m, n, k, rows, cols, dataflow, ifmap_kb, filter_kb, ofmap_kb, bandwidth):
    """All counts of one run as a dictionary. `bandwidth` None is CALC mode."""
    s_r, s_c, t = {"OS": (m, n, k), "WS": (k, n, m), "IS": (k, m, n)}[dataflow]
    names = ("filter", "ifmap") if dataflow == "IS" else ("ifmap", "filter")
    kilobytes = {"ifmap": ifmap_kb, "filter": filter_kb}
    colwise_order = diagonal_order(t, s_c, cols) if dataflow == "OS" else row_order(s_r, s_c, cols)
    orders = [diagonal_order(t, s_r, rows), colwise_order]
    paddings = [
        math.ceil(s_r / rows) * rows * t,
        math.ceil(s_c / cols) * cols * (t if dataflow == "OS" else s_r),
    ]
    if bandwidth is None:
        readers = [Estimate(kilobytes[name]) for name in names]
        writer = WriteBuffer(ofmap_kb, cols)
    else:
        readers = [
            ReadBuffer(kilobytes[name], bandwidth, order, padded)
            for name, order, padded in zip(names, orders, paddings, strict=True)
        ]
        writer = WriteBuffer(ofmap_kb, bandwidth)

    stall = 0
    for index, (rowwise, colwise, outputs) in enumerate(lines(s_r, s_c, t, rows, cols, dataflow)):
        cycle = index + stall
        waits = [readers[0].read(rowwise, cycle), readers[1].read(colwise, cycle)]
        out = writer.write(outputs, cycle)
        stall += max(*waits, out - cycle)
    writer.finish()
    reads = dict(zip(names, readers, strict=True))
    return {
        "total_cycles": out,
        "stall_cycles": stall,
        "compute_cycles": index,
        "ifmap_dram_reads": reads["ifmap"].count,
        "filter_dram_reads": reads["filter"].count,
        "ofmap_dram_writes": writer.count,
    }


def lines(s_r, s_c, t, rows, cols, dataflow):
    """What each line reads of the two operands, and how many outputs it writes."""
    load = 0 if dataflow == "OS" else rows
    for left in range(0, s_c, cols):
        for top in range(0, s_r, rows):
            for line in range(load + rows + cols + t - 2):
                rowwise, colwise, outputs = [], [], 0
                for row in range(rows):
                    time = line - load - row
                    if 0 <= time < t and top + row < s_r:
                        rowwise.append((time, top + row))
                for col in range(cols):
                    if left + col >= s_c:
                        continue
                    if dataflow == "OS":
                        if 0 <= line - col < t:
                            colwise.append((line - col, left + col))
                        # Outputs leave through the bottom row.
                        row = rows - 1 - (line - col - (t - 1))
                        outputs += 0 <= row < rows and top + row < s_r
                    else:
                        row = top + rows - 1 - line
                        if row >= top and row < s_r:
                            colwise.append((row, left + col))
                        outputs += 0 <= line - col - (2 * rows - 1) < t
                yield rowwise, colwise, outputs


def diagonal_order(height, columns, width):
    """Words of a streamed operand in the order of prefetching."""
    words = [(time, column) for time in range(height) for column in range(columns)]

    def key(word):
        time, column = word
        tile, within = divmod(column, width)
        return tile * height + time + within, within

    return sorted(words, key=key)


def row_order(height, columns, width):
    """Words of the stationary operand in the order of prefetching."""
    words = [(row, column) for row in range(height) for column in range(columns)]
    return sorted(words, key=lambda word: (word[1] // width, word))


class ReadBuffer:
    """A double buffer of sets, of which some are resident."""

    def __init__(self, kilobytes, bandwidth, order, padded):
        size = 1024 * kilobytes
        half = size // 2
        set_words = math.ceil(size / 100)
        self.set_of = {word: rank // set_words for rank, word in enumerate(order)}
        self.sets = len(order) // set_words + 1
        self.num_resident = min(self.sets, math.ceil(half / set_words))
        self.step = min(self.sets - self.num_resident, math.ceil(half / set_words))
        self.start = 0
        self.rows = math.ceil(half / bandwidth)
        self.bandwidth = bandwidth
        self.ready = -1
        self.count = min(self.rows, math.ceil(padded / bandwidth)) * bandwidth

    def resident(self, word):
        return (self.set_of[word] - self.start) % self.sets < self.num_resident

    def read(self, words, cycle):
        offset = 1
        for word in words:
            while not self.resident(word):
                self.start = (self.start + self.step) % self.sets
                self.ready += self.rows + 1
                self.count += self.rows * self.bandwidth
                late = self.ready - (cycle + offset)
                offset += late
                if late > 0:
                    offset += late
        return offset - 1


class Estimate:
    """CALC mode: never waits, and remembers words until there are too many."""

    def __init__(self, kilobytes):
        self.capacity = 50 * (1024 * kilobytes // 100)
        self.known = set()
        self.count = 0

    def read(self, words, cycle):
        for word in words:
            if word not in self.known:
                self.known.add(word)
                self.count += 1
                if len(self.known) == self.capacity:
                    self.known = set()
        return 0


class WriteBuffer:
    """The buffer of the outputs. `queue` holds the sizes of rows that wait."""

    def __init__(self, kilobytes, bandwidth):
        self.size = 1024 * kilobytes
        self.bandwidth = bandwidth
        self.free = self.size
        self.open = 0
        self.queue = []
        self.drain_end = 0
        self.count = 0

    def write(self, words, cycle):
        for _ in range(words):
            self.open += 1
            self.free -= 1
            if self.open == self.bandwidth:
                self.close()
            if cycle < self.drain_end:
                if self.free <= 0:
                    cycle = self.drain_end
            elif self.free < self.size // 2:
                self.close()
                self.drain(cycle)
        return cycle

    def close(self):
        if self.open:
            self.queue.append(self.open)
            self.open = 0

    def drain(self, cycle):
        rows = self.queue[: math.ceil(self.size / 2 / self.bandwidth)]
        self.queue = self.queue[len(rows) :]
        drained = (len(rows) - 1) * self.bandwidth + rows[-1]
        self.free += drained
        self.count += drained
        self.drain_end = cycle + len(rows) - 1

    def finish(self):
        self.close()
        while self.queue:
            self.drain(0)
