// No state, no operation.
