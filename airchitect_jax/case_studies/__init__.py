"""Case studies: a design space, an oracle and a range of workloads, tied together for learning."""
