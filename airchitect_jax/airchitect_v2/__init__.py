"""The AIrchitect v2 data set: read, split, learnt and judged."""
