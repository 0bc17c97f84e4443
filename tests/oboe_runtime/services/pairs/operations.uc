state_op pair_check(number; ; sum)
.reg value other again
    entry_read[0, value, other, again]
    alu[other, --, ~B, other]
    alu[sum, value, XOR, other]
    alu[other, value, XOR, again]
    alu[sum, sum, OR, other]
end_op

// One longword after the other: what stands between them is not seen by readers.
state_op pair_set(number; value)
.reg other
    entry_read[0, other]
    alu[other, --, ~B, value]
    entry_write[0, value]
    entry_write[1, other]
    entry_write[2, value]
end_op
