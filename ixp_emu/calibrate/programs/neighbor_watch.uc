// Looks at a next neighbour register in every cycle, from cycle 0 on, then waits for the signal.
//
//   READ     the register as a source: n$mark, or *n$index, the next that a get takes
//   SIGNAL   number of the signal

.reg n$mark time
.sig woken
.addr woken SIGNAL
.set_sig woken
#repeat (100)
    alu[*l$index0++, --, B, READ]
#endloop
    ctx_arb[woken]
    local_csr_rd[profile_count]
    immed[time, 0]
    alu[*l$index0++, --, B, time]
    ctx_arb[kill]
