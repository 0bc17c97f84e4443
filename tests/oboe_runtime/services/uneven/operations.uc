state_op begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero, zero, zero, zero]
end_op

state_op advance(record; number)
.reg packets last late
    entry_read[0, packets, last, late]
    alu[packets, packets, +, 1]
    alu[--, number, -, last]
    bhs[in_order#]
    alu[late, late, +, 1]
in_order#:
    alu[last, --, B, number]
    entry_write[0, packets, last, late]
end_op
