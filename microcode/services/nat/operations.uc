// The operations of address and port translation.

// Take the lowest free port of a bundle; 63 is none.
state_op port_take(bundle; ; slot)
.reg low high rest
    entry_read[0, low, high]
    alu[rest, low, -, 1]
    alu[--, --, B, low]
    beq[upper#]
    ffs[slot, low]
    alu[low, low, AND, rest]
    entry_write[0, low]
    br[taken#]
upper#:
    alu[rest, high, -, 1]
    alu[--, --, B, high]
    beq[none#]
    ffs[slot, high]
    alu[slot, slot, +, 32]
    alu[high, high, AND, rest]
    entry_write[1, high]
    br[taken#]
none#:
    immed[slot, 63]
taken#:
end_op

state_op port_give(bundle; slot)
.reg half bit
    immed[bit, 1]
    alu[--, slot, OR, 0]
    alu_shf[bit, --, B, bit, <<indirect]
    br_bset[slot, 5, upper#]
    entry_read[0, half]
    alu[half, half, OR, bit]
    entry_write[0, half]
    br[given#]
upper#:
    entry_read[1, half]
    alu[half, half, OR, bit]
    entry_write[1, half]
given#:
end_op

state_op session_open(session; inside, far, ports, protocol)
    entry_write[0, inside, far, ports, protocol]
end_op

state_op session_close(session)
.reg zero
    immed[zero, 0]
    entry_write[3, zero]
end_op

state_op session_find(session; ; inside, far, ports, protocol)
    entry_read[0, inside, far, ports, protocol]
end_op

state_op flow_port_set(record; port)
.reg value
    alu[value, --, B, port]
    entry_write[0, value]
end_op

state_op flow_port_get(record; ; port)
    entry_read[0, port]
end_op
