// Writes a next neighbour register of the following microengine, then signals it; leaves both cycles in local memory.
//
//   WRITTEN   the register as a destination: n$mark, or *n$index++ for a put
//   SIGNAL    number of the signal

.reg n$mark time
#repeat (20)
    nop
#endloop
    local_csr_rd[profile_count]
    immed[time, 0]
    alu[WRITTEN, --, B, 1]
    alu[*l$index0++, 2, +, time]
#repeat (120)
    nop
#endloop
    local_csr_rd[profile_count]
    immed[time, 0]
    local_csr_wr[next_neighbor_signal, (SIGNAL << 3)]
    alu[*l$index0++, 2, +, time]
    ctx_arb[kill]
