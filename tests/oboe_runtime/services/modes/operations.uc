state_op mode_of(number; ; mode)
    entry_read[0, mode]
end_op

state_op mode_set(number; mode)
.reg value
    alu[value, --, B, mode]
    entry_write[0, value]
end_op

state_op seen_begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero]
end_op

state_op seen_count(record)
.reg packets
    entry_read[0, packets]
    alu[packets, packets, +, 1]
    entry_write[0, packets]
end_op
