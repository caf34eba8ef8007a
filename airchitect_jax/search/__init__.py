"""Search baselines behind one small interface: any searcher on any problem."""
