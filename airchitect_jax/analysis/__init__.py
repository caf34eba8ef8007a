"""A design space, seen: what is optimal where, and what the labels are like."""
