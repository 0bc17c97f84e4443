// Counting at both ends of an entry.

#define_eval LAST (STATE_WORDS - 2)

state_op context_begin(record)
.reg zero
    immed[zero, 0]
    entry_write[0, zero, zero]
    entry_write[LAST, zero, zero]
end_op

state_op context_count(record; length)
.reg packets bytes
    entry_read[0, packets, bytes]
    alu[packets, packets, +, 1]
    alu[bytes, bytes, +, length]
    entry_write[0, packets, bytes]
    entry_read[LAST, packets, bytes]
    alu[packets, packets, +, 1]
    alu[bytes, bytes, +, length]
    entry_write[LAST, packets, bytes]
end_op
