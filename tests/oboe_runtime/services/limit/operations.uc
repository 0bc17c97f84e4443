// The first merge may be left out, so both must mark their line.
state_op count_packet(entry; number)
.reg one
    immed[one, 1]
    br_bclr[number, 0, even#]
    entry_merge[1, one]
even#:
    entry_merge[0, one]
end_op

state_op count_of(entry; ; packets)
    entry_read[0, packets]
end_op
