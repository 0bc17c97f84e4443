// The operations of network monitoring.

state_op flow_begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero, zero, zero, zero]
end_op

state_op flow_count(record; length, flags)
.reg packets bytes seen
    entry_read[0, packets, bytes, seen]
    alu[packets, packets, +, 1]
    alu[bytes, bytes, +, length]
    alu[seen, seen, OR, flags]
    entry_write[0, packets, bytes, seen]
end_op

state_op total_count(protocol; length)
.reg one
    immed[one, 1]
    entry_merge[0, one]
    entry_merge[1, length]
end_op

state_op sketch_count(cell; length)
    entry_merge[0, length]
end_op

// Raise the cells that lie below the new estimate, which is the least of the four plus the length. What is written
// depends on all four cells, so the sum of two such sketches is no such sketch.
state_op conservative_count(cell0; cell1, cell2, cell3, length; estimate)
.reg count0 count1 count2 count3
    entry_read[0, count0]
    entry_read[0, count1], at[cell1]
    entry_read[0, count2], at[cell2]
    entry_read[0, count3], at[cell3]
    alu[estimate, --, B, count0]
    alu[--, count1, -, estimate]
    bhs[least1#]
    alu[estimate, --, B, count1]
least1#:
    alu[--, count2, -, estimate]
    bhs[least2#]
    alu[estimate, --, B, count2]
least2#:
    alu[--, count3, -, estimate]
    bhs[least3#]
    alu[estimate, --, B, count3]
least3#:
    alu[estimate, estimate, +, length]
    alu[--, count0, -, estimate]
    bhs[raised0#]
    entry_write[0, estimate]
raised0#:
    alu[--, count1, -, estimate]
    bhs[raised1#]
    entry_write[0, estimate], at[cell1]
raised1#:
    alu[--, count2, -, estimate]
    bhs[raised2#]
    entry_write[0, estimate], at[cell2]
raised2#:
    alu[--, count3, -, estimate]
    bhs[raised3#]
    entry_write[0, estimate], at[cell3]
raised3#:
end_op
