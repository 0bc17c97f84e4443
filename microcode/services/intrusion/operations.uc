// The operations of intrusion detection.

state_op rule_step(index; ; step)
    entry_read[0, step]
end_op

// Whether a byte leads away from the root. The entry is byte / 32.
state_op root_test(group; byte; leaves)
.reg bits
    entry_read[0, bits]
    alu[--, byte, OR, 0]
    alu_shf[leaves, 1, AND, bits, >>indirect]
end_op

state_op policy_of(state; ; action)
    entry_read[0, action]
end_op

state_op policy_set(state; action)
.reg value
    alu[value, --, B, action]
    entry_write[0, value]
end_op

state_op alert_count(state)
.reg one
    immed[one, 1]
    entry_merge[0, one]
end_op

state_op scan_begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero, zero]
end_op

// The direction is bit 16: whether the endpoints of the key changed places.
state_op scan_find(record; direction; state)
.reg back
    entry_read[0, state, back]
    br_bclr[direction, 16, found#]
    alu[state, --, B, back]
found#:
end_op

state_op scan_keep(record; direction, state)
    br_bset[direction, 16, back#]
    entry_write[0, state]
    br[kept#]
back#:
    entry_write[1, state]
kept#:
end_op
