state_op take(counter; flow_number; ticket)
.reg next
    entry_read[0, next]
    alu[ticket, next, +, flow_number]
    alu[next, next, +, 1]
    entry_write[0, next]
end_op
