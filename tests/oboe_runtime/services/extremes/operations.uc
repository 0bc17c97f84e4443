state_op bits_note(entry; value)
    entry_merge[0, value]
end_op

state_op least_note(entry; value)
.reg doubled
    entry_merge[0, value]
    alu_shf[doubled, --, B, value, <<1]
    entry_merge[2, doubled]
end_op

state_op greatest_note(entry; value)
.reg new                        // the name of a register of the macro that merges, were it not careful
    entry_merge[0, value]
    alu[new, --, ~B, value]
    entry_merge[1, new]
end_op

state_op greatest_of(entry; ; value)
    entry_read[0, value]
end_op
